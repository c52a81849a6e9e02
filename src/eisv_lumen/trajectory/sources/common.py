"""What all sources share: what they hand back, how times are read, how rows become series."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ..series import Series

__all__ = [
    "Expressions",
    "Report",
    "Source",
    "counted",
    "in_time_order",
    "in_zone",
    "parse_times",
    "text_lines",
]

Floats = npt.NDArray[np.float64]
Where = Callable[[int], str]
"""Names the place of row i of a source, for a message."""

_SECONDS = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"
_OFFSET = r"(Z|[+-]\d\d:?\d\d)$"


@dataclass(frozen=True, slots=True)
class Report:
    """What reading a source met with.

    Attributes
    ----------
    rows
        Rows, lines or records read.
    null_rows
        Rows skipped because a value that is needed is NULL, or stands for a failed reading.
    moved
        Rows that sorting by time put elsewhere.
    clamped
        Values outside [0, 1] that were clamped.
    agents, agents_dropped
        Agents kept, and those dropped because they have too few updates.
    repeated
        Rows left out because an equal state of the same agent and time stands there.
    same_time
        Rows kept that share their time with another state of the same agent.
    notes
        What else is worth saying, a sentence each.
    """

    rows: int = 0
    null_rows: int = 0
    moved: int = 0
    clamped: int = 0
    agents: int = 1
    agents_dropped: int = 0
    repeated: int = 0
    same_time: int = 0
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Say in words what is worth saying."""
        yield f"{counted(self.rows, 'row')} read, {counted(self.agents, 'agent')}"
        yield from self.warnings()

    def warnings(self) -> Iterator[str]:
        """Say in words what was not as it should be."""
        if self.null_rows:
            yield f"{counted(self.null_rows, 'row')} with a NULL skipped"
        if self.moved:
            yield f"{counted(self.moved, 'row')} moved by sorting by time"
        if self.repeated:
            yield f"{counted(self.repeated, 'row')} left out: an equal state has the same time"
        if self.same_time:
            yield f"{counted(self.same_time, 'row')} with the time of another state"
        if self.clamped:
            yield f"{counted(self.clamped, 'value')} outside [0, 1] clamped"
        if self.agents_dropped:
            yield f"{counted(self.agents_dropped, 'agent')} with too few updates dropped"
        yield from self.notes


def counted(n: int, what: str) -> str:
    """Return a number with what it counts, as in 1 row, 2,000 rows."""
    return f"{n:,} {what}{'s' * (n != 1)}"


@dataclass(frozen=True, slots=True)
class Expressions:
    """What was uttered, in the order of time.

    Attributes
    ----------
    t : ndarray, shape (n,)
        Times [s since the epoch].
    tokens : sequence of n token tuples
        As the source has them: Lumen logs its primitives.
    """

    t: Floats = field(default_factory=lambda: np.empty(0))
    tokens: Sequence[tuple[str, ...]] = ()

    def within(
        self, t_start: Floats, t_end: Floats
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Align with windows: those of window i are the ones from `first[i]` up to `stop[i]`.

        An expression belongs to a window if it was uttered in [t_start, t_end]; so it can belong
        to two windows that overlap, and to none.

        Returns
        -------
        first, stop : ndarray, shape (n_windows,), int64
        """
        return np.searchsorted(self.t, t_start, "left"), np.searchsorted(self.t, t_end, "right")


@dataclass(frozen=True, slots=True)
class Source:
    """A source, read: its series (one an agent), what was uttered, and what was met with.

    `max_gap` [s]: windows with a longer step between two states are to be left out; None: none.
    """

    series: list[Series]
    report: Report
    expressions: Expressions = field(default_factory=Expressions)
    max_gap: float | None = None


def parse_times(texts: Iterable[str], where: Where, zone: ZoneInfo | None = None) -> Floats:
    """Read ISO-8601 times; one without an offset is in `zone`, or in UTC.

    Parameters
    ----------
    texts : n strings, or an Arrow string array
    where
        Names row i for a message.
    zone
        Of the clock that wrote times without an offset.

    Returns
    -------
    ndarray, shape (n,)
        Seconds since the epoch, exact to the microsecond.

    Raises
    ------
    InputError
        A text is not such a time; or some have an offset and others have none, and `zone` does not
        say what those are.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
    out = np.empty(len(array), np.float64)
    left = np.ones(len(array), bool)
    zoned = np.zeros(len(array), bool)
    for fraction, unit, ticks in ((r"(\.\d{1,6})?", "us", 1e6), (r"\.\d{7,9}", "ns", 1e9)):
        for offset, name in (("$", None), (_OFFSET, "UTC")):
            if not left.any():
                break
            fits = np.asarray(pc.match_substring_regex(array, _SECONDS + fraction + offset)) & left
            try:
                read = pc.cast(array.filter(pa.array(fits)), pa.timestamp(unit, name))
            except pa.ArrowInvalid:
                continue  # some day or hour does not exist: found below, one by one
            out[fits] = np.asarray(read.cast(pa.int64())) / ticks
            zoned[fits] = name is not None
            left &= ~fits
    for i in np.flatnonzero(left).tolist():
        out[i], zoned[i] = _seconds_of(array[i].as_py(), where(i))
    if zoned.any() and not zoned.all() and zone is None:
        i, j = int(np.argmin(zoned)), int(np.argmax(zoned))
        raise InputError(
            f"{where(i)}: {array[i].as_py()!r} has no offset where {array[j].as_py()!r} has one; "
            "say in which zone the times without one are, as in --tz UTC"
        )
    if zone is not None and not zoned.all():
        naive = np.flatnonzero(~zoned)
        out[naive] = in_zone(out[naive], zone, lambda k: where(int(naive[k])))
    return out


def in_zone(naive: Floats, zone: ZoneInfo, where: Where) -> Floats:
    """Return times that were read off a clock in a zone, in seconds since the epoch.

    In the hour that a clock shows twice, rows before it went back are in the first, rows after it
    in the second.

    Parameters
    ----------
    naive : ndarray, shape (n,)
        What the clock showed, as if it were UTC [s], in the order in which it was read.

    Raises
    ------
    InputError
        The clock never showed such a time.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    clock = pa.array(np.rint(naive * 1e6).astype(np.int64)).cast(pa.timestamp("us"))

    def read(ambiguous: str) -> Floats:
        there = pc.assume_timezone(clock, zone.key, ambiguous=ambiguous, nonexistent="earliest")
        return np.asarray(there.cast(pa.int64())) / 1e6

    first, second = read("earliest"), read("latest")
    shown = np.asarray(pc.local_timestamp(pa.array((first * 1e6).astype(np.int64)).cast(
        pa.timestamp("us", zone.key))).cast(pa.int64())) / 1e6  # fmt: skip
    never = np.abs(shown - naive) > 1e-3
    if never.any():
        raise InputError(
            f"{where(int(np.argmax(never)))}: a clock in {zone.key} never shows that time; give "
            "the zone that it runs in, or times with an offset"
        )
    twice = first != second
    if twice.any():
        back = np.concatenate([[False], naive[1:] < naive[:-1]])
        begins = np.concatenate([[True], ~twice[:-1]])  # of a stretch of such rows
        start = np.maximum.accumulate(np.where(begins, np.arange(len(naive)), 0))
        turns = np.cumsum(back)
        first = np.where(twice & (turns > turns[start]), second, first)
    return first


def _seconds_of(text: str, place: str) -> tuple[float, bool]:
    """Return seconds since the epoch, and whether the text has an offset."""
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(
            f"{place}: {text!r} is not a time; write it as 2025-01-31T23:59:59.123456 (UTC), or "
            "with an offset such as +01:00"
        ) from error
    zoned = time.tzinfo is not None
    since = (time if zoned else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    micro = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return micro / 1e6, zoned


def in_time_order(t: Floats, *columns: Floats | None) -> tuple[int, Floats, list[Any]]:
    """Sort by time, stably; return (rows moved, times, columns)."""
    if (t[1:] >= t[:-1]).all():
        return 0, t, list(columns)
    order = np.argsort(t, kind="stable")
    moved = int((order != np.arange(len(t))).sum())
    return moved, t[order], [None if c is None else c[order] for c in columns]


def text_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of the lines of a text file that are not blank.

    Raises
    ------
    InputError
        There is no such file, or it is not UTF-8.
    """
    number = 0
    try:
        with Path(path).open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}{f', after line {number}' if number else ''}: not UTF-8; a text file of JSON "
            "lines is wanted"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from error
