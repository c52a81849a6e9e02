"""Windows of a series: how many there are, their shapes and their summaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from ..eisv import EISV_DIMS
from ..errors import InputError

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


def count_windows(n_states: int, window: int = WINDOW, stride: int = STRIDE) -> int:
    """Return the number of whole windows in a series of `n_states` states.

    Examples
    --------
    >>> count_windows(214_503)
    21449
    """
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
    """Classify each window of a series by the nine rules (`reference/eisv.md` §3).

    Parameters
    ----------
    t : array_like, shape (N,)
        Times [s], not decreasing.
    X : array_like, shape (N, 4)
        E, I, S, V, finite. Column-major (or transposed from four rows) is read without a copy.
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
        Time decreases, a value is not finite, lengths differ, or the window is longer than the
        series. The message names the row.

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
    from .kernel import classify_kernel

    time, E, I, S, V, drift = _columns(t, X, ethical_drift)
    out = np.empty(_require_windows(time.size, window, stride), np.int8)
    done = classify_kernel(time, E, I, S, V, drift, window, stride, out)
    if done < out.size:
        raise _unusable(time, (E, I, S, V), drift, done * stride)
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
    from .kernel import N_SUMMARY, summary_kernel

    time, E, I, S, V, _ = _columns(t, X, None)
    out = np.empty((_require_windows(time.size, window, stride), N_SUMMARY))
    done = summary_kernel(time, E, I, S, V, window, stride, out)
    if done < len(out):
        raise _unusable(time, (E, I, S, V), np.empty(0), done * stride)
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
    from .kernel import N_SUMMARY, each_kernel

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
    done = each_kernel(time, states, drift, shape, summary)
    if done < n:
        error = _unusable(time[done], tuple(states[done].T), drift[done], 0)
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
    held: list[Floats] = []
    start = 0
    drop = 0
    for t, X, drift in batches:
        new = [np.asarray(t), *np.asarray(X).T, np.zeros(len(t)) if drift is None else drift]
        held = [np.concatenate(pair) for pair in zip(held, new, strict=True)] if held else new
        skip = min(drop, held[0].size)  # where the stride is longer than the window
        held, drop, start = [c[skip:] for c in held], drop - skip, start + skip
        n = count_windows(held[0].size, window, stride)
        if n == 0:
            continue
        try:
            yield classify(
                held[0],
                np.stack(held[1:5]).T,
                window=window,
                stride=stride,
                ethical_drift=held[5],
            )
        except InputError as error:
            raise InputError(f"batch starting at row {start}: {error}") from error
        used = min(n * stride, held[0].size)
        drop = n * stride - used
        held, start = [c[used:] for c in held], start + used


def _columns(
    t: npt.ArrayLike, X: npt.ArrayLike, drift: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    try:
        time = np.ascontiguousarray(t, dtype=np.float64)
        states = np.asarray(X, dtype=np.float64)
        d = np.empty(0) if drift is None else np.ascontiguousarray(drift, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"t, X and ethical_drift must be numbers: {error}") from error
    if time.ndim != 1 or states.shape != (time.size, 4):
        raise InputError(
            f"t has shape {time.shape} and X {states.shape}: they must be (N,) and (N, 4), the "
            f"columns {', '.join(EISV_DIMS)}"
        )
    if drift is not None:
        if d.shape != time.shape:
            raise InputError(f"ethical_drift has shape {d.shape}: it must be {time.shape} like t")
    E, I, S, V = (np.ascontiguousarray(states[:, j]) for j in range(4))
    return time, E, I, S, V, d


def _require_windows(n_states: int, window: int, stride: int) -> int:
    n = count_windows(n_states, window, stride)
    if n == 0:
        raise InputError(
            f"a window of {window} states is longer than the series of {n_states}: "
            "give more states or a shorter window"
        )
    return n


def _unusable(t: Floats, columns: tuple[Floats, ...], drift: Floats, start: int) -> InputError:
    """Name the first row from `start` on that the kernel could not use."""
    named = dict(zip(("t", *EISV_DIMS), (t, *columns), strict=True))
    if drift.size:
        named["ethical_drift"] = drift
    finite = np.logical_and.reduce([np.isfinite(c[start:]) for c in named.values()])
    decreasing = np.diff(t[start:], prepend=t[start]) < 0
    row = start + int(np.argmax(~finite | decreasing))
    if finite[row - start]:
        return InputError(
            f"row {row}: time decreases from {t[row - 1]} to {t[row]}; sort the series by time"
        )
    values = ", ".join(f"{name}={column[row]}" for name, column in named.items())
    return InputError(f"row {row}: not finite ({values}); drop or mend that row")
