"""Stage 1, its end: what the order of time shows of an agent's states, by the rules of one machine.

Equal states of one time are one; series that are interleaved, a clock that went back and times in
another unit are refused, by the very checks of `trajectory.sources.ordering`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..trajectory.sources.options import DEFAULT, ReadOptions
from ..trajectory.sources.ordering import (
    check_same_time,
    check_spacing,
    in_order,
    refuse_interleaved,
)
from .arrange import Piece, rows_between
from .states import to_table
from .storage import save_table

__all__ = ["Order", "Settled", "check_agent", "median_step", "settle_piece", "untouched"]


@dataclass(frozen=True, slots=True)
class Settled:
    """A piece whose rows are all different, and how they had come.

    Attributes
    ----------
    piece
        What is left; its rows follow those of the piece before.
    moved, repeated, same_time
        As in `Report`.
    switches, first_run, last_run
        How often the next row came in another ascending stretch, and the stretches of the first
        row and the last.
    far
        How many places the row lies off that lies farthest from where it came.
    rewritten
        Bytes written anew.
    """

    piece: Piece
    moved: int
    repeated: int
    same_time: int
    switches: int
    first_run: int
    last_run: int
    far: int
    rewritten: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """Counts of an agent's states, as in `Report`."""

    moved: int
    repeated: int
    same_time: int


def untouched(piece: Piece, at: int) -> Settled | None:
    """Return what is known of a piece without reading it; None where it has to be read.

    Parameters
    ----------
    piece
        Of one agent.
    at
        Where its first row stands among those of the agent, in the order of time.
    """
    if piece.is_rewritten or piece.has_ties:
        return None
    off = abs(piece.base - at)
    run = piece.base_run
    return Settled(piece, len(piece) if off else 0, 0, 0, 0, run, run, off)


def settle_piece(task: tuple[int, Piece, int, str]) -> Settled:
    """Read a piece, count how its rows came, and write it anew where some stand there twice.

    Parameters
    ----------
    task
        Its number, the piece, where its first row stands among those of the agent, and the folder
        to write to.
    """
    number, piece, at, scratch = task
    mine = rows_between(piece)
    assert mine.row is not None and mine.run is not None
    place = np.arange(at, at + len(mine))
    # Whether too many share a time is judged of all the agent's rows, not of these alone.
    found = in_order(mine.t, mine.X, mine.drift, piece.path, replace(DEFAULT, share=np.inf))
    run = mine.run[found.rows]
    size = 0
    settled = piece
    if found.repeated:
        path = f"{scratch}/settled-{number:06d}.parquet"
        _, size = save_table(path, to_table([mine.take(found.rows)]))
        settled = replace(
            piece, path=path, start=0, stop=len(found.rows), options=DEFAULT, is_rewritten=True
        )
    return Settled(
        settled,
        int((mine.row != place).sum()),
        found.repeated,
        found.same_time,
        int((run[1:] != run[:-1]).sum()),
        int(run[0]),
        int(run[-1]),
        int(np.abs(mine.row - place).max()),
        size,
    )


def check_agent(
    came: Sequence[Piece], settled: Sequence[Settled], place: str, options: ReadOptions
) -> Order:
    """Refuse an agent's states where one machine would, and count what it would count.

    Parameters
    ----------
    came
        Its pieces in the order in which they came.
    settled
        Its pieces in the order of time.
    place
        What messages call them.
    options
        `share` is how many rows may share a time with another state.

    Raises
    ------
    InputError
        As for `ordering.in_order` and `ordering.check_spacing`.
    """
    n = sum(len(one.piece) for one in settled)
    last = came[-1]
    backs = last.base_run + last.came.backs
    if backs:
        refuse_interleaved(
            n,
            backs + 1,
            sum(one.switches for one in settled)
            + sum(a.last_run != b.first_run for a, b in pairwise(settled)),
            max(one.far for one in settled),
            _first_back(came),
            place,
        )
    order = Order(
        sum(one.moved for one in settled),
        sum(one.repeated for one in settled),
        sum(one.same_time for one in settled),
    )
    check_same_time(order.same_time, n, place, options)
    if n > 2:
        check_spacing(_stand_in([one.piece for one in settled]), place)
    return order


def _first_back(came: Sequence[Piece]) -> tuple[int, float]:
    """Return the first row at which time went back, among all of the agent, and by how much [s]."""
    before = -np.inf
    for piece in came:
        if piece.came.t_first < before:
            return piece.base, before - piece.came.t_first
        if piece.came.backs:
            row, jump = piece.came.back
            return piece.base + row, jump
        before = piece.came.t_last
    return 0, 0.0


def _stand_in(pieces: Sequence[Piece]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return a few times with the first, the last and the median step of all, to be checked."""
    first, last = pieces[0].t_first, pieces[-1].t_last
    if first == last:
        return np.full(sum(map(len, pieces)), first)
    step = median_step(pieces)
    return np.array([first, first + step, first + 2 * step, max(last, first + 2 * step)])


def median_step(pieces: Sequence[Piece]) -> float:
    """Return the median of the pieces' median steps [s], each as heavy as the piece is long."""
    known = sorted((piece.step, len(piece)) for piece in pieces if piece.step > 0)
    if not known:
        return max(0.0, pieces[-1].t_last - pieces[0].t_first)
    ends = np.cumsum([n for _, n in known])
    return known[int(np.searchsorted(ends, ends[-1] / 2))][0]
