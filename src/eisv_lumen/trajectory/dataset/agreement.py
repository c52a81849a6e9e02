"""How far the label of a window survives when only its last states are classified."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...expression.vocabulary import SHAPES
from ..series import Series
from ..windows import STRIDE, WINDOW, classify, count_windows

__all__ = ["LENGTHS", "PUBLISHED_AGREEMENT", "Agreement", "label_mismatch"]

LENGTHS: Final = (4, 8, 10, 15, 20)
PUBLISHED_AGREEMENT: Final = {4: 0.65, 8: 0.77, 10: 0.81, 15: 0.91, 20: 1.0}
"""Length to agreement, of the 21,449 published windows (`reference/eisv.md` §3)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Labels of the last `length` states against those of the whole windows.

    Attributes
    ----------
    length
        States classified.
    counts : ndarray, shape (9, 9), int64
        Windows by label of the whole (row) and of the last states (column).
    """

    length: int
    counts: npt.NDArray[np.int64]

    @property
    def agreement(self) -> float:
        """Share of windows with the same label, in [0, 1]."""
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def worst(self) -> tuple[str, str, int]:
        """The most frequent change of label: from, to, and how many windows (0 if none)."""
        changed = self.counts - np.diag(np.diag(self.counts))
        i, j = np.unravel_index(int(np.argmax(changed)), changed.shape)
        return SHAPES[i], SHAPES[j], int(changed[i, j])


def label_mismatch(
    series: Iterable[Series],
    lengths: Sequence[int] = LENGTHS,
    *,
    window: int = WINDOW,
    stride: int = STRIDE,
) -> list[Agreement]:
    """Compare the labels of the last k states of each window with the window's own.

    Parameters
    ----------
    series
        Those shorter than a window count for nothing.
    lengths
        Each k from 2 to `window`.
    window, stride
        As for `classify`.

    Raises
    ------
    InputError
        A length is out of range, or no series is long enough.
    """
    wrong = [k for k in lengths if not 2 <= k <= window]
    if wrong:
        raise InputError(f"length {wrong[0]}: use lengths from 2 to the window's {window}")
    counts = np.zeros((len(lengths), len(SHAPES), len(SHAPES)), np.int64)
    for s in series:
        n = count_windows(len(s), window, stride)
        if n == 0:
            continue
        drift = s.ethical_drift
        whole = classify(s.t, s.X, window=window, stride=stride, ethical_drift=drift)
        for row, k in zip(counts, lengths, strict=True):
            cut = slice(window - k, None)
            last = classify(
                s.t[cut],
                s.X[cut],
                window=k,
                stride=stride,
                ethical_drift=None if drift is None else drift[cut],
            )[:n]
            np.add.at(row, (whole, last), 1)
    if not counts.any():
        raise InputError(f"no series has the {window} states of a window")
    return [Agreement(k, row) for k, row in zip(lengths, counts, strict=True)]
