"""Windows of a series: how many there are, their shapes and their summaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..eisv import EISV_DIMS
from .validation import series_arrays

__all__ = [
    "STRIDE",
    "SUMMARY_FIELDS",
    "WINDOW",
    "classify",
    "classify_stream",
    "count_windows",
    "label_each",
    "summarize",
]

WINDOW: Final = 20
STRIDE: Final = 10

SUMMARY_FIELDS: Final = (
    "n_states", "duration",
    "mean_E", "mean_I", "mean_S", "mean_V",
    "dE", "dI", "dS", "dV",
    "d2E", "d2I", "d2S", "d2V",
)  # fmt: skip
"""Columns of `summarize`: [1], [s], [1], [1/s], [1/s²]."""

Floats = npt.NDArray[np.float64]

_PART = 16_384
"""States in a part of a row-major series: its columns fit the second-level cache."""


def count_windows(n_states: int, window: int = WINDOW, stride: int = STRIDE) -> int:
    """Return the number of whole windows in a series of `n_states` states.

    Raises
    ------
    InputError
        The window or the stride is no whole number, or too small.

    Examples
    --------
    >>> count_windows(214_503)
    21449
    """
    for name, value in (("window", window), ("stride", stride)):
        if not isinstance(value, int | np.integer):
            raise InputError(f"{name}={value!r}: give a whole number of states")
    if window < 2 or stride < 1:
        raise InputError(
            f"window={window}, stride={stride}: a window needs at least 2 states, a stride 1"
        )
    return max(0, (n_states - window) // stride + 1)


def classify(
    t: npt.ArrayLike,
    X: npt.ArrayLike,
    *,
    window: int = WINDOW,
    stride: int = STRIDE,
    ethical_drift: npt.ArrayLike | None = None,
) -> npt.NDArray[np.int8]:
    """Classify each window of a series by the rules (`reference/eisv.md` §3).

    Parameters
    ----------
    t : array_like, shape (N,)
        Times [s], not decreasing; or datetime64, whose naive times are UTC.
    X : array_like, shape (N, 4)
        E, I, S, V, finite. Column-major (or transposed from four rows) is the fastest layout. Of a
        data frame, the columns of these names are taken, whatever their order.
    window, stride
        States in a window (≥ 2), and from one window's start to the next's (≥ 1).
    ethical_drift : array_like, shape (N,), optional
        Drift of each state; counts as 0 where it is not given.

    Returns
    -------
    ndarray, shape (n_windows,), int8
        Positions in `SHAPES`.

    Raises
    ------
    InputError
        Time decreases or is not in seconds, a value is not finite, a column is missing, lengths
        differ, or the window is longer than the series. The message names the row.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(20.0)
    >>> X = np.tile([0.4, 0.8, 0.1, 0.03], (20, 1))
    >>> X[:, 0] += 0.3 * t / 19
    >>> from eisv_lumen import SHAPES
    >>> SHAPES[classify(t, X)[0]]
    'basin_transition_up'
    """
    return _classify(*series_arrays(t, X, ethical_drift), window, stride, 0)


def _classify(
    t: Floats, X: Floats, drift: Floats, window: int, stride: int, first_row: int
) -> npt.NDArray[np.int8]:
    from .rules.kernel import classify_kernel
    from .rules.thresholds import RULES, SCREEN

    out = np.empty(_require_windows(t.size, window, stride), np.int8)
    for part, rows in _parts(X, out.size, window, stride):
        E, I, S, V = map(np.ascontiguousarray, X[rows].T)
        done = classify_kernel(
            t[rows], E, I, S, V, drift[rows], window, stride, SCREEN, RULES, out[part]
        )
        if done < part.stop - part.start:
            raise _unusable(t, X, drift, rows.start + done * stride, first_row)
    # The kernel looks inside windows: here is what lies between them and behind the last.
    apart = 0 if stride >= window else (out.size - 1) * stride + window - 1
    if (t[apart + 1 :] < t[apart:-1]).any():
        raise _unusable(t, X, drift, apart, first_row)
    return out


def summarize(
    t: npt.ArrayLike, X: npt.ArrayLike, *, window: int = WINDOW, stride: int = STRIDE
) -> Floats:
    """Summarise each window by its length, duration, means and mean derivatives (§5).

    Parameters
    ----------
    t, X, window, stride
        As for `classify`.

    Returns
    -------
    ndarray, shape (n_windows, 14), float64
        Columns as in `SUMMARY_FIELDS`; a mean over no derivatives is 0.

    Raises
    ------
    InputError
        As for `classify`.
    """
    from .rules.kernel import N_SUMMARY, summary_kernel
    from .rules.thresholds import SCREEN

    time, states, drift = series_arrays(t, X, None)
    out = np.empty((_require_windows(time.size, window, stride), N_SUMMARY))
    for part, rows in _parts(states, len(out), window, stride):
        E, I, S, V = map(np.ascontiguousarray, states[rows].T)
        done = summary_kernel(time[rows], E, I, S, V, window, stride, SCREEN, out[part])
        if done < part.stop - part.start:
            raise _unusable(time, states, drift, rows.start + done * stride, 0)
    return out


def label_each(
    t: npt.ArrayLike, X: npt.ArrayLike, ethical_drift: npt.ArrayLike | None = None
) -> tuple[npt.NDArray[np.int8], Floats]:
    """Classify and summarise windows that do not come from one series.

    Parameters
    ----------
    t : array_like, shape (n, w)
        Times [s], not decreasing along a row.
    X : array_like, shape (n, w, 4)
        E, I, S, V, finite.
    ethical_drift : array_like, shape (n, w), optional
        Counts as 0 where it is not given.

    Returns
    -------
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`.
    summary : ndarray, shape (n, 14), float64
        Columns as in `SUMMARY_FIELDS`.

    Raises
    ------
    InputError
        As for `classify`; the message names the window, too.
    """
    from .rules.kernel import N_SUMMARY, label_kernel
    from .rules.thresholds import RULES, SCREEN

    time = np.ascontiguousarray(t, dtype=np.float64)
    states = np.ascontiguousarray(X, dtype=np.float64)
    drift = (
        np.zeros_like(time)
        if ethical_drift is None
        else np.ascontiguousarray(ethical_drift, dtype=np.float64)
    )
    n, window = time.shape
    if states.shape != (n, window, 4) or drift.shape != time.shape:
        raise InputError(
            f"t {time.shape}, X {states.shape}, ethical_drift {drift.shape}: they must be "
            "(n, w), (n, w, 4) and (n, w)"
        )
    count_windows(window, window, window)
    shape = np.empty(n, np.int8)
    summary = np.empty((n, N_SUMMARY))
    done = label_kernel(time, states, drift, SCREEN, RULES, shape, summary)
    if done < n:
        error = _unusable(time[done], states[done], drift[done], 0, 0)
        raise InputError(f"window {done}, {error}")
    return shape, summary


def classify_stream(
    batches: Iterable[tuple[Floats, Floats, Floats | None]],
    *,
    window: int = WINDOW,
    stride: int = STRIDE,
) -> Iterator[npt.NDArray[np.int8]]:
    """Classify a series that arrives in batches, as if it had come in one piece.

    Parameters
    ----------
    batches
        (t, X, ethical_drift or None) of consecutive states, any lengths.
    window, stride
        As for `classify`.

    Yields
    ------
    ndarray, int8
        Codes of the windows that each batch completes. Memory is that of one batch and a window.

    Raises
    ------
    InputError
        As for `classify`; rows are counted from the start of the stream.
    """
    count_windows(0, window, stride)
    held: tuple[Floats, Floats, Floats] | None = None
    start = 0  # row of the stream at which `held` begins
    skip = 0  # rows to be dropped, where the stride is longer than the window
    last = -np.inf
    for batch in batches:
        row = start + (0 if held is None else held[0].size)
        t, X, drift = series_arrays(*batch, row)
        if t.size == 0:
            continue
        falls = np.diff(t, prepend=last) < 0
        if falls.any():
            i = int(np.argmax(falls))
            raise InputError(
                f"row {row + i}: time decreases from {t[i - 1] if i else last} to {t[i]}; "
                "sort the series by time"
            )
        last = t[-1]
        drift = drift if drift.size else np.zeros(t.size)
        if held is not None:
            t, drift = np.concatenate([held[0], t]), np.concatenate([held[2], drift])
            X = np.concatenate([held[1].T, X.T], axis=1).T
        dropped = min(skip, t.size)
        n = count_windows(t.size - dropped, window, stride)
        if n:
            yield _classify(
                t[dropped:], X[dropped:], drift[dropped:], window, stride, start + dropped
            )
        used = min(dropped + n * stride, t.size)
        skip += n * stride - used
        held = t[used:], X[used:], drift[used:]
        start += used


def _parts(X: Floats, n: int, window: int, stride: int) -> Iterator[tuple[slice, slice]]:
    """Windows and their rows, in one part, or in parts that fit the cache if X is row-major.

    The kernel wants columns; turning row-major states part by part is nearly free.
    """
    by_columns = X.strides[0] == X.itemsize
    step = n if by_columns else max(1, (_PART - window) // stride + 1)
    for first in range(0, n, step):
        stop = min(first + step, n)
        yield slice(first, stop), slice(first * stride, (stop - 1) * stride + window)


def _require_windows(n_states: int, window: int, stride: int) -> int:
    n = count_windows(n_states, window, stride)
    if n == 0:
        raise InputError(
            f"a window of {window} states is longer than the series of {n_states}: "
            "give more states or a shorter window"
        )
    return n


def _unusable(t: Floats, X: Floats, drift: Floats, start: int, first_row: int) -> InputError:
    """Name the first row from `start` on that cannot be used; t[0] is row `first_row`."""
    named = dict(zip(("t", *EISV_DIMS), (t, *X.T), strict=True))
    if drift.size:
        named["ethical_drift"] = drift
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.diff(t[start:], prepend=t[start])
    finite = np.logical_and.reduce([np.isfinite(c[start:]) for c in named.values()])
    i = start + int(np.argmax(~finite | ~(gap >= 0) | np.isinf(gap)))
    if finite[i - start] and i > start and t[i] < t[i - 1]:
        return InputError(
            f"row {first_row + i}: time decreases from {t[i - 1]} to {t[i]}; "
            "sort the series by time"
        )
    values = ", ".join(f"{name}={column[i]}" for name, column in named.items())
    return InputError(f"row {first_row + i}: not finite ({values}); drop or mend that row")
