"""`eisv-lumen label`: one row per window of a log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.outputs import begins_with, is_our_drawing
from . import print_json
from .options import Force, Json, Source, Stride, Window, new_file

if TYPE_CHECKING:
    import pyarrow as pa

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_HEAD = '"agent","start","end"'
_SHOWN = 20
"""Rows on a terminal; --out has all."""


def _is_ours(path: Path) -> bool:
    if path.suffix == ".parquet":
        from pyarrow import ArrowException, parquet

        from ..trajectory.labels import LABELS

        try:
            return bool(parquet.read_schema(path).names == LABELS.names)
        except (ArrowException, OSError):
            return False
    return begins_with(_HEAD.encode(), b'{"agent": ')(path)


@app.command()
def label(
    source: Source,
    window: Window = 20,
    stride: Stride = 10,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write all rows here: .csv, .jsonl or .parquet.", callback=new_file(_is_ours)
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV on stdout.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the series and its labelled windows (.svg or .png).",
            callback=new_file(is_our_drawing),
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the condition closest to failing, too.")
    ] = False,
    replace: Force = False,
    as_json: Json = False,
) -> None:
    """Label each window of a log: agent, start, end, shape, the rule that fired and its margin.

    The thresholds of the rules are per second; it is said where a series is too sparse or too
    dense for them.

    For instance:

      eisv-lumen label anima.db --explain

      eisv-lumen label anima.db --out labels.csv --plot labels.svg
    """
    from ..core.errors import InputError
    from ..core.files import write_bytes
    from ..trajectory.labels import label_table

    if plot is not None and plot.suffix not in (".svg", ".png"):
        raise InputError(f"--plot {plot}: name a file that ends in .svg or .png")
    if out is not None and out.suffix not in (".csv", ".jsonl", ".parquet"):
        raise InputError(f"--out {out}: name a file that ends in .csv, .jsonl or .parquet")
    table, series, notes = label_table(source, window=window, stride=stride)
    for note in notes:
        typer.echo(note, err=True)
    if out is not None:
        write_bytes(out, _as_bytes(table, out.suffix))
        typer.echo(f"wrote {out}", err=True)
    if plot is not None:
        _plot(plot, series, table)
    if as_json:
        print_json({"source": source, "windows": table.num_rows, "labels": table.to_pylist()})
    elif csv:
        sys.stdout.write(_as_bytes(table, ".csv").decode())
    elif out is None:
        _show(table, explain)
    else:
        typer.echo(f"{table.num_rows:,} windows labelled", err=True)


def _plot(place: Path, series: Any, table: pa.Table) -> None:
    from ..core.extras import require
    from ..core.files import write_bytes
    from ..core.outputs import mark_drawing

    require("publish", "--plot")
    from ..hub.figures.labels import draw_labels

    kind = place.suffix[1:]
    write_bytes(place, mark_drawing(draw_labels(series, table, kind), kind))
    typer.echo(f"wrote {place}", err=True)


def _as_bytes(table: pa.Table, kind: str) -> bytes:
    import io
    import json

    if kind == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())
        return "".join(lines).encode("utf-8")
    out = io.BytesIO()
    if kind == ".csv":
        from pyarrow import csv

        csv.write_csv(table, out)
    else:
        from pyarrow import parquet

        parquet.write_table(table, out)
    return out.getvalue()


def _show(table: pa.Table, explain: bool) -> None:
    """Print the first rows, in 80 columns, and how many there are."""
    from .frame import print_table

    agents = table["agent"].unique().to_pylist()
    columns = [*(["agent"] if agents != [""] else []), "start", "end", "shape", "margin"]
    rows = []
    for row in table.slice(0, _SHOWN).to_pylist():
        margin = "" if row["margin"] is None else f"{row['margin']:.3g}"
        cells = {
            "agent": row["agent"][-12:], "start": row["start"][:19] or f"{row['t_start']:.2f}",
            "end": row["end"][11:19] or f"{row['t_end']:.2f}", "margin": margin,
            "shape": f"{row['rule']} {row['shape']}",
        }  # fmt: skip
        rows.append(tuple(cells[name] for name in columns))
        if explain:
            rows.append(("", *([""] * (len(columns) - 3)), f"  {row['condition']}", ""))
    print_table("", columns, rows)
    if table.num_rows > _SHOWN:
        typer.echo(f"… {table.num_rows:,} windows in all; --csv or --out gives every row", err=True)
