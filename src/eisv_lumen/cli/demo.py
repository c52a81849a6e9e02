"""`eisv-lumen demo`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.extras import require
from . import print_json
from .options import Root

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that is made.")] = Path(
        "demo-out"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed of all draws.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small fraction of the work, to see that it runs.")
    ] = False,
    root: Root = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Run the main job offline, from nothing: a log, its dataset, a teacher, its report.

    A run that was killed goes on where it stood. Example: eisv-lumen demo --out demo-out
    """
    from ..demo import QUICK, DemoSize, run_demo
    from ..hub.contents.context import default_root
    from .evaluate import show_report

    require("train", "The demo")
    require("publish", "The demo")
    size = QUICK if quick else DemoSize()
    report = run_demo(
        out,
        seed=seed,
        size=size,
        root=root or default_root(),
        say=lambda text: typer.echo(text, err=True),
    )
    if as_json:
        print_json(report.model_dump(by_alias=True))
        return
    show_report(report)
    typer.echo(f"\nReport: {out / 'report.json'}   figures: {out / 'figures'}", err=True)
