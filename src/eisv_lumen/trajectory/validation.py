"""What a caller hands over, as arrays: times in seconds, states by name, or refused."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..eisv import EISV_DIMS

__all__ = ["LATEST", "check_resolution", "check_seconds", "series_arrays"]

Floats = npt.NDArray[np.float64]

LATEST: Final = 1e11
"""[s] since the epoch, the year 5138: what is later was counted in a finer unit."""

_FINER: Final = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))


def series_arrays(
    t: npt.ArrayLike, X: npt.ArrayLike, drift: npt.ArrayLike | None, row: int = 0
) -> tuple[Floats, Floats, Floats]:
    """Return the columns of a series, checked for shape, type and unit of time.

    Parameters
    ----------
    t : array_like, shape (N,)
        Times [s], or datetime64, naive ones in UTC.
    X : array_like, shape (N, 4)
        E, I, S, V; of a data frame, the columns of these names.
    drift : array_like, shape (N,), or None
    row
        What messages call the first row.

    Returns
    -------
    t, X, drift : ndarray, shape (N,), (N, 4), (N,), float64
        drift is empty where it is not given.

    Raises
    ------
    InputError
        Something is no number, is missing, has another shape, or is no time in seconds.
    """
    try:
        time = _seconds(t)
        states = _states(X)
        d = np.empty(0) if drift is None else np.ascontiguousarray(drift, dtype=np.float64)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"t, X and ethical_drift must be numbers: {error}") from error
    if time.ndim != 1 or states.shape != (time.size, 4):
        raise InputError(
            f"t has shape {time.shape} and X {states.shape}: they must be (N,) and (N, 4), the "
            f"columns {', '.join(EISV_DIMS)}"
        )
    if drift is not None and d.shape != time.shape:
        raise InputError(f"ethical_drift has shape {d.shape}: it must be {time.shape} like t")
    for i in (0, -1) if time.size else ():  # in the order of time, all others lie between
        check_seconds(float(time[i]), f"row {row + i % time.size}")
    return time, states, d


def check_seconds(t: float, place: str) -> None:
    """Refuse a time that was counted in a finer unit than seconds.

    Raises
    ------
    InputError
        It lies beyond `LATEST`; the message names `place` and what to divide by.
    """
    if LATEST < abs(t) < np.inf:  # what is not finite is refused with its whole row
        unit, by = next((pair for pair in _FINER if abs(t) <= LATEST * pair[1]), _FINER[-1])
        raise InputError(f"{place}: t={t:g} is no time in seconds; divide {unit} by {by:.0f}")


def check_resolution(t: Floats, kind: type, what: str) -> None:
    """Refuse times in a type whose steps are too coarse for them, as float32 since the epoch.

    Parameters
    ----------
    t : ndarray, shape (N,)
        Times [s].
    kind
        The floating type that they were stored in.
    what
        What messages call them.

    Raises
    ------
    InputError
        The type cannot tell times a millisecond apart.
    """
    if kind is np.float64 or not t.size:
        return
    largest = float(np.abs(t).max())
    step = float(np.spacing(kind(largest))) if largest < np.finfo(kind).max else np.inf
    if step > 1e-3:
        raise InputError(
            f"{what} is {np.dtype(kind)}, which steps by {step:g} s at {largest:g}; store times as "
            "float64 or as timestamps"
        )


def _seconds(t: Any) -> Floats:
    zoned = str(getattr(t, "dtype", "")).startswith("datetime64[")  # pandas', with a time zone
    time = np.asarray(t, "datetime64[ns]") if zoned else np.asarray(t)
    if time.dtype.kind == "M":
        time = time - np.datetime64(0, "s")
    if time.dtype.kind == "m":
        time = time / np.timedelta64(1, "s")  # what is not a time becomes NaN
    if time.dtype in (np.float16, np.float32):
        check_resolution(time.astype(np.float64), time.dtype.type, "t")
    return np.ascontiguousarray(time, dtype=np.float64)


def _states(X: Any) -> Floats:
    """Return states in the order of `EISV_DIMS`, whatever the order of a data frame's columns."""
    names = getattr(X, "column_names", getattr(X, "columns", None))
    if names is None:
        return np.asarray(X, dtype=np.float64)
    known = list(names)
    for dim in EISV_DIMS:
        if dim not in known:
            raise InputError(
                f"X has no column {dim}; it has {', '.join(map(str, known)) or 'none'}: name them "
                f"{', '.join(EISV_DIMS)}, or give an array in that order"
            )
    return np.stack([np.asarray(X[dim], dtype=np.float64) for dim in EISV_DIMS]).T
