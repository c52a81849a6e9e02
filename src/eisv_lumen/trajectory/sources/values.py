"""Readings that are none: sentinels, percent, and how much may be clamped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from .options import FEW, ReadOptions

__all__ = ["ANYWHERE", "GOVERNANCE", "check_share", "readings"]

Floats = npt.NDArray[np.float64]

ANYWHERE: Final = dict.fromkeys(EISV_DIMS, (0.0, 1.0))
GOVERNANCE: Final = {**ANYWHERE, "S": (0.0, 2.0), "V": (-2.0, 2.0)}
"""Range of each dimension; the governance equations leave [0, 1] with S and V (eisv.md §1)."""
_SLACK: Final = 0.5
"""How far beyond its range a value may lie and still be a measurement that overshot."""


def readings(
    X: Floats,
    where: Callable[[int], str],
    options: ReadOptions,
    ranges: Mapping[str, tuple[float, float]] = ANYWHERE,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return states scaled as `options` says, and which rows hold a reading at all.

    Parameters
    ----------
    X : ndarray, shape (N, 4)
        As they stand in the source.
    where
        Names the place of row i for a message.
    options
        `missing`, `scale`, `clamp`.
    ranges
        Of each dimension, what its source may report.

    Returns
    -------
    X : ndarray, shape (N, 4)
        Not clamped yet.
    present : ndarray of bool, shape (N,)
        False where a value is one of `missing`.

    Raises
    ------
    InputError
        Values lie so far outside that they are a sentinel or another scale.
    """
    present = np.ones(len(X), bool)
    for value in options.missing:
        present &= ~(X == value).any(axis=1)
    if options.scale is not None:
        X = X / options.scale
    if options.clamp or not len(X):
        return X, present
    low = np.array([ranges[dim][0] for dim in EISV_DIMS]) - _SLACK
    high = np.array([ranges[dim][1] for dim in EISV_DIMS]) + _SLACK
    outside = ((X < low) | (X > high)) & present[:, None]
    if outside.any():
        _refuse(X, outside, present, where)
    return X, present


def _refuse(
    X: Floats,
    outside: npt.NDArray[np.bool_],
    present: npt.NDArray[np.bool_],
    where: Callable[[int], str],
) -> None:
    row, column = (int(k) for k in np.argwhere(outside)[0])
    values = np.unique(X[outside])
    share = outside.sum() / X.size
    first = f"{where(row)}: {EISV_DIMS[column]} is {X[row, column]:g}, outside [0, 1]"
    most = float(X[present].max())
    if len(values) <= 3 and share < 0.5:
        shown = " ".join(f"--missing {value:g}" for value in values.tolist())
        raise InputError(f"{first}; if that stands for a failed reading, say {shown}")
    if float(X[present].min()) >= -_SLACK and most <= 255.5:
        scale = 100 if most <= 100.5 else 255
        raise InputError(f"{first}; if readings go from 0 to {scale}, say --scale {scale}")
    raise InputError(
        f"{first} (values from {X[present].min():g} to {most:g}); say --scale N or --missing "
        "VALUE, or --clamp to clamp them all the same"
    )


def check_share(clamped: int, values: int, place: str, options: ReadOptions) -> None:
    """Refuse to clamp more values than are a few that overshot.

    Raises
    ------
    InputError
        More than `options.share` of the values were clamped.
    """
    if not options.clamp and clamped >= FEW and clamped > options.share * values:
        raise InputError(
            f"{place}: {clamped:,} of {values:,} values lie outside [0, 1], more than "
            f"{options.share:.0%}; say --scale N if they have another scale, or --clamp to clamp "
            "them all the same"
        )
