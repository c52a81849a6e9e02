"""States as Arrow columns, checked and turned into NumPy's, batch by batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from ..validation import LATEST, check_seconds
from .common import parse_times

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["by_agent", "state_columns", "wanted_columns"]

Floats = npt.NDArray[np.float64]
_LONGEST_TEXT = 200  # bytes of an agent's name, or of a time


def wanted_columns(schema: pa.Schema, path: str | os.PathLike[str]) -> list[str]:
    """Return the columns of states that a file has, time first.

    Raises
    ------
    InputError
        One that is needed is missing.
    """
    names = schema.names
    time = next((name for name in ("t", "timestamp") if name in names), None)
    missing = ["t (or timestamp)"] * (time is None) + [d for d in EISV_DIMS if d not in names]
    if missing:
        raise InputError(f"{path}: no column {missing[0]}; it has {', '.join(names) or 'none'}")
    more = [name for name in ("ethical_drift", "agent") if name in names]
    return [str(time), *EISV_DIMS, *more]


def state_columns(
    batch: pa.RecordBatch, path: str | os.PathLike[str], start: int
) -> tuple[tuple[Floats, Floats, Floats | None, Any], int, int]:
    """Return (t, X, drift, agents) of the whole rows of a batch, how many are not, and clamped.

    States outside [0, 1] are clamped, and their values counted (drift is not clamped).

    Parameters
    ----------
    batch
        Some rows, in the columns of `wanted_columns`.
    path, start
        Where they come from, and at which row, for a message.

    Raises
    ------
    InputError
        A value is no number or not finite, or a time is none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    needed = [batch.schema.names[0], *EISV_DIMS]
    valid = np.logical_and.reduce([np.asarray(batch[name].is_valid()) for name in needed])
    rows = np.flatnonzero(valid)
    batch = batch if valid.all() else batch.take(rows)

    def where(i: int) -> str:
        return f"{path}, row {start + int(rows[i])}"

    def floats(name: str) -> Floats:
        column = batch[name]
        if pa.types.is_null(column.type):
            column = column.cast(pa.float64())
        if name == "ethical_drift":
            column = pc.fill_null(column, 0)
        values = _numbers(column, f"{path}: column {name}")
        bad = ~np.isfinite(values)
        if bad.any():
            i = int(np.argmax(bad))
            raise InputError(
                f"{where(i)}: {name} is {values[i]}, not finite; drop or mend that row"
            )
        return values

    t = floats("t") if needed[0] == "t" else _times(batch["timestamp"], path, where)
    late = np.abs(t) > LATEST
    if late.any():
        i = int(np.argmax(late))
        check_seconds(float(t[i]), where(i))
    X = np.stack([floats(dim) for dim in EISV_DIMS]).T
    clamped = int(((X < 0) | (X > 1)).sum())
    X = np.clip(X, 0.0, 1.0) if clamped else X
    drift = floats("ethical_drift") if "ethical_drift" in batch.schema.names else None
    agents = None
    if "agent" in batch.schema.names:
        names = _decoded(batch["agent"], f"{path}: column agent").cast("string")
        agents = np.asarray(pc.fill_null(names, ""), dtype=np.str_)
    return (t, X, drift, agents), len(valid) - len(rows), clamped


def _numbers(column: pa.Array, what: str) -> Floats:
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise InputError(f"{what} holds {kind}, not numbers")
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _decoded(column: pa.Array, what: str) -> pa.Array:
    """Return a column as plain values; texts are short, for each row is given that much room."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column.validate(full=True)  # reading alone does not look whether texts are UTF-8
    encoded = isinstance(column, pa.DictionaryArray)
    values = column.dictionary if encoded else column
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        longest = pc.max(pc.binary_length(values)).as_py() or 0
        if longest > _LONGEST_TEXT:
            raise InputError(f"{what} holds a text of {longest} bytes; at most {_LONGEST_TEXT}")
    return column.dictionary_decode() if encoded else column


def _times(column: pa.Array, path: str | os.PathLike[str], where: Callable[[int], str]) -> Floats:
    import pyarrow as pa

    column = _decoded(column, f"{path}: column timestamp")
    kind = column.type
    if pa.types.is_timestamp(kind):
        ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        return np.asarray(column.cast(pa.int64())) / ticks
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return parse_times(column.cast(pa.string()), where)
    raise InputError(f"{path}: column timestamp holds {kind}, neither times nor texts")


def by_agent(agents: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """Yield each agent, in the order in which they appear, with its rows in their order."""
    names, first, inverse = np.unique(agents, return_index=True, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(np.bincount(inverse))
    for k in np.argsort(first).tolist():
        yield str(names[k]), order[ends[k - 1] if k else 0 : ends[k]]
