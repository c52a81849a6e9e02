"""One owner's rows in the order of time: equal ones once, and none of somebody else among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from .common import counted
from .options import FEW, ReadOptions

__all__ = [
    "Ordered",
    "check_same_time",
    "check_spacing",
    "in_order",
    "refuse_interleaved",
    "spacing_notes",
]

Floats = npt.NDArray[np.float64]

_FASTEST: Final = 1e-4
"""[s]. A median step below this is a unit mistaken, not a sensor."""
_SPARSE: Final = 20.0
"""[s]. At a median step above this, rates of 0.05 per second cannot be reached from [0, 1]."""
_LONG_RUN: Final = 10
"""Rows: shorter stretches in order are jitter, or a file in no order at all."""


@dataclass(frozen=True)
class Ordered:
    """Rows in the order of time, and what it took.

    Attributes
    ----------
    rows : ndarray of int64
        Positions of the rows that are kept, in the order of time.
    moved, repeated, same_time
        Rows that sorting put elsewhere; rows left out because an equal one with the same time
        stands there; rows kept that share their time with another, different state.
    """

    rows: npt.NDArray[np.int64]
    moved: int
    repeated: int
    same_time: int


def in_order(
    t: Floats, X: Floats, drift: Floats | None, place: str, options: ReadOptions
) -> Ordered:
    """Order one owner's rows by time.

    Parameters
    ----------
    t : ndarray, shape (N,)
    X : ndarray, shape (N, 4)
    drift : ndarray, shape (N,), or None
    place
        What messages call the rows: source and owner.
    options
        `share` is how many rows may share a time with another state.

    Raises
    ------
    InputError
        Two series are interleaved; a clock went back by an hour; too many states share a time.
    """
    n = len(t)
    back = np.flatnonzero(t[1:] < t[:-1])
    order = np.argsort(t, kind="stable") if back.size else np.arange(n)
    moved = int((order != np.arange(n)).sum())
    time = t[order]
    repeated = np.zeros(n, bool)
    if (time[1:] == time[:-1]).any():
        repeated = _repeats(time, X, drift, order)
    kept = order[~repeated]
    if back.size:
        run = np.searchsorted(back, kept, side="left")  # which ascending stretch a row came in
        first = int(back[0])
        refuse_interleaved(
            len(kept),
            back.size + 1,
            int((run[1:] != run[:-1]).sum()),
            int(np.abs(kept - np.sort(kept)).max()),
            (first + 1, float(t[first] - t[first + 1])),
            place,
        )
    same = int((t[kept][1:] == t[kept][:-1]).sum())
    check_same_time(same, len(kept), place, options)
    return Ordered(kept, moved, int(repeated.sum()), same)


def check_same_time(same: int, n: int, place: str, options: ReadOptions) -> None:
    """Refuse n states of which more than a few share their time with another one."""
    if same >= FEW and same > options.share * n:
        raise InputError(
            f"{place}: {same:,} of {n:,} states have the time of another, different state; give "
            "times as they were measured, or say whose rows are whose with --agent-column"
        )


def _repeats(time: Floats, X: Floats, drift: Floats | None, order: Any) -> npt.NDArray[np.bool_]:
    """Mark rows, in the order of time, whose time and state stand there already."""
    rows = np.column_stack([time, X[order], np.zeros(len(time)) if drift is None else drift[order]])
    # Equal rows need not be neighbours among those of one time: sort within each time.
    by_value = np.lexsort(rows.T[::-1])
    equal = (rows[by_value][1:] == rows[by_value][:-1]).all(axis=1)
    out = np.zeros(len(time), bool)
    out[by_value[1:][equal]] = True
    return out


def refuse_interleaved(
    n: int, runs: int, switches: int, far: int, back: tuple[int, float], place: str
) -> None:
    """Refuse rows that are several series merged, or one whose clock was turned back.

    Blocks in the wrong order (a newer file first) do not interleave, and rows that were late by a
    few places, or come in no order at all, are only moved.

    Parameters
    ----------
    n
        Rows.
    runs
        Ascending stretches in which they came.
    switches
        How often, in the order of time, the next row came in another stretch.
    far
        How many places the row lies off that lies farthest from where it came.
    back
        The first row at which time goes back, and by how much [s].
    place
        What messages call the rows.
    """
    switches -= runs - 1
    if n < _LONG_RUN * runs or far < _LONG_RUN or switches <= max(2, 0.01 * n):
        return
    row, jump = back
    if 3000 <= jump <= 3660:
        raise InputError(
            f"{place}: time goes back by {jump:,.0f} s at row {row}, and the rows after it lie "
            "among those before; if that is the end of summer time, name the clock's zone, as in "
            "--tz Europe/Berlin; if these are two series, name their column with --agent-column"
        )
    raise InputError(
        f"{place}: rows of two series are interleaved (time goes back at row {row}); say whose "
        "rows are whose: --agent-column NAME, or give each series apart with --agent NAME"
    )


def check_spacing(t: Floats, place: str) -> None:
    """Refuse times that cannot be seconds, by the steps between them.

    Parameters
    ----------
    t : ndarray, shape (N,)
        Times in order.

    Raises
    ------
    InputError
        All times are one, steps are shorter than any sensor's, or times look like the day numbers
        of a spreadsheet.
    """
    if len(t) < 3:
        return
    steps = np.diff(t)
    steps = steps[steps > 0]
    if not steps.size:
        raise InputError(f"{place}: all {len(t):,} states have one time; give times as measured")
    median = float(np.median(steps))
    if 2e4 < t[0] and t[-1] < 8e4 and median < 0.05:
        raise InputError(
            f"{place}: times such as {t[0]:.6f} look like a spreadsheet's days; write them as "
            "2025-01-31T23:59:59, or in seconds since 1970: (days − 25569) × 86400"
        )
    if median < _FASTEST:
        raise InputError(
            f"{place}: states are {median:.2g} s apart, faster than any sensor; times are in "
            "another unit than their type says (milliseconds typed as nanoseconds?): give seconds"
        )


def spacing_notes(steps: Floats, options: ReadOptions) -> list[str]:
    """Say what the steps [s] between states mean for the rules, which are per second."""
    steps = steps[steps > 0]
    if not steps.size:
        return []
    notes, median = [], float(np.median(steps))
    if median > _SPARSE:
        notes.append(
            f"states are {median:,.0f} s apart (median): thresholds are 0.05 per second, so nearly "
            "every quiet window is `convergence`"
        )
    limit = max(60.0, 20 * median)
    gaps = steps[steps > limit]
    if gaps.size and options.max_gap is None:
        notes.append(
            f"{counted(int(gaps.size), 'gap')} of more than {limit:,.0f} s, the longest "
            f"{gaps.max():,.0f} s: windows across one are labelled like any other; --max-gap "
            f"{limit:.0f} leaves them out"
        )
    return notes
