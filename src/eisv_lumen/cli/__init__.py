"""The command line: one small file a group of commands, no logic.

Chatter goes to stderr, results to stdout; input that cannot be used ends with one line and exit
code 2. Groups are imported when they are asked for, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from .frame import print_json, run_app

__all__ = ["app", "main", "print_json"]

_GROUPS = {
    "run": "The main job on a log of one's own: dataset, teacher, report, student.",
    "demo": "The main job from nothing: log, dataset, teacher, report.",
    "label": "One row per window of a log: shape, rule, margin; a plot.",
    "data": "Sources to a typed dataset; label agreement.",
    "cluster": "Windows of many agents and years, on many machines.",
    "voice": "The rule-based voice: its law, what it says, how it learns.",
    "teacher": "Train a language model to imitate the voice.",
    "student": "Distil a voice that the standard library alone can speak.",
    "evaluate": "Score a speaker between its floor and its ceiling.",
    "lvm": "Predict the next paragraph's vector, and test it fairly.",
    "publish": "Lay everything out in a folder, or on the Hub.",
    "render": "Write README, post and figures from results files.",
    "doctor": "Versions, extras, device, login and caches.",
}
"""Name of each group, which is its module here, and its help."""


class _LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(_GROUPS)

    def get_command(self, ctx: Any, name: str) -> Any:
        """Return what the list of commands shows of one, without importing it."""
        return TyperCommand(name, short_help=_GROUPS[name]) if name in _GROUPS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the group that is asked for."""
        name = args[0]
        if name not in _GROUPS:
            if name.startswith("-"):
                return super().resolve_command(ctx, args)
            meant = [f"'eisv-lumen {other}'" for other in _like(name)]
            ctx.fail(
                f"No such command {name!r}." + f" Did you mean {' or '.join(meant)}?" * bool(meant)
            )
        command = _command(name)
        command.name, command.help = name, command.help or _GROUPS[name]
        return name, command, args[1:]


def _command(name: str) -> Any:
    return typer.main.get_command(import_module(f".{name}", __name__).app)


def _like(typed: str) -> list[str]:
    """Return the commands that a word may have meant: a group, or `group command`."""
    if groups := get_close_matches(typed, _GROUPS, cutoff=0.7):
        return groups
    below: dict[str, list[str]] = {}
    for group in _GROUPS:
        for name in getattr(_command(group), "commands", ()):
            below.setdefault(name, []).append(f"{group} {name}")
    nearest = get_close_matches(typed, below, n=1, cutoff=0.7)
    return below[nearest[0]] if nearest else []


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},  # every command inherits it
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from eisv_lumen import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool,
        typer.Option(
            "-V",
            "--version",
            help="Print the version and stop.",
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
    _quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="On stderr, errors only. Works after a command.")
    ] = False,
    _verbose: Annotated[
        bool, typer.Option("--verbose", help="More details on stderr. Works after a command.")
    ] = False,
) -> None:
    """From trajectories to expressions, with every score between its floor and its ceiling.

    Start with `eisv-lumen demo --out demo-out`; each command has `--help` with examples.
    """


def main() -> None:
    """Run the command line; the entry point of `eisv-lumen`."""
    sys.exit(run_app(app))
