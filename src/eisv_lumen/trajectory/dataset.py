"""The typed dataset: windows as rows of Parquet that `load_dataset` reads with its features."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError
from ..expression.vocabulary import SHAPES
from ..files import atomic_path
from .series import Series, Windows, concatenate, cut, windows_from_arrays
from .windows import STRIDE, SUMMARY_FIELDS, WINDOW

if TYPE_CHECKING:
    from datasets import Features

__all__ = [
    "SCHEMA",
    "build",
    "features",
    "label_agreement",
    "read_table",
    "shape_counts",
    "to_table",
    "to_windows",
    "write_table",
]

STATE_COLUMNS: Final = ("t", "E", "I", "S", "V", "ethical_drift")
Tokens = Sequence[Sequence[Sequence[str]]]


def _feature(kind: str, **fields: Any) -> dict[str, Any]:
    return {**fields, "_type": kind}


def _value(dtype: str) -> dict[str, Any]:
    return _feature("Value", dtype=dtype)


_FEATURES: Final[dict[str, dict[str, Any]]] = {
    "source": _value("string"),
    "agent": _value("string"),
    "t_start": _value("float64"),
    "t_end": _value("float64"),
    "shape": _feature("ClassLabel", names=list(SHAPES)),
    **{name: _feature("List", feature=_value("float64")) for name in STATE_COLUMNS},
    **{name: _value("int32" if name == "n_states" else "float64") for name in SUMMARY_FIELDS},
    "tokens": _feature("List", feature=_feature("List", feature=_value("string"))),
}
"""The features in the form in which `datasets` stores them in a Parquet file's metadata."""

_FLOATS: Final = pa.list_(pa.float64())
SCHEMA: Final = pa.schema(
    [
        ("source", pa.string()),
        ("agent", pa.string()),
        ("t_start", pa.float64()),
        ("t_end", pa.float64()),
        ("shape", pa.int64()),
        *((name, _FLOATS) for name in STATE_COLUMNS),
        *((f, pa.int32() if f == "n_states" else pa.float64()) for f in SUMMARY_FIELDS),
        ("tokens", pa.list_(pa.list_(pa.string()))),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)
"""One window a row: where it comes from, its shape's code, its states in columns [s; 1], its
summary (as `SUMMARY_FIELDS`), and the expressions uttered while it lasted."""


def features() -> Features:
    """Return the schema as `datasets.Features`; `shape` is a ClassLabel with the nine names."""
    from datasets import Features

    return Features.from_dict(_FEATURES)


def to_table(
    windows: Windows,
    source: str | Sequence[str],
    agent: str | Sequence[str],
    tokens: Tokens | None = None,
) -> pa.Table:
    """Return windows as a table of the schema.

    Parameters
    ----------
    windows
        n windows.
    source, agent
        One for all, or one a window.
    tokens
        For each window, the expressions uttered while it lasted; none by default.
    """
    n, w = windows.t.shape
    offsets = (
        pa.array(np.arange(0, n * w + 1, w, dtype=np.int32)) if n else pa.array([0], pa.int32())
    )
    states = {"t": windows.t, "ethical_drift": windows.ethical_drift}
    states |= {name: windows.X[:, :, j] for j, name in enumerate("EISV")}
    columns: dict[str, Any] = {
        "source": _strings(source, n),
        "agent": _strings(agent, n),
        "t_start": windows.t[:, 0],
        "t_end": windows.t[:, -1],
        "shape": windows.shape.astype(np.int64),
        "tokens": pa.array([[]] * n if tokens is None else tokens, SCHEMA.field("tokens").type),
    }
    for name in STATE_COLUMNS:
        flat = pa.array(np.ascontiguousarray(states[name]).ravel())
        columns[name] = pa.ListArray.from_arrays(offsets, flat)
    for j, name in enumerate(SUMMARY_FIELDS):
        values = windows.summary[:, j]
        columns[name] = (
            values.astype(np.int32) if name == "n_states" else np.ascontiguousarray(values)
        )
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def to_windows(table: pa.Table) -> Windows:
    """Return a table's windows; the states are classified and summarised anew.

    Raises
    ------
    InputError
        A column is missing, windows have different lengths, or a stored shape is not the one that
        the rules give; the message names the row.
    """
    missing = [name for name in (*STATE_COLUMNS, "shape") if name not in table.column_names]
    if missing:
        raise InputError(f"column {missing[0]!r} is missing: this is not a table of windows")
    states = {name: _matrix(table, name) for name in STATE_COLUMNS}
    X = np.stack([states[name] for name in "EISV"], axis=2)
    windows = windows_from_arrays(states["t"], X, states["ethical_drift"])
    stored = table["shape"].to_numpy()
    if (stored != windows.shape).any():
        row = int(np.argmax(stored != windows.shape))
        raise InputError(
            f"row {row}: shape is stored as {_name(stored[row])}, the rules give "
            f"{SHAPES[windows.shape[row]]}; build the dataset again"
        )
    return windows


def build(
    series: Iterable[Series],
    *,
    window: int = WINDOW,
    stride: int = STRIDE,
    utterances: tuple[npt.NDArray[np.float64], Sequence[Sequence[str]]] | None = None,
) -> pa.Table:
    """Cut series into windows and put them into one table, in the order of the series.

    Parameters
    ----------
    series
        States of one agent each; one that is shorter than a window adds nothing.
    window, stride
        As for `classify`.
    utterances
        (times [s] in increasing order, expressions): each window gets those uttered from its first
        state's time to its last's.

    Raises
    ------
    InputError
        No series is as long as a window, or as for `classify`.
    """
    tables = []
    longest = 0
    for one in series:
        longest = max(longest, len(one))
        if len(one) < window:
            continue
        windows = cut(one, window, stride)
        tokens = None
        if utterances is not None:
            first = np.searchsorted(utterances[0], windows.t[:, 0], side="left").tolist()
            last = np.searchsorted(utterances[0], windows.t[:, -1], side="right").tolist()
            tokens = [utterances[1][a:b] for a, b in zip(first, last, strict=True)]
        tables.append(to_table(windows, one.source, one.agent, tokens))
    if not tables:
        raise InputError(
            f"a window of {window} states is longer than every series (the longest has {longest}): "
            "give more states or a shorter window"
        )
    return pa.concat_tables(tables)


def write_table(table: pa.Table, path: str | os.PathLike[str]) -> None:
    """Write a table as Parquet, whole or not at all; the same table gives the same bytes.

    Raises
    ------
    InputError
        The disk is full or not writable.
    """
    with atomic_path(path) as aside:
        pq.write_table(table, aside, compression="zstd", compression_level=3, row_group_size=4096)


def read_table(path: str | os.PathLike[str]) -> pa.Table:
    """Read windows from a Parquet file, or from all those of a folder in order of name.

    Raises
    ------
    InputError
        There is none, one is not Parquet, or a column is missing; the message names the file.
    """
    where = Path(path)
    files = sorted(where.rglob("*.parquet")) if where.is_dir() else [where]
    if not files or not files[0].exists():
        raise InputError(f"{path}: no Parquet file there")
    tables = []
    for file in files:
        try:
            table = pq.read_table(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"{file}: not a Parquet file ({str(error).splitlines()[0]})"
            ) from error
        missing = [name for name in SCHEMA.names if name not in table.column_names]
        if missing:
            raise InputError(f"{file}: column {missing[0]!r} is missing: not a table of windows")
        try:
            tables.append(table.select(SCHEMA.names).cast(SCHEMA))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise InputError(f"{file}: {str(error).splitlines()[0]}") from error
    return pa.concat_tables(tables)


def shape_counts(shape: npt.NDArray[np.integer]) -> dict[str, int]:
    """Return how many windows each shape has, in the order of `SHAPES`."""
    return dict(zip(SHAPES, np.bincount(shape, minlength=len(SHAPES)).tolist(), strict=True))


def label_agreement(
    series: Iterable[Series], lengths: Sequence[int] = (4, 8, 10, 15, 20), *, window: int = WINDOW
) -> list[dict[str, Any]]:
    """Compare labels of windows with the labels of their last k states alone.

    Returns
    -------
    list of dict
        For each k: `n_states`, `windows`, `agreement` in [0, 1], and the commonest mismatch as
        `mismatch` (from, to) and `mismatch_windows`; None and 0 where there is none.

    Raises
    ------
    InputError
        There are no windows, or k is not in [2, window].
    """
    whole = concatenate([cut(one, window) for one in series if len(one) >= window])
    rows = []
    for k in lengths:
        if not 2 <= k <= window:
            raise InputError(f"{k} states of a window of {window}: k must be in [2, {window}]")
        last = windows_from_arrays(whole.t[:, -k:], whole.X[:, -k:], whole.ethical_drift[:, -k:])
        pairs = np.zeros((len(SHAPES), len(SHAPES)), np.int64)
        np.add.at(pairs, (whole.shape, last.shape), 1)
        agreeing = int(np.trace(pairs))
        np.fill_diagonal(pairs, 0)
        a, b = np.unravel_index(int(pairs.argmax()), pairs.shape)
        rows.append(
            {
                "n_states": k,
                "windows": len(whole),
                "agreement": agreeing / len(whole),
                "mismatch": [SHAPES[a], SHAPES[b]] if pairs[a, b] else None,
                "mismatch_windows": int(pairs[a, b]),
            }
        )
    return rows


def _strings(value: str | Sequence[str], n: int) -> pa.Array:
    return pa.array([value] * n if isinstance(value, str) else value, pa.string())


def _matrix(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    column = table[name].combine_chunks()
    lengths = np.diff(column.offsets.to_numpy())
    if lengths.size == 0 or (lengths != lengths[0]).any():
        row = int(np.argmax(lengths != lengths[0])) if lengths.size else 0
        raise InputError(f"row {row}: column {name!r} has another length than the first row")
    values = column.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return np.asarray(values.reshape(len(lengths), -1))


def _name(code: int) -> str:
    return SHAPES[code] if 0 <= code < len(SHAPES) else repr(code)
