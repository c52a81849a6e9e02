"""`eisv-lumen data sync`: grow the published dataset from a source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import print_json
from ..options import Json


def sync(
    dataset: Annotated[str, typer.Argument(help="Dataset on the Hub, NAMESPACE/NAME.")],
    source: Annotated[Path, typer.Argument(help="An anima.db, governance updates, or states.")],
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be added; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Append to a dataset on the Hub the windows that it lacks.

    They continue the published ones, agent by agent; nothing new makes no commit, and two who
    grow the same dataset at once lose no window and double none. Killed or cut off, the same
    command resumes. It logs in as `hf auth login` did.

    With --create-pr main stays as it is. While your pull request is open, the same command
    grows it; where main has moved on since, it opens another and names the one to close.

    For instance:

      eisv-lumen data sync NS/unitares-eisv-trajectories anima.db --dry-run

      eisv-lumen data sync NS/unitares-eisv-trajectories anima.db

      eisv-lumen data sync NS/unitares-eisv-trajectories anima.db --create-pr
    """
    from dataclasses import asdict

    from ...hub.syncing.sync import sync as grow
    from ...trajectory.sources import read_source

    states = read_source(source)
    for line in states.report.lines():
        typer.echo(line, err=True)
    outcome = grow(
        dataset, states, stride=stride, create_pr=create_pr, dry_run=dry_run,
        report=lambda doing: typer.echo(f"{doing} …", err=True),
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
