"""The four dimensions of a state, their ranges, and Lumen's anima state beside them.

A state is four numbers in the order of `EISV_DIMS`, each in [0, 1] (`reference/eisv.md` §1).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["ANIMA_DIMS", "EISV_DIMS", "EISV_NAMES", "V_MAX", "anima_to_eisv", "eisv_to_anima"]

EISV_DIMS: Final = ("E", "I", "S", "V")
EISV_NAMES: Final = ("Energy", "Information integrity", "Entropy", "Void")
ANIMA_DIMS: Final = ("warmth", "clarity", "stability", "presence")
V_MAX: Final = 0.3
"""Void of an absent presence: V of a sane state stays in [0, V_MAX]."""


def anima_to_eisv(anima: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Map Lumen's anima states to EISV states.

    Parameters
    ----------
    anima : array_like, shape (..., 4)
        warmth, clarity, stability, presence; nominally in [0, 1].

    Returns
    -------
    ndarray, shape (..., 4), float64
        E = warmth, I = clarity, S = 1 − stability, V = (1 − presence) · 0.3, clamped to [0, 1].

    Examples
    --------
    >>> anima_to_eisv([0.4, 0.9, 0.75, 0.5]).tolist()
    [0.4, 0.9, 0.25, 0.15]
    """
    a = np.asarray(anima, dtype=np.float64)
    x = np.empty_like(a)
    x[..., :2] = a[..., :2]
    x[..., 2] = 1.0 - a[..., 2]
    x[..., 3] = (1.0 - a[..., 3]) * V_MAX
    return np.clip(x, 0.0, 1.0, out=x)


def eisv_to_anima(eisv: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Map EISV states back to anima states.

    Parameters
    ----------
    eisv : array_like, shape (..., 4)
        E, I, S, V, each in [0, 1].

    Returns
    -------
    ndarray, shape (..., 4), float64
        warmth = E, clarity = I, stability = 1 − S, presence = 1 − V / 0.3, clamped to [0, 1].

    Examples
    --------
    >>> eisv_to_anima([0.4, 0.9, 0.25, 0.15]).tolist()
    [0.4, 0.9, 0.75, 0.5]
    """
    x = np.asarray(eisv, dtype=np.float64)
    a = np.empty_like(x)
    a[..., :2] = x[..., :2]
    a[..., 2] = 1.0 - x[..., 2]
    a[..., 3] = 1.0 - x[..., 3] / V_MAX
    return np.clip(a, 0.0, 1.0, out=a)
