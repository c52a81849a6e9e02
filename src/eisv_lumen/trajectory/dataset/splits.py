"""Splits that share no state, stratified by shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...core.errors import InputError
from ...core.notices import notice
from ...eisv import EISV_DIMS
from ...expression.vocabulary import SHAPES

__all__ = ["SPLITS", "Splits", "owners", "split", "split_as_possible", "state_keys"]

SPLITS = ("train", "validation", "test")
FRACTIONS = (0.8, 0.1, 0.1)
_TWO = (0.8, 0.0, 0.2)
_RUNS = (10, 40, 160, 5, 3, 2, 1)
"""Windows of one series that are kept together, at most: each border between runs that go to
different splits costs a window or two, more where the stride is short. The first length that
leaves no split empty is taken: longer ones serve short strides, shorter ones short logs."""

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

    Windows of one owner (see `owners`) are taken to share states where their times
    [t_start, t_end] meet. The windows of an owner are cut into runs: at every gap between
    windows that do not meet, and after ten windows at most. Runs are dealt to the splits, those
    with the rarest shapes first, each to the split that lacks most of its rarest shape. Where
    neighbouring runs went to different splits, the windows of the later one that meet the
    earlier one are dropped. Where that leaves a split empty, runs of other lengths are tried.

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
    owner, start, end, code = owner[order], start[order], end[order], code[order]
    rows: list[Rows] = []
    keep = np.zeros(len(order), bool)
    for longest in _RUNS if len(order) else ():
        run = _runs(owner, start, end, longest)
        side = _deal(run, code, np.asarray(fractions), seed)[run]
        kept = _clear_of_others(owner, start, end, side)
        rows = [np.sort(order[kept & (side == k)]) for k in range(3)]
        keep[order] = kept
        if all(len(found) or not f for f, found in zip(fractions, rows, strict=True)):
            return Splits(rows[0], rows[1], rows[2], np.flatnonzero(~keep))
    wanted = [name for name, fraction in zip(SPLITS, fractions, strict=True) if fraction]
    found = dict(zip(SPLITS, rows, strict=False))
    name = next((name for name in wanted if not len(found.get(name, ()))), wanted[0])
    raise InputError(
        f"split {name!r} is empty: {table.num_rows} windows are too few, or they share "
        "states too closely; give more windows, or a longer stride"
    )


def split_as_possible(table: pa.Table, *, seed: int) -> Splits:
    """Split as `split` does, or where windows are too few for that, into train and test alone.

    Raises
    ------
    InputError
        There are not even two windows that share no state.

    Warns
    -----
    Notice
        There is no validation split.
    """
    try:
        return split(table, seed=seed)
    except InputError:
        pass
    try:
        found = split(table, seed=seed, fractions=_TWO)
    except InputError as error:
        raise InputError(
            f"{error}; or leave --split out: without splits all {table.num_rows} are written"
        ) from None
    notice(
        f"{table.num_rows} windows are too few for three splits that share no state: there is "
        f"train with {len(found.train)} and test with {len(found.test)}, and no validation"
    )
    return found


def owners(table: pa.Table) -> Rows:
    """Give each row the number of the series that its states belong to.

    Rows of one `source` and `agent` are of one owner. So are those of two names where at least
    half of the times that both have show equal states: a log that was renamed, or exported again,
    is the same log. Times count to the microsecond, values to the ninth decimal.

    Parameters
    ----------
    table
        With `source`, `agent`, `t`, `E`, `I`, `S` and `V`.

    Returns
    -------
    ndarray, shape (n,), int64
    """
    codes = [
        np.asarray(table[name].combine_chunks().dictionary_encode().indices.fill_null(-1))
        for name in ("source", "agent")
    ]
    pairs = np.stack(codes, axis=1).reshape(-1, 2)
    named = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
    if not len(named) or named.max() == 0:
        return named
    lengths = pc.list_value_length(table["t"]).to_numpy()
    who = np.repeat(named, lengths)
    time, state = state_keys(table)
    root = np.arange(named.max() + 1)
    for one, other in _same_series(who, time, state):
        low, high = sorted((root[one], root[other]))
        root[root == high] = low
    return np.unique(root[named], return_inverse=True)[1].reshape(-1)


def state_keys(table: pa.Table) -> tuple[Rows, npt.NDArray[np.uint64]]:
    """Return each state's time [µs] and a hash of time and values, over all windows in a row."""
    flat = (table[n].combine_chunks().flatten().to_numpy() for n in ("t", *EISV_DIMS))
    t, *values = flat
    time = np.rint(t * 1e6).astype(np.int64)
    key = time.astype(np.uint64)
    for column in values:
        # splitmix64: each bit of a value changes half of the bits of the key.
        key = (
            key + np.uint64(0x9E3779B97F4A7C15) + np.rint(column * 1e9).astype(np.int64).view("u8")
        )
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    return time, key


def _same_series(who: Rows, time: Rows, state: npt.NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Return the pairs of owners that show equal states at half of their common times or more."""
    order = np.lexsort((who, state))
    a, s = who[order], state[order]
    meet = (s[1:] == s[:-1]) & (a[1:] != a[:-1])
    pairs, shared = np.unique(np.stack([a[:-1][meet], a[1:][meet]]), axis=1, return_counts=True)
    by_owner = np.lexsort((time, who))
    starts = np.searchsorted(who[by_owner], np.arange(who.max() + 2))
    found = np.unique(pairs).tolist()
    times = {o: np.unique(time[by_owner[starts[o] : starts[o + 1]]]) for o in found}
    return [
        (one, other)
        for (one, other), n in zip(pairs.T.tolist(), shared.tolist(), strict=True)
        if 2 * n >= len(np.intersect1d(times[one], times[other], assume_unique=True))
    ]


def _runs(owner: Rows, start: npt.NDArray[Any], end: npt.NDArray[Any], longest: int) -> Rows:
    """Give each run a number; windows come sorted by owner and start."""
    out = np.empty(len(owner), np.int64)
    number, length, reach = -1, 0, -np.inf
    previous = -1
    for i, (who, begin, stop) in enumerate(
        zip(owner.tolist(), start.tolist(), end.tolist(), strict=True)
    ):
        if who != previous or begin > reach or length == longest:
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
