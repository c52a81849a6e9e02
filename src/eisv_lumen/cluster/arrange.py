"""Stage 1: each agent's states in the order of time, as pieces of files, however they came.

What already lies in order is left where it lies. A chunk that does not is sorted by itself, and
where pieces of an agent overlap in time, they are merged by ranges of time. The order is that of
`read_states`: by time, and rows of one time as they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from .states import Chunk, Columns, read_chunk, read_order, read_rows, to_table
from .storage import save_table

__all__ = [
    "Arranged", "Merge", "Piece", "arrange_chunk", "count_moved", "in_order", "merge_pieces",
    "rows_moved", "runs",
]  # fmt: skip

_MARK: Final = 1 << 12
"""Rows from one mark of a piece to the next."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows [start, stop) of a Parquet file: states of one agent, in the order of time.

    Attributes
    ----------
    agent, path, start, stop
        Whose they are, and where they lie.
    t_first, t_last
        Times [s] of the first and the last.
    order
        Where the piece comes among those of the agent: it decides between rows of one time.
    marks : tuple of float
        Times of every 4,096th row, from the first: where to find a time without reading.
    is_rewritten
        Whether the file was written here, so that it says where each row stood before.
    clamped
        As in `Columns`.
    base
        Where the piece's first row, as they came, stands among those of the agent.
    """

    agent: str
    path: str
    start: int
    stop: int
    t_first: float
    t_last: float
    order: int
    marks: tuple[float, ...]
    is_rewritten: bool = False
    clamped: int = 0
    base: int = 0

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Arranged:
    """What became of a chunk or a merge.

    Attributes
    ----------
    pieces
        Of one agent each, agents in the order in which they first appear.
    rows, null_rows, clamped
        As in `Read`.
    rewritten
        Bytes written anew, in order; 0 where the rows are left where they lie.
    """

    pieces: list[Piece]
    rows: int
    null_rows: int
    clamped: int
    rewritten: int


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
    if all(c.first >= 0 and bool((c.t[1:] >= c.t[:-1]).all()) for c in read.found):
        pieces = [_piece(c, chunk.path, c.first, number) for c in read.found]
        return Arranged(pieces, read.rows, read.null_rows, read.clamped, 0)
    path = f"{scratch}/chunk-{number:06d}.parquet"
    ordered = [c.sorted() for c in read.found]
    _, size = save_table(path, to_table(ordered))
    starts = np.cumsum([0, *(len(c.t) for c in ordered)]).tolist()
    pieces = [
        _piece(c, path, at, number, is_rewritten=True)
        for c, at in zip(ordered, starts, strict=False)
    ]
    return Arranged(pieces, read.rows, read.null_rows, read.clamped, size)


def _piece(c: Columns, path: str, start: int, order: int, *, is_rewritten: bool = False) -> Piece:
    first, last = float(c.t[0]), float(c.t[-1])
    marks = tuple(c.t[::_MARK].tolist())
    stop = start + len(c.t)
    return Piece(c.agent, path, start, stop, first, last, order, marks, is_rewritten, c.clamped)


def in_order(arranged: Iterable[Arranged]) -> dict[str, list[Piece]]:
    """Gather the pieces of all chunks, in the chunks' order, by agent in order of appearance."""
    agents: dict[str, list[Piece]] = {}
    for one in arranged:
        for piece in one.pieces:
            mine = agents.setdefault(piece.agent, [])
            base = mine[-1].base + len(mine[-1]) if mine else 0
            mine.append(replace(piece, base=base))
    return agents


def rows_moved(pieces: Sequence[Piece]) -> tuple[int, list[tuple[Piece, int]]]:
    """Count an agent's rows that stand elsewhere than they came, as far as the pieces tell.

    Returns
    -------
    int
        Rows of pieces that were left where they lie.
    list of (Piece, int)
        Tasks for `count_moved`: the others, each with where its first row stands now.
    """
    moved, tasks, at = 0, [], 0
    for piece in pieces:
        if piece.is_rewritten:
            tasks.append((piece, at))
        elif piece.base != at:
            moved += len(piece)
        at += len(piece)
    return moved, tasks


def count_moved(task: tuple[Piece, int]) -> int:
    """Count the rows of a piece that was written here which stand elsewhere than they came."""
    piece, at = task
    row = read_order(piece.path, piece.start, piece.stop)
    return int((row + piece.base != np.arange(at, at + len(piece))).sum())


def runs(pieces: Sequence[Piece], rows: int) -> list[Piece | Merge]:
    """Put the pieces of an agent in the order of time; what overlaps becomes merges.

    Parameters
    ----------
    pieces
        Of one agent.
    rows
        Rows of a merge, about; all rows of one time are in one merge.
    """
    found: list[Piece | Merge] = []
    group: list[Piece] = []
    end = (-np.inf, -1)
    for piece in sorted(pieces, key=lambda p: (p.t_first, p.order)):
        if group and (piece.t_first, piece.order) > end:
            found += _one_run(group, rows)
            group = []
        group.append(piece)
        end = max(end, (piece.t_last, piece.order))
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
    parts = [_between(piece, merge.low, merge.high) for piece in merge.pieces]
    agent = merge.pieces[0].agent
    X = np.concatenate([c.X.T for c in parts], axis=1).T
    drift = [np.zeros(len(c.t)) if c.drift is None else c.drift for c in parts]
    t = np.concatenate([c.t for c in parts])
    if not len(t):
        return Arranged([], 0, 0, 0, 0)
    row = np.concatenate([c.row for c in parts if c.row is not None])
    whole = Columns(agent, -1, t, X, np.concatenate(drift), row).sorted()
    path = f"{scratch}/merge-{number:06d}.parquet"
    _, size = save_table(path, to_table([whole]))
    return Arranged([_piece(whole, path, 0, 0, is_rewritten=True)], len(t), 0, 0, size)


def _between(piece: Piece, low: float, high: float) -> Columns:
    first = max(int(np.searchsorted(piece.marks, low, "left")) - 1, 0) * _MARK
    last = min(int(np.searchsorted(piece.marks, high, "left")) * _MARK, len(piece))
    start, stop = piece.start + first, piece.start + last
    t, X, drift = read_rows(piece.path, start, stop)
    row = read_order(piece.path, start, stop) if piece.is_rewritten else np.arange(first, last)
    mine = (t >= low) & (t < high)
    found = None if drift is None else drift[mine]
    return Columns(piece.agent, -1, t[mine], X[mine], found, piece.base + row[mine])
