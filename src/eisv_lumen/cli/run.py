"""`eisv-lumen run`: the main job on a log of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.extras import require
from . import print_json
from .options import Json, Root, Seed
from .reading import Reading, reads_states

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@reads_states
def run(
    logs: Annotated[
        list[str],
        typer.Argument(
            metavar="LOG...",
            help="anima.db, states (CSV, Parquet, ...), governance updates (.jsonl), folders, "
            "globs, or postgresql://...; several files of one agent are one series.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for everything that is made.")],
    recipe: Annotated[
        str, typer.Option(help="A teacher's recipe: `eisv-lumen teacher recipes` lists them.")
    ] = "demo",
    publish: Annotated[
        str, typer.Option(metavar="NS", help="User or organisation that OUT/hub is made for.")
    ] = "eisv-lumen",
    name: Annotated[
        str, typer.Option(help="Name of the dataset's repo in OUT/hub.")
    ] = "unitares-eisv-trajectories",
    seed: Seed = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small fraction of the work, to see that it runs.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be done, and for how long; do nothing.")
    ] = False,
    root: Root = None,
    as_json: Json = False,
    *,
    reading: Reading,
) -> None:
    """Make everything from a log: dataset, teacher, report, student, and a publication in a folder.

    Steps that are done are skipped, so a run that was stopped goes on with the same command.
    Nothing leaves this machine; `eisv-lumen publish --to hub --namespace NS --run OUT` sends it.

    For example:

      eisv-lumen run anima.db --out my-run --plan

      eisv-lumen run logs/2026-*.csv --out my-run --publish ada
    """
    from ..hub.cards.front_matter import check_namespace, check_repo_name
    from ..hub.contents.context import default_root
    from ..pipeline import Job
    from ..pipeline import plan as make_plan
    from ..pipeline import run as do
    from .evaluate import show_report

    check_namespace(publish)
    check_repo_name(name)
    if not plan:
        require("train", "The main job")
        require("publish", "The main job")
    job = Job(
        sources=tuple(logs),
        out=out,
        reading=reading,
        recipe=recipe,
        seed=seed,
        size=_size(quick),
        command=_command(recipe, seed, quick),
        namespace=publish,
        dataset=name,
        root=root or default_root(),
        say=lambda text: typer.echo(text, err=True),
    )
    if plan:
        found = make_plan(job, _rates(root or default_root()))
        print_json(found) if as_json else _show(found)
        return
    report = do(job)
    if as_json:
        print_json(report.model_dump(by_alias=True))
        return
    show_report(report)
    typer.echo(
        f"\nEverything is in {out}. Send it:  eisv-lumen publish --to hub --namespace {publish} "
        f"--run {out}",
        err=True,
    )


def _size(quick: bool) -> Any:
    from ..demo import QUICK
    from ..pipeline import RunSize

    return (
        RunSize(*(getattr(QUICK, name) for name in RunSize.__annotations__)) if quick else RunSize()
    )


def _command(recipe: str, seed: int, quick: bool) -> str:
    """Return what was typed, without the names of the log's files."""
    return f"eisv-lumen run LOG --recipe {Path(recipe).name} --seed {seed}{' --quick' * quick}"


def _rates(root: Path) -> dict[str, float] | None:
    from ..core.files import read_json

    path = root / "results" / "pipeline" / "rates.json"
    return read_json(path)["seconds"] if path.is_file() else None


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    typer.echo(f"{found['states']:,} states of {found['agents']} agents")
    for config, splits in found["windows"].items():
        words = ", ".join(f"{name} {n:,}" for name, n in splits.items())
        typer.echo(f"{config}: {words}")
    typer.echo(f"{found['dropped_at_borders']} windows at borders between splits are in none")
    table = Table()
    for column in ("step", "makes", "state", "about"):
        table.add_column(column, overflow="fold")
    for step in found["steps"]:
        seconds = step["seconds"]
        about = "" if step["done"] else "not measured" if seconds is None else f"{seconds:.0f} s"
        table.add_row(step["step"], step["makes"], "done" if step["done"] else "to do", about)
    Console().print(table)
