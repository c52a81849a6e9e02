"""Choosing windows: splits that share no state, and blends of real with synthetic windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import InputError
from ..expression.vocabulary import SHAPES, shape_code
from .series import Windows, concatenate
from .synthetic import generate

__all__ = ["SPLITS", "blend", "pick_per_shape", "split_table", "split_windows", "synthetic_windows"]

SPLITS: Final = {"train": 0.8, "validation": 0.1, "test": 0.1}
_BLOCKS: Final = 100

Index = npt.NDArray[np.intp]


def split_windows(
    owner: npt.ArrayLike,
    t_start: npt.ArrayLike,
    t_end: npt.ArrayLike,
    shape: npt.ArrayLike,
    *,
    seed: int,
    parts: Mapping[str, float] = SPLITS,
) -> tuple[dict[str, Index], Index]:
    """Split windows by shape, so that no two splits share a state.

    The windows of an owner, in the order of time, are cut into blocks of neighbours. Blocks are
    dealt out in a random order, each to the split that lacks its shapes most. A window that
    reaches in time into the next block of another split is left out.

    Parameters
    ----------
    owner : array_like, shape (n,)
        Whose states a window holds; windows of different owners share none.
    t_start, t_end : array_like, shape (n,)
        Times of the first and last state [s].
    shape : array_like, shape (n,)
        Positions in `SHAPES`.
    seed
        Seed of the deal.
    parts
        Name and share of each split.

    Returns
    -------
    splits : dict of ndarray
        Positions of the windows of each split, increasing.
    left_out : ndarray
        Positions of windows that no split may have.

    Raises
    ------
    InputError
        A split would be empty.
    """
    start, end = np.asarray(t_start, dtype=np.float64), np.asarray(t_end, dtype=np.float64)
    codes = np.asarray(shape, dtype=np.intp)
    _, own = np.unique(np.asarray(owner), return_inverse=True)
    order = np.lexsort((end, start, own))
    own, start, end = own[order], start[order], end[order]
    n = len(order)
    size = max(1, min(20, n // _BLOCKS))
    # A block ends after `size` windows, and where the owner changes.
    fresh = np.ones(n, bool)
    fresh[1:] = own[1:] != own[:-1]
    place = np.arange(n) - np.maximum.accumulate(np.where(fresh, np.arange(n), 0))
    block = np.cumsum(fresh | (place % size == 0)) - 1
    split_of_block = _deal(block, codes[order], np.array(list(parts.values())), seed)
    split = split_of_block[block]
    # A window reaches into another split if some window that starts within it belongs there.
    times, rank = np.unique(np.concatenate([start, end]), return_inverse=True)
    key = np.concatenate([own, own]) * times.size + rank  # sorts by owner, then by time
    later = np.searchsorted(key[:n], key[n:], side="right")
    change = np.flatnonzero(np.diff(split, prepend=split[:1]) != 0)
    next_change = np.append(change, n)[np.searchsorted(change, np.arange(n), side="right")]
    reaches = next_change < later
    splits = {
        name: np.sort(order[(split == k) & ~reaches]).astype(np.intp)
        for k, name in enumerate(parts)
    }
    for name, members in splits.items():
        if members.size == 0:
            raise InputError(
                f"split {name!r} would be empty: {n} windows are too few to share out "
                f"{', '.join(parts)}; give more states"
            )
    return splits, np.sort(order[reaches]).astype(np.intp)


def split_table(
    table: pa.Table, *, seed: int, parts: Mapping[str, float] = SPLITS
) -> tuple[dict[str, pa.Table], int]:
    """Split a table of windows as `split_windows` does; return splits and how many are left out.

    Raises
    ------
    InputError
        A split would be empty.
    """
    pairs = zip(table["source"].to_pylist(), table["agent"].to_pylist(), strict=True)
    splits, left_out = split_windows(
        [f"{source}\0{agent}" for source, agent in pairs],
        table["t_start"].to_numpy(),
        table["t_end"].to_numpy(),
        table["shape"].to_numpy(),
        seed=seed,
        parts=parts,
    )
    return {name: table.take(pa.array(index)) for name, index in splits.items()}, left_out.size


def pick_per_shape(windows: Windows, at_most: Mapping[str, int], seed: int) -> Windows:
    """Draw at most so many windows of each shape, without repetition, in the order of shapes."""
    rng = np.random.default_rng(seed)
    picked = []
    for code, shape in enumerate(SHAPES):
        members = np.flatnonzero(windows.shape == code)
        picked.append(rng.permutation(members)[: at_most.get(shape, 0)])
    return windows.take(np.concatenate(picked))


def per_shape_counts(per_shape: int, overrides: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return how many windows of each shape are wanted: `per_shape`, or its override.

    Raises
    ------
    UnknownNameError
        An override names no shape.
    """
    for shape in overrides or {}:
        shape_code(shape)
    return dict.fromkeys(SHAPES, per_shape) | dict(overrides or {})


def synthetic_windows(
    counts: Mapping[str, int], *, window: int, v_max: float = 1.0, seed: int
) -> Windows:
    """Return idealised windows, so many of each shape, in the order of shapes.

    Raises
    ------
    InputError
        As for `synthetic.generate`.
    """
    return concatenate(
        [
            generate(shape, counts.get(shape, 0), window=window, v_max=v_max, seed=seed + code)
            for code, shape in enumerate(SHAPES)
        ]
    )


def blend(
    real: Windows,
    counts: Mapping[str, int],
    real_per_shape: int,
    *,
    v_max: float = 1.0,
    seed: int,
) -> tuple[Windows, dict[str, int]]:
    """Blend real windows with synthetic ones.

    Parameters
    ----------
    real
        Windows to draw from; their length is that of the synthetic ones.
    counts
        How many windows of each shape are wanted in all.
    real_per_shape
        At most so many of a shape are real; synthetic ones fill up.
    v_max, seed
        As for `synthetic.generate`.

    Returns
    -------
    windows : Windows
        The real ones first, then the synthetic ones.
    real_counts : dict
        How many windows of each shape are real.
    """
    wanted = {shape: min(real_per_shape, counts.get(shape, 0)) for shape in SHAPES}
    picked = pick_per_shape(real, wanted, seed)
    found = np.bincount(picked.shape, minlength=len(SHAPES)).tolist()
    lacking = {s: counts.get(s, 0) - k for s, k in zip(SHAPES, found, strict=True)}
    window = real.t.shape[1]
    filled = synthetic_windows(lacking, window=window, v_max=v_max, seed=seed + len(SHAPES))
    return concatenate([picked, filled]), dict(zip(SHAPES, found, strict=True))


def _deal(
    block: npt.NDArray[np.intp], codes: npt.NDArray[np.intp], shares: npt.NDArray[np.float64],
    seed: int,
) -> npt.NDArray[np.intp]:  # fmt: skip
    """Give each block to the split that lacks its shapes most; rare shapes weigh more."""
    table = np.zeros((int(block[-1]) + 1, len(SHAPES)))
    np.add.at(table, (block, codes), 1.0)
    total = table.sum(0)
    weight = np.where(total > 0, 1.0 / np.maximum(total, 1.0), 0.0)
    lacking = shares[:, None] / shares.sum() * total
    chosen = np.empty(len(table), np.intp)
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(table))
    # Blocks with rare shapes first, so that there is still room to place them fairly.
    rarity = (table > 0).astype(np.float64) @ weight
    for b in shuffled[np.argsort(-rarity[shuffled], kind="stable")]:
        need = (lacking / np.maximum(shares[:, None] * total, 1e-12)) @ (table[b] * weight)
        chosen[b] = int(np.argmax(need))
        lacking[chosen[b]] -= table[b]
    return chosen
