"""From text to the table, in one command."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from .. import print_json
from ..frame import print_table
from ..options import new_folder
from .data import _bar

app = typer.Typer()

_MADE = ("cache", "chunks", "sequences", "p1", "ranker", "reports", "compare.svg")


def _is_demo(folder: Path) -> bool:
    """Whether a folder is one where a demo began, or was finished."""
    return (folder / "cache").is_dir() or (folder / "chunks" / "about.json").is_file()


@app.command()
def demo(
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for everything that is made.", callback=new_folder(_MADE, _is_demo)
        ),
    ] = Path("lvm-demo"),
    source: Annotated[
        str, typer.Option(help="stdlib (on every machine), wiki, kjv, pydoc; or as for `embed`.")
    ] = "stdlib",
    articles: Annotated[int, typer.Option(min=1, help="Articles drawn.")] = 90,
    longest: Annotated[int, typer.Option(min=1, help="Chunks of an article at most.")] = 40,
    epochs: Annotated[int, typer.Option(min=1, help="Of p1.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of all draws.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """From text to the table that compares models: offline, in minutes, on a CPU.

    Docstrings are embedded, laid out in sequences, checked; p1 and the ranker are trained, and
    tested beside what needs no training. Kill it, and the same command goes on.

    For example:

      eisv-lumen lvm demo --out lvm-demo
    """
    from transformers.utils.logging import disable_progress_bar

    from ...core.files import write_bytes
    from ...hub.figures.alignment import compare_models
    from ...lvm.alignment.table import COMPARED, compare_rows
    from ...lvm.demo import DemoSize, meaning, run_demo

    started = time.perf_counter()
    size = DemoSize(articles=articles, longest=longest, epochs=epochs)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    with _bar("embedding") as progress:
        reports = run_demo(
            out, source=source, seed=seed, size=size, progress=progress,
            say=lambda text: typer.echo(text, err=True),
        )  # fmt: skip
    rows = compare_rows(reports)
    write_bytes(out / "compare.svg", compare_models(reports))
    if as_json:
        print_json(
            {
                "columns": list(COMPARED),
                "rows": [list(row) for row in rows],
                "meaning": meaning(reports),
                "reports": str(out / "reports"),
            }
        )
    else:
        print_table(f"the next chunk of {reports[0].sets['test'].name}", COMPARED, rows)
        typer.echo(f"\n{meaning(reports)}")
    typer.echo(f"\ndone in {time.perf_counter() - started:.0f} s; reports in {out}", err=True)
