"""Splits that share no state, stratified by shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...core.errors import InputError
from ...expression.vocabulary import SHAPES

__all__ = ["SPLITS", "Splits", "owners", "split"]

SPLITS = ("train", "validation", "test")
FRACTIONS = (0.8, 0.1, 0.1)
_RUN = 10
"""Windows of one series that are kept together, at most: each border between runs that go to
different splits costs a window or two."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Splits:
    """Row numbers of the three splits, each ascending, and of the rows that are in none.

    `dropped` are the windows at the border of two runs of one series that went to different
    splits: they share states with both.
    """

    train: Rows
    validation: Rows
    test: Rows
    dropped: Rows

    def items(self) -> list[tuple[str, Rows]]:
        """Return name and rows of the three splits."""
        return [(name, getattr(self, name)) for name in SPLITS]


def split(table: pa.Table, *, seed: int, fractions: Sequence[float] = FRACTIONS) -> Splits:
    """Split windows 80/10/10, stratified by shape, so that no state is in two splits.

    Windows of one `agent` of one `source` are taken to share states where their times
    [t_start, t_end] meet. The windows of an agent are cut into runs: at every gap between
    windows that do not meet, and after ten windows at most. Runs are dealt to the splits, those
    with the rarest shapes first, each to the split that lacks most of its rarest shape. Where
    neighbouring runs went to different splits, the windows of the later one that meet the
    earlier one are dropped.

    Parameters
    ----------
    table
        Typed dataset.
    seed
        Seed of the order among runs that are equally rare.
    fractions
        Of train, validation and test; they sum to 1.

    Raises
    ------
    InputError
        A split would be empty, or the fractions are no fractions.
    """
    if len(fractions) != 3 or min(fractions) < 0 or not np.isclose(sum(fractions), 1.0):
        raise InputError(f"fractions {tuple(fractions)}: give three, of sum 1")
    start, end = np.asarray(table["t_start"]), np.asarray(table["t_end"])
    code = np.asarray(table["shape"])
    owner = owners(table)
    order = np.lexsort((end, start, owner))
    run = np.empty(len(order), np.int64)
    run[order] = _runs(owner[order], start[order], end[order])
    side = _deal(run, code, np.asarray(fractions), seed)[run] if len(run) else run
    keep = np.zeros(len(order), bool)
    keep[order] = _clear_of_others(owner[order], start[order], end[order], side[order])
    rows = [np.flatnonzero(keep & (side == k)) for k in range(3)]
    for name, fraction, found in zip(SPLITS, fractions, rows, strict=True):
        if fraction > 0 and len(found) == 0:
            raise InputError(
                f"split {name!r} is empty: {table.num_rows} windows are too few, or they share "
                "states too closely; give more windows, or a longer stride"
            )
    return Splits(rows[0], rows[1], rows[2], np.flatnonzero(~keep))


def owners(table: pa.Table) -> Rows:
    """Give each (source, agent) a number."""
    codes = [
        np.asarray(table[name].combine_chunks().dictionary_encode().indices.fill_null(-1))
        for name in ("source", "agent")
    ]
    pairs = np.stack(codes, axis=1).reshape(-1, 2)
    return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)


def _runs(owner: Rows, start: npt.NDArray[Any], end: npt.NDArray[Any]) -> Rows:
    """Give each run a number; windows come sorted by owner and start."""
    out = np.empty(len(owner), np.int64)
    number, length, reach = -1, 0, -np.inf
    previous = -1
    for i, (who, begin, stop) in enumerate(
        zip(owner.tolist(), start.tolist(), end.tolist(), strict=True)
    ):
        if who != previous or begin > reach or length == _RUN:
            number, length = number + 1, 0
            reach = -np.inf if who != previous else reach
        out[i], length, previous, reach = number, length + 1, who, max(reach, stop)
    return out


def _deal(run: Rows, code: Rows, fractions: npt.NDArray[np.float64], seed: int) -> Rows:
    """Return the split of each run."""
    counts = np.zeros((run.max() + 1, len(SHAPES)))
    np.add.at(counts, (run, code), 1)
    total = counts.sum(axis=0)
    lacking = fractions[:, None] * total
    rarest = np.where(counts > 0, total, np.inf).argmin(axis=1)
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    side = np.empty(len(counts), np.int64)
    for r in shuffled[np.argsort(total[rarest[shuffled]], kind="stable")].tolist():
        most = lacking[:, rarest[r]]
        side[r] = max(range(3), key=lambda k: (most[k], lacking[k].sum()))
        lacking[side[r]] -= counts[r]
    return side


def _clear_of_others(
    owner: Rows, start: npt.NDArray[Any], end: npt.NDArray[Any], side: Rows
) -> npt.NDArray[np.bool_]:
    """Tell which windows meet no kept window of another split; they come sorted."""
    keep = np.empty(len(owner), bool)
    previous = -1
    reach = [-np.inf] * 3
    for i, (who, begin, stop, k) in enumerate(
        zip(owner.tolist(), start.tolist(), end.tolist(), side.tolist(), strict=True)
    ):
        if who != previous:
            reach, previous = [-np.inf] * 3, who
        keep[i] = all(begin > reach[other] for other in range(3) if other != k)
        if keep[i]:
            reach[k] = max(reach[k], stop)
    return keep
