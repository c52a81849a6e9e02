"""Which windows a published dataset lacks: pure functions on arrays and tables.

A window is known by its owner and its first and last time; what file a log stood in is of no
account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...core.arrow import arrow_array
from ...core.errors import InputError
from ...trajectory.dataset.metadata import digest
from ...trajectory.dataset.schema import SCHEMA, build, write_to
from ...trajectory.series import Series
from ...trajectory.sources.common import Source

__all__ = [
    "Grid",
    "LastWindow",
    "continuation",
    "new_windows",
    "offset_in",
    "parquet_bytes",
    "stride_of",
]

Floats = npt.NDArray[np.float64]

_SAME_TIME: Final = 1e-5
_SAME_VALUE: Final = 1e-6
"""A log that was exported as text again is the same one: times [s] and values may be rounded."""
_FAR: Final = 10
"""Steps: a nameless log that begins later than this after the published one may be another's."""


@dataclass(frozen=True)
class LastWindow:
    """The last published window of an owner.

    Attributes
    ----------
    t, X, ethical_drift : ndarray, shape (w,), (w, 4), (w,)
    """

    t: Floats
    X: Floats
    ethical_drift: Floats

    @classmethod
    def of(cls, row: pa.Table) -> LastWindow:
        """Read it from a table of one row."""
        t, *dims = (np.array(row[name][0].as_py(), np.float64) for name in ("t", *"EISV"))
        X = np.stack(dims, axis=1)
        drift = row["ethical_drift"][0].as_py() if "ethical_drift" in row.column_names else None
        return cls(t, X, np.zeros(len(t)) if drift is None else np.array(drift, np.float64))


@dataclass(frozen=True)
class Grid:
    """How the windows of a config are cut.

    Attributes
    ----------
    window, stride
        States in one, and from one's first to the next's.
    """

    window: int
    stride: int


def new_windows(
    source: Source,
    last: Mapping[str, LastWindow],
    *,
    reserved: Mapping[str, float],
    grid: Grid,
) -> pa.Table:
    """Cut the windows that come after the published ones, on the same grid.

    Parameters
    ----------
    source
        Series, one an owner: all its states, or any later part that begins where the published
        windows end or before; and what was uttered.
    last
        The last published window of this length, of all splits, by owner; see `offset_in`: it
        is of the same log.
    reserved
        Until when windows of other splits, of every length, hold states, by owner: a window that
        begins by then would share a state with one of them, and is left out.
    grid
        As the published windows were cut.

    Returns
    -------
    pa.Table
        Rows of the dataset's schema, perhaps none; of two windows with the same times, one.
    """
    tables = []
    for one in source.series:
        seen = last.get(one.agent)
        rest = one if seen is None else continuation(one, seen, grid.stride)
        if len(rest) < grid.window:
            continue
        table = build(replace(source, series=[rest]), grid.window, grid.stride)
        fresh = np.asarray(table["t_start"]) > reserved.get(one.agent, -np.inf)
        times = np.stack([np.asarray(table["t_start"]), np.asarray(table["t_end"])], axis=1)
        distinct = np.zeros(len(table), bool)
        distinct[np.unique(times, axis=0, return_index=True)[1]] = True
        if seen is not None:
            distinct &= (times != [seen.t[0], seen.t[-1]]).any(axis=1)
        tables.append(table.filter(arrow_array(fresh & distinct)))
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()


def continuation(series: Series, last: LastWindow, stride: int) -> Series:
    """Return the states from the next window's first one on.

    Parameters
    ----------
    series
        States of the owner, from before or just after the last published window on.
    last
        That window.
    stride
        From one window's first state to the next's.
    """
    at = offset_in(series, last.t, last.X)
    if at is None:
        start = int(np.searchsorted(series.t, last.t[-1], side="right"))
    else:
        start = min(len(series), at + len(last.t))
    drift = np.zeros(len(series)) if series.ethical_drift is None else series.ethical_drift
    return Series(
        t=np.concatenate([last.t, series.t[start:]])[stride:],
        X=np.concatenate([last.X, series.X[start:]])[stride:],
        ethical_drift=np.concatenate([last.ethical_drift, drift[start:]])[stride:],
        source=series.source,
        agent=series.agent,
    )


def offset_in(series: Series, t: Floats, X: Floats) -> int | None:
    """Return where in a series a window begins, as far as both hold states of the same time.

    The series may begin after the window does (then the position is negative), or end before.

    Returns
    -------
    int or None
        None where no state of the window is in the series.
    """
    if not len(series):
        return None
    if series.t[0] > t[0] + _SAME_TIME:
        starts = -np.flatnonzero(np.abs(t - series.t[0]) <= _SAME_TIME)
    else:
        low, high = np.searchsorted(series.t, [t[0] - _SAME_TIME, t[0] + _SAME_TIME])
        starts = np.arange(low, min(high + 1, len(series)))
    for start in starts.tolist():
        a, b = max(0, -start), min(len(t), len(series) - start)
        here = slice(start + a, start + b)
        if (
            a < b
            and np.allclose(series.t[here], t[a:b], rtol=0, atol=_SAME_TIME)
            and np.allclose(series.X[here], X[a:b], rtol=0, atol=_SAME_VALUE)
        ):
            return int(start)
    return None


def is_same(series: Series, t: Floats, X: Floats) -> bool | None:
    """Say whether a series holds the states of a window; None: it has none of that time."""
    if offset_in(series, t, X) is not None:
        return True
    apart = not len(series) or series.t[0] >= t[-1] or series.t[-1] <= t[0]
    return None if apart else False


def has_digest(
    series: Series, window: int, first: float, last: float, said: str
) -> LastWindow | None:
    """Return the window of a series that has these times and this digest, None: it has none."""
    low, high = np.searchsorted(series.t, [first, np.nextafter(first, np.inf)])
    for i in range(int(low), int(high)):
        t, X = series.t[i : i + window], series.X[i : i + window]
        if len(t) == window and t[-1] == last and digest(t, X) == said:
            drift = series.ethical_drift
            return LastWindow(t, X, np.zeros(window) if drift is None else drift[i : i + window])
    return None


def is_far(series: Series, t: Floats) -> bool:
    """Say whether a series begins so long after a window that it may be another's."""
    steps = np.r_[np.diff(t), np.diff(series.t[: len(t)])]
    return bool(series.t[0] - t[-1] > _FAR * max(float(np.median(steps)), _SAME_TIME))


def stride_of(said: Iterable[int], given: int | None, what: str) -> int:
    """Return the stride that published windows say, or the given one where they say none.

    Raises
    ------
    InputError
        They say another one than is given, or several; or nobody says any.
    """
    known = set(said)
    if len(known | {given} - {None}) > 1:
        mend = "leave --stride out" if len(known) == 1 else "publish it again"
        raise InputError(f"{what} was cut with stride {', '.join(map(str, sorted(known)))}; {mend}")
    stride = next(iter(known), given)
    if stride is None:
        raise InputError(
            f"{what} does not say with which stride it was cut; give it with --stride (the "
            "study's is 10)"
        )
    return stride


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as Parquet; the same table gives the same bytes."""
    buffer = pa.BufferOutputStream()
    write_to(buffer, table)
    return bytes(buffer.getvalue().to_pybytes())


def ends_by_owner(table: pa.Table) -> dict[str, float]:
    """Return the latest time that any window holds, by owner."""
    last = table.group_by(["agent"]).aggregate([("t_end", "max")])
    return dict(zip(last["agent"].to_pylist(), last["t_end_max"].to_pylist(), strict=True))


def in_time(table: pa.Table) -> pa.Table:
    """Sort windows by owner and time, so that footers and statistics part them well."""
    order = pc.sort_indices(
        table, sort_keys=[("agent", "ascending"), ("t_start", "ascending"), ("t_end", "ascending")]
    )
    return table.take(order)
