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

from ...core.arrow import arrow_array
from ...core.errors import InputError
from ...core.files import atomic_path
from ...core.notices import notice
from ...eisv import EISV_DIMS
from ...expression.vocabulary import SHAPES, shape_code
from ..series import Series, Windows, cut
from ..sources.common import Expressions, Source
from ..windows import STRIDE, WINDOW, count_windows
from .labels import class_names, shape_codes
from .metadata import cut_facts, footer_facts, with_cut_facts
from .window_checks import LISTS, check_labels, check_resolution, check_windows, labels_off

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
    "write_to",
    "write_together",
]

_COMPARED = ("shape", "shape_name", "source", "agent", "t_start", "t_end")
"""Columns of which a file keeps the least and the greatest value, group by group."""
_ROW_GROUP = 1 << 15
_DOUBLES = {"feature": {"dtype": "float64", "_type": "Value"}, "_type": "List"}
_FEATURES: dict[str, Any] = {
    **dict.fromkeys(LISTS, _DOUBLES),
    "shape": {"names": list(SHAPES), "_type": "ClassLabel"},
    "shape_name": {"dtype": "string", "_type": "Value"},
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
        *(pa.field(name, pa.list_(pa.float64())) for name in LISTS),
        pa.field("shape", pa.int64()),
        pa.field("shape_name", pa.string()),
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
        return pa.ListArray.from_arrays(arrow_array(offsets), arrow_array(flat))

    t_start, t_end = windows.t[:, 0], windows.t[:, -1]
    columns = [
        lists(windows.t),
        *(lists(windows.X[:, :, j]) for j in range(4)),
        lists(windows.ethical_drift),
        arrow_array(windows.shape.astype(np.int64)),
        _names_of(windows.shape),
        pa.array([source] * n, pa.string()),
        pa.array([agent] * n if isinstance(agent, str) else list(agent), pa.string()),
        arrow_array(t_start),
        arrow_array(t_end),
        _tokens(expressions or Expressions(), t_start, t_end),
    ]
    return pa.table(columns, schema=SCHEMA)


def _names_of(codes: npt.NDArray[Any]) -> pa.Array:
    return pa.array(SHAPES, pa.string()).take(arrow_array(codes.astype(np.int64)))


def _tokens(
    said: Expressions, t_start: npt.NDArray[np.float64], t_end: npt.NDArray[np.float64]
) -> pa.Array:
    first, stop = said.within(t_start, t_end)
    count = stop - first
    begin = np.concatenate([[0], np.cumsum(count)])
    which = np.arange(begin[-1]) + np.repeat(first - begin[:-1], count)
    each = pa.array([list(e) for e in said.tokens], _TEXTS).take(arrow_array(which))
    return pa.ListArray.from_arrays(arrow_array(begin.astype(np.int32)), each)


def windows_from_table(table: pa.Table) -> Windows:
    """Read rows of the typed dataset as windows; summaries are taken anew, labels are kept.

    Raises
    ------
    InputError
        A column is missing, windows differ in length, or a value is not finite.
    """
    from ..windows import label_each

    missing = [name for name in (*LISTS, "shape") if name not in table.column_names]
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


def build(
    source: Source, window: int = WINDOW, stride: int = STRIDE, *, across_gaps: bool = False
) -> pa.Table:
    """Cut the series of a source into windows: the typed dataset.

    Series shorter than a window give none; nor does, but with `across_gaps`, a gap longer than
    the source's `max_gap`.

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
    table = pa.concat_tables(rows)
    if not across_gaps:
        table = without_gaps(table, source.max_gap)
    return with_cut_facts(table, window=window, stride=stride)


def without_gaps(table: pa.Table, max_gap: float | None) -> pa.Table:
    """Leave out windows with a longer step [s] between two states; a `Notice` says how many."""
    if max_gap is None or not table.num_rows:
        return table
    t = table["t"].combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1)
    whole = np.diff(t, axis=1).max(axis=1) <= max_gap
    if not whole.all():
        notice(f"{int((~whole).sum()):,} windows across a gap of more than {max_gap:g} s left out")
    return table.filter(pa.array(whole))


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
    with ExitStack() as files:
        for path, table in tables.items():
            aside = files.enter_context(atomic_path(path))
            # Through Python's own file, whose errors say what the system said.
            with aside.open("wb") as stream:
                write_to(stream, table)


def write_to(sink: Any, table: pa.Table) -> None:
    """Write a table to an open file as the Hub wants it; equal tables give equal bytes.

    Chunks are cut by content, so that a file that grew shares most of them with what it was, and
    a page index lets readers skip what they do not ask for. Row groups are of some MB, so that one
    can be fetched alone, and the footer tells whose windows there are (see `metadata`).

    Parameters
    ----------
    sink
        A binary file, or an Arrow output stream.
    table
        Any table.
    """
    from pyarrow import parquet

    table = table.combine_chunks()
    compared = [name for name in _COMPARED if name in table.column_names]
    told = footer_facts(table)
    with parquet.ParquetWriter(
        sink, table.schema, compression="zstd", write_statistics=compared if told else True,
        use_content_defined_chunking=True, write_page_index=True,
    ) as writer:  # fmt: skip
        writer.write_table(table, row_group_size=_ROW_GROUP)
        if told:
            writer.add_key_value_metadata(told)


def read_table(path: str | os.PathLike[str]) -> pa.Table:
    """Read the typed dataset back from one Parquet file.

    Raises
    ------
    InputError
        The file is missing, is not Parquet, or has another schema; or its labels are not those
        of the rules by which it says it was cut (see `check_labels`).
    """
    table = typed(read_parquet(path), str(path))
    check_labels(table, str(path))
    return table


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


def typed(table: pa.Table, name: str, names: Sequence[str] | None = None) -> pa.Table:
    """Return a table of windows in `SCHEMA`, checked; `cut_facts` are kept.

    Class labels are read by the names that the table's own metadata gives them, or as text.
    `shape_name`, which older files lack, is made from `shape`.

    Parameters
    ----------
    table
        With the columns of `SCHEMA`; others are left out.
    name
        What messages call it.
    names
        The class names that a card gives to its codes; they must be those of the table, where it
        has its own.

    Raises
    ------
    InputError
        A column is missing or of another type, or a row is no window (see `check_windows`).
    """
    named = "shape_name"
    missing = [f.name for f in SCHEMA if f.name not in {named, *table.column_names}]
    if missing:
        raise InputError(f"{name}: not the typed dataset, it has no column {missing[0]!r}")
    check_resolution(table["t"], name)
    own = class_names(table.schema)
    if own and names and own != list(names):
        raise InputError(
            f"{name}: its class names are {', '.join(own)}, but the card's are {', '.join(names)}; "
            "mend the card's dataset_info"
        )
    names = own or names
    codes = shape_codes(table["shape"], names, name)
    if named in table.column_names:
        _check_agreement(codes, table[named], name)
    columns = [
        {"shape": pa.array(codes), named: _names_of(codes)}.get(field.name)
        if field.name in ("shape", named)
        else table[field.name]
        for field in SCHEMA
    ]
    try:
        cast = pa.table(columns, names=SCHEMA.names).cast(SCHEMA)
    except pa.ArrowException as error:
        text = " ".join(str(error).split())
        raise InputError(f"{name}: not the typed dataset ({text})") from error
    check_windows(cast, name)
    if names is None and pa.types.is_integer(table["shape"].type):
        _check_nameless(cast, name)
    return with_cut_facts(cast, **cut_facts(table))


def _check_agreement(codes: npt.NDArray[np.int64], texts: pa.ChunkedArray, name: str) -> None:
    other = np.flatnonzero(shape_codes(texts, None, f"{name}, shape_name") != codes)
    if other.size:
        row = int(other[0])
        raise InputError(
            f"{name}, row {row}: shape is {SHAPES[codes[row]]}, but shape_name is "
            f"{texts[row].as_py()}; drop one of the two columns"
        )


def _check_nameless(table: pa.Table, name: str) -> None:
    """Refuse codes that must mean something else: more than half contradict the rules."""
    off = labels_off(table)
    if 2 * off > table.num_rows:
        raise InputError(
            f"{name}: shape holds codes without class names, and {off:,} of {table.num_rows:,} are "
            "not what the rules give for the states; write the names of the shapes as text"
        )
