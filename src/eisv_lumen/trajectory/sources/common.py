"""What all sources share: what they hand back, how times are read, how rows become series."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
    "parse_times",
    "text_lines",
]

Floats = npt.NDArray[np.float64]
Where = Callable[[int], str]
"""Names the place of row i of a source, for a message."""

_NAIVE = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?$"
_ZONED = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)$"


@dataclass(frozen=True, slots=True)
class Report:
    """What reading a source met with.

    Attributes
    ----------
    rows
        Rows, lines or records read.
    null_rows
        Rows skipped because a value that is needed is NULL.
    moved
        Rows that sorting by time put elsewhere.
    clamped
        Values outside [0, 1] that were clamped.
    agents, agents_dropped
        Agents kept, and those dropped because they have too few updates.
    """

    rows: int = 0
    null_rows: int = 0
    moved: int = 0
    clamped: int = 0
    agents: int = 1
    agents_dropped: int = 0

    def lines(self) -> Iterator[str]:
        """Say in words what is worth saying."""
        yield f"{counted(self.rows, 'row')} read, {counted(self.agents, 'agent')}"
        if self.null_rows:
            yield f"{counted(self.null_rows, 'row')} with a NULL skipped"
        if self.moved:
            yield f"{counted(self.moved, 'row')} moved by sorting by time"
        if self.clamped:
            yield f"{counted(self.clamped, 'value')} outside [0, 1] clamped"
        if self.agents_dropped:
            yield f"{counted(self.agents_dropped, 'agent')} with too few updates dropped"


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
    """A source, read: its series (one an agent), what was uttered, and what was met with."""

    series: list[Series]
    report: Report
    expressions: Expressions = field(default_factory=Expressions)


def parse_times(texts: Iterable[str], where: Where) -> Floats:
    """Read ISO-8601 times; a naive one is UTC.

    Parameters
    ----------
    texts : n strings, or an Arrow string array
    where
        Names row i for a message.

    Returns
    -------
    ndarray, shape (n,)
        Seconds since the epoch, exact to the microsecond.

    Raises
    ------
    InputError
        A text is not such a time.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
    out = np.empty(len(array), np.int64)
    left = np.ones(len(array), bool)
    for pattern, kind in ((_NAIVE, pa.timestamp("us")), (_ZONED, pa.timestamp("us", "UTC"))):
        if not left.any():
            break
        fits = np.asarray(pc.match_substring_regex(array, pattern))
        try:
            out[fits] = np.asarray(pc.cast(array.filter(pa.array(fits)), kind).cast(pa.int64()))
        except pa.ArrowInvalid:
            continue  # some day or hour does not exist: found below, one by one
        left &= ~fits
    for i in np.flatnonzero(left).tolist():
        out[i] = _microseconds(array[i].as_py(), where(i))
    return out / 1e6


def _microseconds(text: str, place: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{place}: {text!r} is not a time; write it as 2025-01-31T23:59:59.123456 (UTC), or "
            "with an offset such as +01:00"
        ) from error
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


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
