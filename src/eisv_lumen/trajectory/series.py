"""The two nouns of Layer 1: a series of states, and windows cut from series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from .windows import STRIDE, WINDOW, classify, label_each, summarize

__all__ = ["Series", "Windows", "concatenate", "cut", "windows_from_arrays"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """The states of one agent in the order of time.

    Attributes
    ----------
    t : ndarray, shape (N,)
        Times [s since the epoch], not decreasing.
    X : ndarray, shape (N, 4)
        E, I, S, V.
    ethical_drift : ndarray, shape (N,), or None
        Drift of each state; None where the source has none.
    source, agent
        Where it comes from (`anima`, `governance`, `synthetic`, `lumen_like`, …), and whose it is.
    """

    t: Floats
    X: Floats
    ethical_drift: Floats | None = None
    source: str = ""
    agent: str = ""

    def __len__(self) -> int:
        return len(self.t)


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of one length, in columns; row i of each array is window i.

    Attributes
    ----------
    t : ndarray, shape (n, w)
        Times [s since the epoch].
    X : ndarray, shape (n, w, 4)
        E, I, S, V.
    ethical_drift : ndarray, shape (n, w)
        0 where the source has none.
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`.
    summary : ndarray, shape (n, 14)
        Columns as in `SUMMARY_FIELDS`.
    """

    t: Floats
    X: Floats
    ethical_drift: Floats
    shape: npt.NDArray[np.int8]
    summary: Floats

    def __len__(self) -> int:
        return len(self.shape)

    def take(self, index: npt.ArrayLike) -> Windows:
        """Return the windows at `index` (positions, a mask or a slice), in that order."""
        i = index if isinstance(index, slice) else np.asarray(index)
        return Windows(*(getattr(self, field.name)[i] for field in fields(self)))


def cut(series: Series, window: int = WINDOW, stride: int = STRIDE) -> Windows:
    """Cut a series into windows.

    Raises
    ------
    InputError
        As for `classify`.
    """
    t, X, drift = series.t, series.X, series.ethical_drift
    shape = classify(t, X, window=window, stride=stride, ethical_drift=drift)

    def view(column: Floats) -> Floats:
        cuts = np.lib.stride_tricks.sliding_window_view(column, window, axis=0)[::stride]
        return np.ascontiguousarray(np.moveaxis(cuts, -1, 1))

    return Windows(
        t=view(t),
        X=view(X),
        ethical_drift=np.zeros((len(shape), window)) if drift is None else view(drift),
        shape=shape,
        summary=summarize(t, X, window=window, stride=stride),
    )


def windows_from_arrays(t: Floats, X: Floats, ethical_drift: Floats | None = None) -> Windows:
    """Classify and summarise windows that do not come from one series.

    Parameters
    ----------
    t : ndarray, shape (n, w)
    X : ndarray, shape (n, w, 4)
    ethical_drift : ndarray, shape (n, w), optional

    Raises
    ------
    InputError
        As for `classify`, and the message names the window.
    """
    drift = np.zeros_like(t) if ethical_drift is None else ethical_drift
    return Windows(t, X, drift, *label_each(t, X, drift))


def concatenate(parts: Sequence[Windows]) -> Windows:
    """Put windows of one length one after the other."""
    return Windows(
        *(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Windows))
    )
