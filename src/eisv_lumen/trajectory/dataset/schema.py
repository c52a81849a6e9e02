"""The typed dataset: one row a window, states as columnar lists (`design.md`, decisions).

Derivatives and summaries are not stored: they follow from the states in microseconds, and a
stored copy could disagree. The same schema is an Arrow schema here and `datasets.Features` there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...core.errors import InputError
from ...core.files import atomic_path
from ...eisv import EISV_DIMS
from ...expression.vocabulary import SHAPES, shape_code
from ..series import Series, Windows, cut
from ..sources.common import Expressions, Source
from ..windows import STRIDE, WINDOW, count_windows
from .metadata import cut_facts, with_cut_facts

if TYPE_CHECKING:
    from datasets import Features

__all__ = [
    "SCHEMA",
    "build",
    "features",
    "read_parquet",
    "read_table",
    "synthesize",
    "table_from_windows",
    "typed",
    "windows_from_table",
    "write_parquet",
    "write_together",
]

_LISTS = ("t", *EISV_DIMS, "ethical_drift")
_DOUBLES = {"feature": {"dtype": "float64", "_type": "Value"}, "_type": "List"}
_FEATURES: dict[str, Any] = {
    **dict.fromkeys(_LISTS, _DOUBLES),
    "shape": {"names": list(SHAPES), "_type": "ClassLabel"},
    "source": {"dtype": "string", "_type": "Value"},
    "agent": {"dtype": "string", "_type": "Value"},
    "t_start": {"dtype": "float64", "_type": "Value"},
    "t_end": {"dtype": "float64", "_type": "Value"},
    "tokens": {
        "feature": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
        "_type": "List",
    },
}  # fmt: skip

_TEXTS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.list_(pa.float64())) for name in _LISTS),
        pa.field("shape", pa.int64()),
        pa.field("source", pa.string()),
        pa.field("agent", pa.string()),
        pa.field("t_start", pa.float64()),
        pa.field("t_end", pa.float64()),
        pa.field("tokens", pa.list_(_TEXTS)),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)
"""Arrow schema of the typed dataset; its metadata tells `datasets` the class labels."""


def features() -> Features:
    """Return the schema as `datasets.Features`."""
    from datasets import Features

    return Features.from_dict(_FEATURES)


def table_from_windows(
    windows: Windows,
    *,
    source: str,
    agent: str | Sequence[str],
    expressions: Expressions | None = None,
) -> pa.Table:
    """Write windows as rows of the typed dataset.

    Parameters
    ----------
    windows
        n windows.
    source, agent
        Where they come from, and whose they are: one name, or one a window.
    expressions
        What was uttered; each window takes what was uttered within it.

    Returns
    -------
    pyarrow.Table
        n rows in `SCHEMA`.
    """
    n, width = windows.t.shape
    offsets = np.arange(n + 1, dtype=np.int32) * width if n * width < 2**31 else None
    if offsets is None:
        raise InputError(f"{n} windows of {width} states are too many for one table: write parts")

    def lists(values: npt.NDArray[np.float64]) -> pa.Array:
        flat = np.ascontiguousarray(values).reshape(-1)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))

    t_start, t_end = windows.t[:, 0], windows.t[:, -1]
    columns = [
        lists(windows.t),
        *(lists(windows.X[:, :, j]) for j in range(4)),
        lists(windows.ethical_drift),
        pa.array(windows.shape.astype(np.int64)),
        pa.array([source] * n, pa.string()),
        pa.array([agent] * n if isinstance(agent, str) else list(agent), pa.string()),
        pa.array(np.ascontiguousarray(t_start)),
        pa.array(np.ascontiguousarray(t_end)),
        _tokens(expressions or Expressions(), t_start, t_end),
    ]
    return pa.table(columns, schema=SCHEMA)


def _tokens(
    said: Expressions, t_start: npt.NDArray[np.float64], t_end: npt.NDArray[np.float64]
) -> pa.Array:
    first, stop = said.within(t_start, t_end)
    count = stop - first
    begin = np.concatenate([[0], np.cumsum(count)])
    which = np.arange(begin[-1]) + np.repeat(first - begin[:-1], count)
    each = pa.array([list(e) for e in said.tokens], _TEXTS).take(pa.array(which))
    return pa.ListArray.from_arrays(pa.array(begin.astype(np.int32)), each)


def windows_from_table(table: pa.Table) -> Windows:
    """Read rows of the typed dataset as windows; summaries are taken anew, labels are kept.

    Raises
    ------
    InputError
        A column is missing, windows differ in length, or a value is not finite.
    """
    from ..windows import label_each

    missing = [name for name in (*_LISTS, "shape") if name not in table.column_names]
    if missing:
        raise InputError(f"not the typed dataset: it has no column {missing[0]!r}")
    lengths = np.unique(np.asarray(table["t"].combine_chunks().value_lengths()))
    if len(lengths) != 1:
        raise InputError(
            f"windows of {', '.join(map(str, lengths.tolist())) or 'no'} states: take the rows of "
            "one length"
        )

    def flat(name: str) -> npt.NDArray[np.float64]:
        column = table[name].combine_chunks()
        values = column.flatten().to_numpy(zero_copy_only=False)
        if column.null_count or len(values) != table.num_rows * lengths[0]:
            raise InputError(f"column {name!r}: its lists are not as long as those of 't'")
        return np.asarray(values).reshape(-1, int(lengths[0]))

    t, drift = flat("t"), flat("ethical_drift")
    X = np.stack([flat(dim) for dim in EISV_DIMS], axis=-1)
    shape = np.asarray(table["shape"].combine_chunks())
    if shape.dtype.kind not in "iu" or shape.min() < 0 or shape.max() >= len(SHAPES):
        raise InputError(f"column 'shape': codes must be whole numbers from 0 to {len(SHAPES) - 1}")
    return Windows(t, X, drift, shape.astype(np.int8), label_each(t, X, drift)[1])


def build(source: Source, window: int = WINDOW, stride: int = STRIDE) -> pa.Table:
    """Cut the series of a source into windows: the typed dataset.

    Series shorter than a window give none.

    Raises
    ------
    InputError
        No series is long enough.
    """
    long_enough = [s for s in source.series if count_windows(len(s), window, stride)]
    if not long_enough:
        longest = max((len(s) for s in source.series), default=0)
        raise InputError(
            f"a window of {window} states is longer than the longest series, of {longest}: "
            "give more states or a shorter window"
        )
    rows = [_rows(s, source.expressions, window, stride) for s in long_enough]
    return with_cut_facts(pa.concat_tables(rows), window=window, stride=stride)


def _rows(series: Series, said: Expressions, window: int, stride: int) -> pa.Table:
    windows = cut(series, window, stride)
    return table_from_windows(windows, source=series.source, agent=series.agent, expressions=said)


def synthesize(
    counts: Mapping[str, int], *, window: int = WINDOW, v_max: float = 1.0, seed: int
) -> pa.Table:
    """Generate synthetic windows as the typed dataset; each window is an agent of its own.

    Parameters
    ----------
    counts
        Shape to number of windows.
    window, v_max, seed
        As for `synthetic.generate`.
    """
    from ..simulate.synthetic import generate

    seeds = np.random.SeedSequence(seed).generate_state(len(SHAPES))
    parts = []
    for shape, count in counts.items():
        code = shape_code(shape)
        drawn = generate(shape, count, window=window, v_max=v_max, seed=int(seeds[code]))
        names = [f"{shape}-{i}" for i in range(count)]
        parts.append(table_from_windows(drawn, source="synthetic", agent=names))
    return pa.concat_tables(parts)


def write_parquet(path: str | os.PathLike[str], table: pa.Table) -> None:
    """Write a table as Parquet: equal tables give equal bytes, and a file is whole or not there.

    Raises
    ------
    InputError
        The disk is full or not writable; `path` is then as it was.
    """
    write_together({path: table})


def write_together(tables: Mapping[Any, pa.Table]) -> None:
    """Write tables to their paths; none takes its place before all are whole.

    Raises
    ------
    InputError
        As for `write_parquet`.
    """
    from pyarrow import parquet

    with ExitStack() as files:
        for path, table in tables.items():
            aside = files.enter_context(atomic_path(path))
            # Through Python's own file, whose errors say what the system said.
            with aside.open("wb") as stream:
                parquet.write_table(
                    table.combine_chunks(), stream, compression="zstd", row_group_size=1 << 20
                )


def read_table(path: str | os.PathLike[str]) -> pa.Table:
    """Read the typed dataset back from one Parquet file.

    Raises
    ------
    InputError
        The file is missing, is not Parquet, or has another schema.
    """
    return typed(read_parquet(path), str(path))


def read_parquet(path: str | os.PathLike[str]) -> pa.Table:
    """Read a Parquet file, whatever its columns.

    Raises
    ------
    InputError
        The file is missing or is not Parquet.
    """
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        table.validate(full=True)  # reading alone does not look whether texts are UTF-8
        return table
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as Parquet ({text})") from error


def typed(table: pa.Table, name: str) -> pa.Table:
    """Return the columns of `SCHEMA`, cast to it, or refuse the table; `cut_facts` are kept.

    Raises
    ------
    InputError
        A column is missing or of another type.
    """
    missing = [field.name for field in SCHEMA if field.name not in table.column_names]
    if missing:
        raise InputError(f"{name}: not the typed dataset, it has no column {missing[0]!r}")
    try:
        return with_cut_facts(table.select(SCHEMA.names).cast(SCHEMA), **cut_facts(table))
    except pa.ArrowException as error:
        text = " ".join(str(error).split())
        raise InputError(f"{name}: not the typed dataset ({text})") from error
