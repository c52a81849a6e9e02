"""`eisv-lumen data build`, `synthetic` and `blend`: windows, written as the typed dataset."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import print_json
from ..options import CutStride, CutWindow, Json, Seed, Source, Window
from ..reading import Reading, reads_states

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from ...trajectory.dataset.configs import ByLength

__all__ = ["blend", "build", "counted", "load", "print_shapes", "say", "synthetic"]

_Out = Annotated[
    Path, typer.Option(help="A .parquet file; with --split, a folder of configurations.")
]
_PerShape = Annotated[int, typer.Option(min=0, help="Windows of each shape.")]
_Overrides = Annotated[
    list[str] | None,
    typer.Option("--shape-overrides", help="NAME=N: another count for a shape; may be repeated."),
]
_VMax = Annotated[float, typer.Option(help="Synthetic V stays in [0, V_MAX].")]
_Split = Annotated[
    bool, typer.Option("--split", help="80/10/10 splits, stratified by shape, that share no state.")
]


@reads_states
def build(
    source: Source,
    out: _Out,
    window: Annotated[
        list[int] | None,
        typer.Option(min=2, help="States in a window [20]; with --split, may be repeated."),
    ] = None,
    stride: CutStride = None,
    split: _Split = False,
    seed: Seed = 0,
    as_json: Json = False,
    *,
    reading: Reading,
) -> None:
    """Cut a source into windows and write them as the typed dataset.

    With --split each length of window is a configuration, `OUT/window_N/<split>.parquet`: the
    folder `dataset` of a run that `eisv-lumen publish --run` publishes. No two splits share a
    state, whatever the length.

    For instance:

      eisv-lumen data build anima.db --out windows.parquet

      eisv-lumen data build anima.db --out run/dataset --split --window 10 --window 20
    """
    from ...core.errors import InputError
    from ...trajectory.dataset.configs import split_lengths
    from ...trajectory.dataset.output_checks import check_lengths
    from ...trajectory.load import build_table, read_any
    from ...trajectory.sources import Source
    from ...trajectory.windows import STRIDE, WINDOW

    if not split and window and len(window) > 1:
        raise InputError("--window: give one, or add --split for a configuration of each length")
    _check_out(out, source, split)
    if not split:
        table, report = load(source, window[0] if window else None, stride, reading)
        _write_one(table, out, as_json, source=source, **report)
        return
    lengths = window or [WINDOW]
    one = window[0] if window and len(window) == 1 else None
    read = read_any(source, window=one, every=True, options=reading)
    if not isinstance(read, Source):
        if window and len(window) > 1:
            raise InputError(f"{source}: holds windows, which are cut already; leave --window out")
        table = build_table(read, source, window[0] if window else None, stride)
        _write_splits(table, out, seed, as_json, source=source)
        return
    check_lengths(out, lengths)
    say(read.report.lines())
    tables, dropped = split_lengths(read, lengths, stride=stride or STRIDE, seed=seed)
    _write_configurations(tables, dropped, out, as_json, {"source": source, **asdict(read.report)})


def synthetic(
    out: _Out,
    per_shape: _PerShape = 400,
    shape_overrides: _Overrides = None,
    window: Window = 20,
    v_max: _VMax = 1.0,
    split: _Split = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write idealised windows, so many of each shape.

    Example: eisv-lumen data synthetic --out v5 --split --shape-overrides drift_dissonance=800
    """
    from ...trajectory.dataset.blend import parse_overrides
    from ...trajectory.dataset.schema import synthesize

    _check_out(out, None, split)
    counts = parse_overrides(shape_overrides or [], per_shape)
    table = synthesize(counts, window=window, v_max=v_max, seed=seed)
    if split:
        _write_splits(table, out, seed, as_json)
    else:
        _write_one(table, out, as_json)


@reads_states
def blend(
    source: Source,
    out: _Out,
    per_shape: _PerShape = 400,
    real_at_most: Annotated[
        int, typer.Option(min=0, help="Real windows of a shape at most.")
    ] = 200,
    shape_overrides: _Overrides = None,
    window: CutWindow = None,
    stride: CutStride = None,
    v_max: _VMax = 1.0,
    split: _Split = False,
    seed: Seed = 0,
    as_json: Json = False,
    *,
    reading: Reading,
) -> None:
    """Blend windows of a source with synthetic ones, which fill up where real ones lack.

    Example: eisv-lumen data blend anima.db --out v7 --split --window 15 --v-max 0.3
    """
    from ...trajectory.dataset import blend as blending
    from ...trajectory.dataset.schema import synthesize
    from ...trajectory.windows import WINDOW

    _check_out(out, source, split)
    counts = blending.parse_overrides(shape_overrides or [], per_shape)
    real, report = load(source, window, stride, reading)
    lengths = (
        {len(row) for row in real["t"].slice(0, 1).to_pylist()} if window is None else {window}
    )
    made = synthesize(counts, window=max(lengths, default=WINDOW), v_max=v_max, seed=seed)
    table = blending.blend(real, made, counts, real_at_most=real_at_most, seed=seed)
    if split:
        _write_splits(table, out, seed, as_json, source=source, **report)
    else:
        _write_one(table, out, as_json, source=source, **report)


def load(
    source: str, window: int | None, stride: int | None, reading: Reading
) -> tuple[pa.Table, dict[str, Any]]:
    """Read a source as a table; what was met with goes to stderr and into the result."""
    from ...trajectory.load import build_table, read_any
    from ...trajectory.sources import Source

    found = read_any(source, window=window, options=reading)
    report: dict[str, Any] = {}
    if isinstance(found, Source):
        say(found.report.lines())
        report = asdict(found.report)
    return build_table(found, source, window, stride), report


def say(lines: Iterable[str]) -> None:
    """Print chatter."""
    for line in lines:
        typer.echo(line, err=True)


def counted(*tables: pa.Table) -> dict[str, Any]:
    """Count the windows of tables, by shape."""
    import numpy as np

    from ...expression.vocabulary import SHAPES

    counts = sum(np.bincount(np.asarray(t["shape"]), minlength=len(SHAPES)) for t in tables)
    shapes = dict(zip(SHAPES, np.asarray(counts).tolist(), strict=True))
    return {"windows": sum(t.num_rows for t in tables), "shapes": shapes}


def print_shapes(found: dict[str, Any]) -> None:
    """Print what `counted` found."""
    typer.echo(f"{found['windows']:,} windows")
    for shape, n in sorted(found["shapes"].items(), key=lambda item: -item[1]):
        typer.echo(f"  {shape:<24}{n:>10,}{n / max(found['windows'], 1):>9.2%}")


def _check_out(out: Path, source: str | None, split: bool) -> None:
    """Refuse an --out that cannot take windows, before anything is read."""
    from ...core.errors import InputError
    from ...trajectory.dataset.output_checks import check_file, check_folder
    from ...trajectory.dataset.schema import SCHEMA

    if not split and out.suffix != ".parquet":
        raise InputError(f"--out {out}: name a .parquet file, or add --split for a folder")
    (check_folder if split else check_file)(out, source, SCHEMA.names)


def _refuse_none(table: pa.Table) -> None:
    from ...core.errors import InputError

    if not table.num_rows:
        raise InputError("there are no windows to write; give some")


def _write_one(table: pa.Table, out: Path, as_json: bool, **origin: Any) -> None:
    from ...trajectory.dataset.schema import write_parquet

    _refuse_none(table)
    write_parquet(out, table)
    found = {**origin, **counted(table), "files": [str(out)]}
    if as_json:
        print_json(found)
        return
    print_shapes(found)
    typer.echo(f"wrote {out}", err=True)


def _write_splits(table: pa.Table, out: Path, seed: int, as_json: bool, **origin: Any) -> None:
    from ...trajectory.dataset.configs import split_table
    from ...trajectory.dataset.output_checks import check_lengths

    _refuse_none(table)
    tables, dropped = split_table(table, seed=seed)
    check_lengths(out, tables)
    _write_configurations(tables, dropped, out, as_json, origin)


def _write_configurations(
    tables: ByLength, dropped: int, out: Path, as_json: bool, origin: dict[str, Any]
) -> None:
    from ...trajectory.dataset.configs import config_name
    from ...trajectory.dataset.schema import write_together

    files = {
        out / config_name(length) / f"{split}.parquet": table
        for length, splits in tables.items()
        for split, table in splits.items()
    }
    write_together(files)
    found = {
        config_name(length): {
            **counted(*splits.values()),
            "splits": {split: table.num_rows for split, table in splits.items()},
        }
        for length, splits in tables.items()
    }
    if as_json:
        names = [str(file) for file in files]
        print_json({**origin, "configurations": found, "dropped": dropped, "files": names})
        return
    for name, config in found.items():
        typer.echo(f"{name}: ", nl=False)
        print_shapes(config)
        sizes = ", ".join(f"{split} {n:,}" for split, n in config["splits"].items())
        typer.echo(f"  {sizes}")
    typer.echo(f"{dropped:,} dropped at borders between splits")
    for file in files:
        typer.echo(f"wrote {file}", err=True)
