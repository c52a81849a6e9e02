"""The command line: one small file a group of commands, no logic.

Chatter goes to stderr, results to stdout; input that cannot be used ends with one line and exit
code 2. Groups are imported when they are asked for, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

_GROUPS = {
    "run": "The main job on a log of one's own: dataset, teacher, report, student.",
    "demo": "The main job from nothing: log, dataset, teacher, report.",
    "data": "Sources to a typed dataset; label agreement.",
    "cluster": "Windows of many agents and years, on many machines.",
    "voice": "The rule-based voice: its law, what it says, how it learns.",
    "teacher": "Train a language model to imitate the voice.",
    "student": "Distil a voice that the standard library alone can speak.",
    "evaluate": "Score a speaker between its floor and its ceiling.",
    "lvm": "Predict the next paragraph's vector, and test it fairly.",
    "publish": "Lay everything out in a folder, or on the Hub.",
    "render": "Write README, post and figures from results files.",
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
        if args[0] not in _GROUPS:
            return super().resolve_command(ctx, args)
        name = args[0]
        module = import_module(f".{name}", __name__)
        command = typer.main.get_command(module.app)
        command.name, command.help = name, command.help or _GROUPS[name]
        return name, command, args[1:]


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    add_completion=False,
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
            "--version", help="Print the version and stop.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """From trajectories to expressions, with every score between its floor and its ceiling.

    Start with `eisv-lumen demo --out demo-out`; each command has `--help` with examples.
    """


def main() -> None:
    """Run the command line; the entry point of `eisv-lumen`."""
    from ..core.errors import InputError
    from ..expression.vocabulary import UnknownNameError

    try:
        app()
    except (InputError, UnknownNameError) as error:
        typer.echo(f"eisv-lumen: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)


def print_json(value: Any) -> None:
    """Print one JSON object on stdout, in the form of our files."""
    from ..core.files import json_bytes

    sys.stdout.write(json_bytes(value).decode())
