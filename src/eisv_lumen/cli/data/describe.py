"""`eisv-lumen data`: sources to a typed dataset; what is in it; how far labels agree."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.errors import InputError
from ...core.secrets import Address
from .. import print_json
from ..options import CutStride, CutWindow, Json, Source, Stride, Window
from ..reading import Reading, reads_states
from .build import blend, build, counted, load, print_shapes, say, synthetic
from .sync import sync

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Sources to a typed dataset; what is in it; how far labels agree.",
    rich_markup_mode=None,
)
for command in (build, synthetic, blend, sync):
    app.command()(command)


@app.command()
@reads_states
def describe(
    source: Source,
    window: CutWindow = None,
    stride: CutStride = None,
    as_json: Json = False,
    *,
    reading: Reading,
) -> None:
    """Say what a source holds: shapes, length, spacing and ranges of its windows.

    A dataset of several configurations is described one by one.

    Example: eisv-lumen data describe anima.db
    """
    configs = _configs_of(source) if window is None else ()
    if len(configs) < 2:
        table, report = load(source, window, stride, reading)
        found = {"source": source, **report, **_described(table)}
        if as_json:
            print_json(found)
        else:
            _print_described(found)
        return
    from ...trajectory.load import load_table

    each = {name: _described(load_table(source, config=name, stride=stride)) for name in configs}
    if as_json:
        print_json({"source": source, "configurations": each})
        return
    for name, found in each.items():
        typer.echo(f"{name}: ", nl=False)
        _print_described(found)


def _configs_of(source: str) -> tuple[str, ...]:
    """Return the configurations of a folder or a dataset of the Hub, none of any other source."""
    from ...trajectory.dataset.shards import config_names
    from ...trajectory.load import holds_no_dataset

    if holds_no_dataset(source) or Path(source).is_file():
        return ()
    return config_names(source)


def _described(table: pa.Table) -> dict[str, Any]:
    import numpy as np

    from ...eisv import EISV_DIMS

    t = table["t"].combine_chunks()
    times, lengths = np.asarray(t.flatten()), np.asarray(t.value_lengths())
    inside = np.ones(len(times), bool)
    inside[np.cumsum(lengths)[:-1]] = False  # not from one window to the next
    spacing = np.diff(times)[inside[1:]]
    return {
        **counted(table),
        "states_a_window": sorted(set(lengths.tolist())),
        "spacing_s": _quantiles(spacing),
        **{dim: _quantiles(np.asarray(table[dim].combine_chunks().flatten())) for dim in EISV_DIMS},
    }


def _print_described(found: dict[str, Any]) -> None:
    from ...eisv import EISV_DIMS

    print_shapes(found)
    if not found["windows"]:
        return
    typer.echo(f"{'':<12}{'min':>12}{'median':>12}{'max':>12}")
    for name in ("spacing_s", *EISV_DIMS):
        q = found[name]
        typer.echo(f"{name:<12}{q['min']:>12.5g}{q['median']:>12.5g}{q['max']:>12.5g}")


@app.command()
@reads_states
def labels(
    source: Source,
    length: Annotated[
        list[int] | None, typer.Option(help="States classified; may be repeated.")
    ] = None,
    window: Window = 20,
    stride: Stride = 10,
    as_json: Json = False,
    *,
    reading: Reading,
) -> None:
    """Compare labels of the last states of each window with the window's own label.

    Example: eisv-lumen data labels anima.db --length 4 --length 15
    """
    from ...trajectory.dataset.agreement import LENGTHS, PUBLISHED_AGREEMENT, label_mismatch
    from ...trajectory.sources import read_source

    read = read_source(source, reading)
    say(read.report.lines())
    series = read.series
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
@reads_states
def convert(
    source: Source,
    out: Annotated[Path, typer.Option(help="A .parquet file of states.")],
    as_json: Json = False,
    *,
    reading: Reading,
) -> None:
    """Write the states of a source as columns: agent, t, E, I, S, V, ethical_drift.

    Example: eisv-lumen data convert anima.db --out states.parquet
    """
    from ...trajectory.dataset.output_checks import check_file
    from ...trajectory.sources import read_source
    from ...trajectory.sources.parquet import STATES, write_states

    check_file(out, source, STATES)
    read = read_source(source, reading)
    write_states(out, read.series)
    say(read.report.lines())
    states = sum(len(s) for s in read.series)
    if as_json:
        print_json({"source": source, **asdict(read.report), "states": states, "out": str(out)})
    else:
        typer.echo(f"{states:,} states in {out}")


@app.command()
@reads_states
def classify(
    source: Annotated[
        Address,
        typer.Argument(
            parser=Address, metavar="SOURCE", help="States of one series (.parquet, .csv), sorted."
        ),
    ],
    window: Window = 20,
    stride: Stride = 10,
    as_json: Json = False,
    *,
    reading: Reading,
) -> None:
    """Count the shapes of a series too large for memory, batch by batch.

    Example: eisv-lumen data classify states.parquet --window 15 --stride 5
    """
    import numpy as np

    from ...expression.vocabulary import SHAPES
    from ...trajectory.sources.parquet import classify_file
    from ...trajectory.sources.postgres import is_postgres

    total = np.zeros(len(SHAPES), np.int64)
    if is_postgres(source):
        raise InputError(f"{source}: `data classify` reads one file; use `data describe`")
    for codes in classify_file(source, window=window, stride=stride, options=reading):
        total += np.bincount(codes, minlength=len(SHAPES))
    counts = dict(zip(SHAPES, total.tolist(), strict=True))
    found = {"source": str(source), "windows": int(total.sum()), "shapes": counts}
    if as_json:
        print_json(found)
    else:
        print_shapes(found)


def _quantiles(values: npt.NDArray[np.float64]) -> dict[str, float | None]:
    import numpy as np

    if not len(values):
        return dict.fromkeys(("min", "median", "max"))
    low, middle, high = np.quantile(values, [0, 0.5, 1]).tolist()
    return {"min": low, "median": middle, "max": high}
