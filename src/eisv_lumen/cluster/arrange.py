"""Stage 1: each agent's states in the order of time, as pieces of files, however they came.

What already lies in order is left where it lies. A chunk that does not is sorted by itself, and
where pieces of an agent touch or overlap in time, they are merged by ranges of time. The order is
that of `read_states`: by time, and rows of one time as they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import numpy as np

from ..trajectory.sources.options import DEFAULT, ReadOptions
from .states import Chunk, Columns, read_chunk, read_order, read_rows, to_table
from .storage import save_table

__all__ = ["Arranged", "Came", "Merge", "Piece", "arrange_chunk", "in_order", "merge_pieces",
           "rows_between", "runs"]  # fmt: skip

_MARK: Final = 1 << 12
"""Rows from one mark of a piece to the next."""


@dataclass(frozen=True, slots=True)
class Came:
    """How the rows of a piece came, before they were put in order.

    Attributes
    ----------
    t_first, t_last
        Times [s] of the first row and the last.
    backs
        How often time went back.
    back
        The first row at which it did, and by how much [s]; (0, 0) where it did not.
    """

    t_first: float
    t_last: float
    backs: int = 0
    back: tuple[int, float] = (0, 0.0)


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows [start, stop) of a Parquet file: states of one agent, in the order of time.

    Attributes
    ----------
    agent, path, start, stop
        Whose they are, and where they lie.
    options
        How they are to be understood.
    t_first, t_last
        Times [s] of the first and the last.
    step
        Median [s] of the steps from one time to a later one; 0 where there is none.
    has_ties
        Whether two rows have one time.
    order
        Where the piece comes among those of the agent: it decides between rows of one time.
    marks : tuple of float
        Times of every 4,096th row, from the first: where to find a time without reading.
    is_rewritten
        Whether the file was written here, so that it says of each row how it came.
    came
        How its rows came.
    base, base_run
        Rows and ascending stretches of the agent that came before it.
    """

    agent: str
    path: str
    start: int
    stop: int
    options: ReadOptions
    t_first: float
    t_last: float
    step: float
    has_ties: bool
    order: int
    marks: tuple[float, ...]
    is_rewritten: bool
    came: Came
    base: int = 0
    base_run: int = 0

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Arranged:
    """What became of a chunk or a merge.

    Attributes
    ----------
    pieces
        Of one agent each, agents in the order in which they first appear.
    rows, null_rows, clamped, limited
        As in `Read`.
    rewritten
        Bytes written anew, in order; 0 where the rows are left where they lie.
    """

    pieces: list[Piece]
    rows: int = 0
    null_rows: int = 0
    clamped: int = 0
    limited: dict[str, tuple[int, int]] = field(default_factory=dict)
    rewritten: int = 0


@dataclass(frozen=True, slots=True)
class Merge:
    """A task: the rows of some pieces with low ≤ t < high, put in one order, in one file."""

    pieces: tuple[Piece, ...]
    low: float
    high: float


def arrange_chunk(task: tuple[int, Chunk, str]) -> Arranged:
    """Find a chunk's pieces; write it anew, sorted, where it is not in order.

    Parameters
    ----------
    task
        The chunk's number, the chunk, and the folder to write to.

    Raises
    ------
    InputError
        As for `read_chunk`.
    """
    number, chunk, scratch = task
    read = read_chunk(chunk)
    met = read.rows, read.null_rows, read.clamped, read.limited
    came = [_came(c) for c in read.found]
    if all(c.first >= 0 and not how.backs for c, how in zip(read.found, came, strict=True)):
        pieces = [
            _piece(c, chunk.path, c.first, number, how, chunk.options)
            for c, how in zip(read.found, came, strict=True)
        ]
        return Arranged(pieces, *met)
    path = f"{scratch}/chunk-{number:06d}.parquet"
    ordered = [c.in_time_order() for c in read.found]
    _, size = save_table(path, to_table(ordered))
    starts = np.cumsum([0, *map(len, ordered)]).tolist()
    pieces = [
        _piece(c, path, at, number, how) for c, at, how in zip(ordered, starts, came, strict=False)
    ]
    return Arranged(pieces, *met, size)


def _came(c: Columns) -> Came:
    back = np.flatnonzero(c.t[1:] < c.t[:-1])
    first, last = float(c.t[0]), float(c.t[-1])
    if not back.size:
        return Came(first, last)
    row = int(back[0])
    return Came(first, last, int(back.size), (row + 1, float(c.t[row] - c.t[row + 1])))


def _piece(
    c: Columns, path: str, start: int, order: int, came: Came, options: ReadOptions | None = None
) -> Piece:
    """Describe rows in the order of time; without options, in a file that was written here."""
    steps = np.diff(c.t)
    apart = steps[steps > 0]
    return Piece(
        agent=c.agent,
        path=path,
        start=start,
        stop=start + len(c),
        options=DEFAULT if options is None else options,
        t_first=float(c.t[0]),
        t_last=float(c.t[-1]),
        step=float(np.median(apart)) if apart.size else 0.0,
        has_ties=apart.size < steps.size,
        order=order,
        marks=tuple(c.t[::_MARK].tolist()),
        is_rewritten=options is None,
        came=came,
    )


def in_order(arranged: Iterable[Arranged]) -> dict[str, list[Piece]]:
    """Gather the pieces of all chunks, in the chunks' order, by agent in order of appearance."""
    agents: dict[str, list[Piece]] = {}
    for one in arranged:
        for piece in one.pieces:
            mine = agents.setdefault(piece.agent, [])
            base = run = 0
            if mine:
                last = mine[-1]
                base = last.base + len(last)
                run = last.base_run + last.came.backs + (piece.came.t_first < last.came.t_last)
            mine.append(replace(piece, base=base, base_run=run))
    return agents


def runs(pieces: Sequence[Piece], rows: int) -> list[Piece | Merge]:
    """Put the pieces of an agent in the order of time; what touches or overlaps becomes merges.

    Parameters
    ----------
    pieces
        Of one agent.
    rows
        Rows of a merge, about; all rows of one time are in one merge.
    """
    found: list[Piece | Merge] = []
    group: list[Piece] = []
    end = -np.inf
    for piece in sorted(pieces, key=lambda p: (p.t_first, p.order)):
        if group and piece.t_first > end:
            found += _one_run(group, rows)
            group = []
        group.append(piece)
        end = max(end, piece.t_last)
    return found + _one_run(group, rows)


def _one_run(group: list[Piece], rows: int) -> list[Piece | Merge]:
    if len(group) == 1:
        return [*group]
    by_order = tuple(sorted(group, key=lambda p: p.order))
    marks = np.sort(np.concatenate([p.marks for p in group]))
    parts = -(-sum(map(len, group)) // rows)
    inner = marks[np.arange(1, parts) * len(marks) // parts]
    borders = [-np.inf, *np.unique(inner[inner > marks[0]]).tolist(), np.inf]
    merges = []
    for low, high in pairwise(borders):
        part = tuple(p for p in by_order if p.t_first < high and p.t_last >= low)
        merges.append(Merge(part, low, high))
    return [m for m in merges if m.pieces]


def merge_pieces(task: tuple[int, Merge, str]) -> Arranged:
    """Merge a range of time of some pieces into one file: one piece, or none for no rows.

    Parameters
    ----------
    task
        The merge's number, the merge, and the folder to write to.
    """
    number, merge, scratch = task
    parts = [rows_between(piece, merge.low, merge.high) for piece in merge.pieces]
    if not any(map(len, parts)):
        return Arranged([])
    whole = Columns(
        merge.pieces[0].agent,
        -1,
        np.concatenate([c.t for c in parts]),
        np.concatenate([c.X.T for c in parts], axis=1).T,
        np.concatenate([np.zeros(len(c)) if c.drift is None else c.drift for c in parts]),
        np.concatenate([c.row for c in parts if c.row is not None]),
        np.concatenate([c.run for c in parts if c.run is not None]),
    ).in_time_order()
    path = f"{scratch}/merge-{number:06d}.parquet"
    _, size = save_table(path, to_table([whole]))
    first = merge.pieces[0].came  # of no account from here on: rows say how they came
    return Arranged([_piece(whole, path, 0, 0, first)], rewritten=size)


def rows_between(piece: Piece, low: float = -np.inf, high: float = np.inf) -> Columns:
    """Read the rows of a piece with low ≤ t < high, and how they came among all of the agent."""
    first = max(int(np.searchsorted(piece.marks, low, "left")) - 1, 0) * _MARK
    last = min(int(np.searchsorted(piece.marks, high, "left")) * _MARK, len(piece))
    start, stop = piece.start + first, piece.start + last
    t, X, drift = read_rows(piece.path, start, stop, piece.options)
    row, run = np.arange(first, last), np.zeros(last - first, np.int64)
    if piece.is_rewritten:
        row, run = read_order(piece.path, start, stop)
    whole = Columns(piece.agent, -1, t, X, drift, row + piece.base, run + piece.base_run)
    return whole.take((t >= low) & (t < high))
