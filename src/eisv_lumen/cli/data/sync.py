"""`eisv-lumen data sync`: grow the published dataset from a source."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from .. import print_json
from ..options import Json, Source
from ..reading import Reading, reads_states

if TYPE_CHECKING:
    from ...trajectory.sources.common import Source as States

_NOT_NEEDED: Final = ("pandas", "scipy")


class _Without(MetaPathFinder):
    """Makes as if some packages were not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Refuse them; others are found as ever."""
        if name in _NOT_NEEDED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _spare_memory() -> None:
    """Keep out what Arrow and numba import only because it is there: 45 MB of a small computer.

    Only where this command is the whole process: whoever captures its output has other plans.
    """
    if sys.stdout is sys.__stdout__ and not any(name in sys.modules for name in _NOT_NEEDED):
        sys.meta_path.insert(0, _Without())


@reads_states
def sync(
    dataset: Annotated[str, typer.Argument(help="Dataset on the Hub, NAMESPACE/NAME.")],
    source: Source,
    stride: Annotated[
        int | None,
        typer.Option(
            min=1, help="With which the published windows were cut; by default as they say."
        ),
    ] = None,
    create_pr: Annotated[
        bool,
        typer.Option(
            "--create-pr",
            help="Send a pull request instead of committing to main; grow an open one.",
        ),
    ] = False,
    migrate: Annotated[
        bool,
        typer.Option(
            "--migrate",
            help="Bring the older schema (JSON in strings) into typed columns first; its revision "
            "gets a tag. Without it, the dataset grows in its own schema.",
        ),
    ] = False,
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Join the grown shards; past 64 it is done unasked."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be added; change nothing.")
    ] = False,
    as_json: Json = False,
    *,
    reading: Reading,
) -> None:
    """Append to a dataset on the Hub the windows that it lacks.

    They continue the published ones, agent by agent, whatever file the log stands in; nothing new
    makes no commit, and two who grow the same dataset at once lose no window and double none.
    Killed or cut off, the same command resumes. It logs in as `hf auth login` did; a dry run over
    a public dataset needs no login.

    With --create-pr main stays as it is. While your pull request is open, the same command
    grows it; where main has moved on since, it opens another and names the one to close.

    For instance:

      eisv-lumen data sync NS/unitares-eisv-trajectories anima.db --dry-run

      eisv-lumen data sync NS/unitares-eisv-trajectories anima.db

      eisv-lumen data sync NS/unitares-eisv-trajectories anima.db --create-pr
    """
    from dataclasses import asdict

    _spare_memory()
    from ...hub.syncing.sync import sync as grow
    from ...trajectory.sources import read_source
    from ...trajectory.sources.anima import is_sqlite, read_anima

    def read(since: Mapping[str, float]) -> States:
        if is_sqlite(source):  # a long log: only its end is read
            states = read_anima(source, reading, since=since.get(reading.agent or "lumen"))
        else:
            states = read_source(source, reading)
        for line in states.report.lines():
            typer.echo(line, err=True)
        return states

    outcome = grow(
        dataset, read, stride=stride, agent=reading.agent, create_pr=create_pr, migrate=migrate,
        compact=compact, dry_run=dry_run, report=lambda doing: typer.echo(f"{doing} …", err=True),
    )  # fmt: skip
    if outcome.pull_request:
        typer.echo(f"pull request: {outcome.pull_request}", err=True)
    elif create_pr and outcome.status == "would_grow":
        typer.echo("pull request: would be opened", err=True)
    if as_json:
        print_json(asdict(outcome))
        return
    for config, n in outcome.windows.items():
        typer.echo(f"{config}: {n} windows more{' (nothing was changed)' if dry_run else ''}")
    if outcome.status == "unchanged":
        typer.echo("nothing new")
