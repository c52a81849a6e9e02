"""States as Arrow columns, checked and turned into NumPy's, batch by batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...core.errors import InputError
from ...eisv import EISV_DIMS, anima_to_eisv
from ..validation import LATEST, check_resolution, check_seconds
from .common import in_zone, parse_times
from .options import DEFAULT, ReadOptions
from .roles import ANIMA, resolve
from .values import ANYWHERE, readings

__all__ = ["by_agent", "state_columns", "wanted_columns"]

Floats = npt.NDArray[np.float64]
_LONGEST_TEXT = 200  # bytes of an agent's name, or of a time


def wanted_columns(
    schema: pa.Schema, path: str | os.PathLike[str], options: ReadOptions = DEFAULT
) -> dict[str, str]:
    """Return our names to those of the columns of states that a file has, time first.

    Raises
    ------
    InputError
        One that is needed is missing, or two could be the same.
    """
    return resolve(schema.names, str(path), options.columns, options.agent)


def state_columns(
    batch: pa.RecordBatch,
    path: str | os.PathLike[str],
    start: int,
    options: ReadOptions = DEFAULT,
    ranges: Mapping[str, tuple[float, float]] = ANYWHERE,
) -> tuple[tuple[Floats, Floats, Floats | None, Any], int, int]:
    """Return (t, X, drift, agents) of the whole rows of a batch, how many are not, and clamped.

    States outside [0, 1] are clamped, and their values counted (drift is not clamped).

    Parameters
    ----------
    batch
        Some rows, in the columns of `wanted_columns`.
    path, start
        Where they come from, and at which row, for a message.
    options, ranges
        How readings are to be understood; see `values.readings`.

    Raises
    ------
    InputError
        A value is no number or not finite, or no reading; a time is none; an agent is NULL.
    """
    roles = wanted_columns(batch.schema, path, options)
    dims = EISV_DIMS if EISV_DIMS[0] in roles else ANIMA
    columns = {role: batch[name] for role, name in roles.items()}
    columns["t"] = _blank_as_null(_decoded(columns["t"], f"{path}: column {roles['t']}"))
    valid = np.logical_and.reduce([np.asarray(columns[k].is_valid()) for k in ("t", *dims)])
    rows = np.flatnonzero(valid)

    def where(i: int) -> str:
        return f"{path}, row {start + int(rows[i])}"

    if not valid.all():
        columns = {role: column.take(pa.array(rows)) for role, column in columns.items()}
    t = _times(columns["t"], f"{path}: column {roles['t']}", where, options)
    X = np.stack([_finite(columns[dim], roles[dim], path, where) for dim in dims]).T
    X, present = readings(X, where, options, ranges)
    if dims is ANIMA:
        X = anima_to_eisv(np.asfortranarray(X))
    drift = None
    if "ethical_drift" in columns:
        drifts = columns["ethical_drift"]
        drifts = drifts.cast(pa.float64()) if pa.types.is_null(drifts.type) else drifts
        filled = pc.fill_null(drifts, 0)
        drift = _finite(filled, roles["ethical_drift"], path, where)
    agents = None
    if "agent" in columns:
        agents = _agents(columns["agent"], f"{path}: column {roles['agent']}", where)
    if not present.all():
        t, X = t[present], X[present]
        drift = None if drift is None else drift[present]
        agents = None if agents is None else agents[present]
    clamped = int(((X < 0) | (X > 1)).sum())
    X = np.clip(X, 0.0, 1.0) if clamped else X
    return (t, X, drift, agents), len(valid) - len(t), clamped


def _finite(
    column: pa.Array, name: str, path: str | os.PathLike[str], where: Callable[[int], str]
) -> Floats:
    if pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    values = _numbers(column, f"{path}: column {name}")
    bad = ~np.isfinite(values)
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(f"{where(i)}: {name} is {values[i]}, not finite; drop or mend that row")
    return values


def _numbers(column: pa.Array, what: str) -> Floats:
    column = column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise InputError(f"{what} holds {kind}, not numbers")
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _decoded(column: pa.Array, what: str) -> pa.Array:
    """Return a column as plain values; texts are short, for each row is given that much room."""
    column.validate(full=True)  # reading alone does not look whether texts are UTF-8
    encoded = isinstance(column, pa.DictionaryArray)
    values = column.dictionary if encoded else column
    kind = values.type
    if _is_text(kind) or pa.types.is_binary(kind):
        longest = pc.max(pc.binary_length(values.cast(pa.large_binary()))).as_py() or 0
        if longest > _LONGEST_TEXT:
            raise InputError(f"{what} holds a text of {longest} bytes; at most {_LONGEST_TEXT}")
    return column.dictionary_decode() if encoded else column


def _blank_as_null(column: pa.Array) -> pa.Array:
    if not _is_text(column.type):
        return column
    text = column.cast(pa.string())
    blank = pc.equal(pc.utf8_trim_whitespace(text), "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), text)


def _agents(column: pa.Array, what: str, where: Callable[[int], str]) -> Any:
    names = _decoded(column, what).cast(pa.string())
    blank = np.asarray(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(names), ""), True))
    if blank.any():
        raise InputError(
            f"{where(int(np.argmax(blank)))}: the row names no agent; mend or drop it, or say with "
            "--agent NAME whose all rows are"
        )
    return np.asarray(names, dtype=np.str_)


def _times(
    column: pa.Array, what: str, where: Callable[[int], str], options: ReadOptions
) -> Floats:
    """Return seconds since the epoch, from numbers, timestamps, or texts of either."""
    kind = column.type
    if pa.types.is_null(kind):
        return np.empty(0)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        if pa.types.is_date(kind):
            raise InputError(f"{what} holds days, not times; a state needs its time of day")
        ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        t = np.asarray(column.cast(pa.int64())) / ticks
        return t if kind.tz or options.zone is None else in_zone(t, options.zone, where)
    if _is_text(kind):
        text = pc.utf8_trim_whitespace(column)
        plain = pc.match_substring_regex(text, r"^[+-]?(\d+[.,]?\d*|\.\d+)([eE][+-]?\d+)?$")
        if not (len(text) and pc.all(plain).as_py()):
            return parse_times(text, where, options.zone)
        column = pc.replace_substring(text, ",", ".").cast(pa.float64())
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise InputError(f"{what} holds {kind}, neither times nor texts nor numbers")
    path, _, name = what.rpartition(": column ")
    t = _finite(column, name, path, where)
    if pa.types.is_floating(kind):
        check_resolution(t, {16: np.float16, 32: np.float32}.get(kind.bit_width, np.float64), what)
    late = np.abs(t) > LATEST
    if late.any():
        i = int(np.argmax(late))
        check_seconds(float(t[i]), where(i))
    return t


def by_agent(agents: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """Yield each agent, in the order in which they appear, with its rows in their order."""
    names, first, inverse = np.unique(agents, return_index=True, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(np.bincount(inverse))
    for k in np.argsort(first).tolist():
        yield str(names[k]), order[ends[k - 1] if k else 0 : ends[k]]
