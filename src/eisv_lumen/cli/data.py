"""`eisv-lumen data`: sources to a typed dataset; what is in it; how far labels agree."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import print_json
from .sync import sync

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Sources to a typed dataset; what is in it; how far labels agree.",
    rich_markup_mode=None,
)

_Source = Annotated[
    str,
    typer.Argument(
        help="anima.db, governance updates (.jsonl), states (.parquet, .csv), a dataset "
        "(.parquet, folder, owner/name on the Hub), or postgresql://…"
    ),
]
_Window = Annotated[int, typer.Option(min=2, help="States in a window.")]
_Stride = Annotated[int, typer.Option(min=1, help="States from one window's start to the next's.")]
_Seed = Annotated[int, typer.Option(min=0, help="Seed of every draw.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
_PerShape = Annotated[int, typer.Option(min=0, help="Windows of each shape.")]
_Overrides = Annotated[
    list[str] | None,
    typer.Option("--shape-overrides", help="NAME=N: another count for a shape; may be repeated."),
]
_VMax = Annotated[float, typer.Option(help="Synthetic V stays in [0, V_MAX].")]


@app.command()
def build(
    source: _Source,
    out: Annotated[Path, typer.Option(help="A .parquet file; with --split, a folder.")],
    window: _Window = 20,
    stride: _Stride = 10,
    split: Annotated[bool, typer.Option(help="80/10/10 splits that share no state.")] = False,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Cut a source into windows and write them as the typed dataset.

    Example: eisv-lumen data build anima.db --out data --split
    """
    table, report = _load(source, window, stride)
    _done(_write(table, out, split, seed), table, as_json, source=source, report=report)


@app.command()
def synthetic(
    out: Annotated[Path, typer.Option(help="A .parquet file; with --split, a folder.")],
    per_shape: _PerShape = 400,
    shape_overrides: _Overrides = None,
    window: _Window = 20,
    v_max: _VMax = 1.0,
    split: Annotated[bool, typer.Option(help="80/10/10 splits, stratified by shape.")] = False,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Write idealised windows, so many of each shape.

    Example: eisv-lumen data synthetic --out v5 --split --shape-overrides drift_dissonance=800
    """
    from ..trajectory.dataset import parse_overrides, synthesize

    counts = parse_overrides(shape_overrides or [], per_shape)
    table = synthesize(counts, window=window, v_max=v_max, seed=seed)
    _done(_write(table, out, split, seed), table, as_json)


@app.command()
def blend(
    source: _Source,
    out: Annotated[Path, typer.Option(help="A .parquet file; with --split, a folder.")],
    per_shape: _PerShape = 400,
    real_at_most: Annotated[
        int, typer.Option(min=0, help="Real windows of a shape at most.")
    ] = 200,
    shape_overrides: _Overrides = None,
    window: _Window = 20,
    stride: _Stride = 10,
    v_max: _VMax = 1.0,
    split: Annotated[bool, typer.Option(help="80/10/10 splits that share no state.")] = False,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Blend windows of a source with synthetic ones, which fill up where real ones lack.

    Example: eisv-lumen data blend anima.db --out v7 --split --window 15 --v-max 0.3
    """
    from ..trajectory import dataset

    counts = dataset.parse_overrides(shape_overrides or [], per_shape)
    real, report = _load(source, window, stride)
    made = dataset.synthesize(counts, window=window, v_max=v_max, seed=seed)
    table = dataset.blend(real, made, counts, real_at_most=real_at_most, seed=seed)
    _done(_write(table, out, split, seed), table, as_json, source=source, report=report)


@app.command()
def describe(
    source: _Source, window: _Window = 20, stride: _Stride = 10, as_json: _Json = False
) -> None:
    """Say what a source holds: shapes, length, spacing and ranges of its windows.

    Example: eisv-lumen data describe anima.db
    """
    import numpy as np

    from ..eisv import EISV_DIMS

    table, report = _load(source, window, stride)
    t = table["t"].combine_chunks()
    times, lengths = np.asarray(t.flatten()), np.asarray(t.value_lengths())
    inside = np.ones(len(times), bool)
    inside[np.cumsum(lengths)[:-1]] = False  # not from one window to the next
    spacing = np.diff(times)[inside[1:]]
    found = {
        "source": source,
        **report,
        **_counted(table),
        "states_a_window": sorted(set(lengths.tolist())),
        "spacing_s": _quantiles(spacing),
        **{dim: _quantiles(np.asarray(table[dim].combine_chunks().flatten())) for dim in EISV_DIMS},
    }
    if as_json:
        print_json(found)
        return
    _print_shapes(found)
    typer.echo(f"{'':<12}{'min':>12}{'median':>12}{'max':>12}")
    for name in ("spacing_s", *EISV_DIMS):
        q = found[name]
        typer.echo(f"{name:<12}{q['min']:>12.5g}{q['median']:>12.5g}{q['max']:>12.5g}")


@app.command()
def labels(
    source: _Source,
    length: Annotated[
        list[int] | None, typer.Option(help="States classified; may be repeated.")
    ] = None,
    window: _Window = 20,
    stride: _Stride = 10,
    as_json: _Json = False,
) -> None:
    """Compare labels of the last states of each window with the window's own label.

    Example: eisv-lumen data labels anima.db --length 4 --length 15
    """
    from ..trajectory.agreement import LENGTHS, PUBLISHED_AGREEMENT, label_mismatch
    from ..trajectory.sources import read_source

    series = read_source(source).series
    rows = label_mismatch(series, length or LENGTHS, window=window, stride=stride)
    if as_json:
        found = [
            {
                "length": row.length,
                "agreement": row.agreement,
                "worst": dict(zip(("from", "to", "windows"), row.worst, strict=True)),
                "counts": row.counts.tolist(),
            }
            for row in rows
        ]
        print_json({"source": source, "windows": int(rows[0].counts.sum()), "lengths": found})
        return
    typer.echo(f"{'states':>6}{'agreement':>11}{'published':>11}  most frequent change")
    for row in rows:
        published = PUBLISHED_AGREEMENT.get(row.length) if (window, stride) == (20, 10) else None
        known = "" if published is None else f"{published:.0%}"
        old, new, n = row.worst
        change = f"{old} -> {new}: {n:,} windows" if n else "none"
        typer.echo(f"{row.length:>6}{row.agreement:>11.1%}{known:>11}  {change}")


@app.command()
def convert(
    source: _Source,
    out: Annotated[Path, typer.Option(help="A .parquet file of states.")],
    as_json: _Json = False,
) -> None:
    """Write the states of a source as columns: agent, t, E, I, S, V, ethical_drift.

    Example: eisv-lumen data convert anima.db --out states.parquet
    """
    from ..trajectory.sources import read_source
    from ..trajectory.sources.parquet import write_states

    read = read_source(source)
    write_states(out, read.series)
    _say(read.report.lines())
    states = sum(len(s) for s in read.series)
    if as_json:
        print_json({"source": source, **asdict(read.report), "states": states, "out": str(out)})
    else:
        typer.echo(f"{states:,} states in {out}")


@app.command()
def classify(
    source: Annotated[Path, typer.Argument(help="States of one series (.parquet, .csv), sorted.")],
    window: _Window = 20,
    stride: _Stride = 10,
    as_json: _Json = False,
) -> None:
    """Count the shapes of a series too large for memory, batch by batch.

    Example: eisv-lumen data classify states.parquet --window 15 --stride 5
    """
    import numpy as np

    from ..expression.vocabulary import SHAPES
    from ..trajectory.sources.parquet import classify_file

    total = np.zeros(len(SHAPES), np.int64)
    for codes in classify_file(source, window=window, stride=stride):
        total += np.bincount(codes, minlength=len(SHAPES))
    counts = dict(zip(SHAPES, total.tolist(), strict=True))
    found = {"source": str(source), "windows": int(total.sum()), "shapes": counts}
    if as_json:
        print_json(found)
    else:
        _print_shapes(found)


def _load(source: str, window: int, stride: int) -> tuple[pa.Table, dict[str, Any]]:
    """Read a source as a table; what was met with goes to stderr and into the result."""
    from ..trajectory.dataset import build
    from ..trajectory.sources import Source, read_any

    found = read_any(source)
    if not isinstance(found, Source):
        return found, {}
    _say(found.report.lines())
    return build(found, window, stride), asdict(found.report)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line, err=True)


def _write(table: pa.Table, out: Path, split: bool, seed: int) -> dict[str, Any]:
    """Write one file, or a folder with a file a split; return what was written."""
    from ..errors import InputError
    from ..trajectory.dataset import write_parquet, write_together

    if not split:
        if out.suffix != ".parquet":
            raise InputError(f"--out {out}: name a .parquet file, or add --split for a folder")
        write_parquet(out, table)
        return {"files": [str(out)]}
    if out.suffix:
        raise InputError(f"--out {out}: with --split, name a folder")

    from ..trajectory.splits import split as divide

    found = divide(table, seed=seed)
    files = {out / "data" / f"{name}.parquet": table.take(rows) for name, rows in found.items()}
    write_together(files)
    sizes = {name: len(rows) for name, rows in found.items()}
    return {"files": [str(file) for file in files], "splits": sizes, "dropped": len(found.dropped)}


def _counted(table: pa.Table) -> dict[str, Any]:
    import numpy as np

    from ..expression.vocabulary import SHAPES

    counts = np.bincount(np.asarray(table["shape"]), minlength=len(SHAPES)).tolist()
    return {"windows": table.num_rows, "shapes": dict(zip(SHAPES, counts, strict=True))}


def _quantiles(values: npt.NDArray[np.float64]) -> dict[str, float]:
    import numpy as np

    low, middle, high = np.quantile(values, [0, 0.5, 1]).tolist()
    return {"min": low, "median": middle, "max": high}


def _print_shapes(found: dict[str, Any]) -> None:
    typer.echo(f"{found['windows']:,} windows")
    for shape, n in sorted(found["shapes"].items(), key=lambda item: -item[1]):
        typer.echo(f"  {shape:<24}{n:>10,}{n / max(found['windows'], 1):>9.2%}")


def _done(
    written: dict[str, Any],
    table: pa.Table,
    as_json: bool,
    source: str = "",
    report: dict[str, Any] | None = None,
) -> None:
    origin = {"source": source, **(report or {})} if source else {}
    found = {**origin, **_counted(table), **written}
    if as_json:
        print_json(found)
        return
    _print_shapes(found)
    if "splits" in found:
        sizes = ", ".join(f"{name} {n:,}" for name, n in found["splits"].items())
        typer.echo(f"{sizes}; {found['dropped']:,} dropped at borders between splits")
    for file in found["files"]:
        typer.echo(f"wrote {file}", err=True)


app.command()(sync)
