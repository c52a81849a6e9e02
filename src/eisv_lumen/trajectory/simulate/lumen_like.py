"""Windows of the Lumen-like process: balanced over the shapes, or as the study summarised them.

Beside them synthetic windows, summarised alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...expression.vocabulary import SHAPES
from ..series import Series, Windows, concatenate, windows_from_arrays
from ..windows import STRIDE, WINDOW, classify
from .anima_log import write_anima_db
from .lumen_process import constants, lumen_like, lumen_log
from .synthetic import generate

__all__ = [
    "abrupt_summaries",
    "balanced_summaries",
    "balanced_windows",
    "constants",
    "lumen_like",
    "lumen_log",
    "round_as_real",
    "summaries_like_real",
    "synthetic_summaries",
    "write_anima_db",
]

Floats = npt.NDArray[np.float64]
Cut = Callable[[npt.NDArray[np.int64]], Windows]

_RUN: Final = 1_000_000  # states a run in `balanced_windows`; bounds its memory
_MAX_RUNS: Final = 2_000
_PATIENCE: Final = 10  # runs after which a shape that was never seen is given up
_ABRUPT: Final = 0.5  # [1/s²], of a mean second derivative
_LAST: Final = 4  # states of a window that the study's evaluation summarised


def balanced_windows(
    n_per_shape: int, *, window: int = WINDOW, seed: int, drift: bool = True
) -> Windows:
    """Select windows of each shape from long runs of the process.

    The windows are cut without overlap, so no two share a state, and runs of different seeds are
    disjoint. The order is by shape, then as they came.

    Parameters
    ----------
    n_per_shape
        Windows of each shape (≥ 0).
    window
        States in a window (≥ 2).
    seed
        Seed (≥ 0); run i of it is `lumen_like` with the i-th seed spawned from it.
    drift
        Whether the states carry an ethical drift. Without it there are eight shapes: no
        drift_dissonance.

    Raises
    ------
    InputError
        The process does not make windows of that length in some shape.
    """
    wanted = [s for s, name in enumerate(SHAPES) if drift or name != "drift_dissonance"]
    missing = np.zeros(len(SHAPES), np.int64)
    missing[wanted] = n_per_shape
    if n_per_shape < 0 or seed < 0:
        raise InputError(f"n_per_shape={n_per_shape}, seed={seed}: neither may be negative")

    def run(run_seed: int) -> tuple[npt.NDArray[np.int8], Cut]:
        series = lumen_like(_RUN, run_seed, drift=drift)
        shape = classify(
            series.t, series.X, window=window, stride=window, ethical_drift=series.ethical_drift
        )
        return shape, lambda found: _windows_at(series, found * window, window)

    return _gather(missing, wanted, _run_seeds(seed, 3), run, window)


def summaries_like_real(n: int, seed: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """Summarise windows as the real ones of the study's evaluation are summarised.

    The last four states of windows of 20 states, drawn at random from a run cut with stride 10,
    in the natural mix of shapes; labelled by those four states.

    Parameters
    ----------
    n
        Number of windows.
    seed
        Seed (≥ 0).

    Returns
    -------
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`.
    summary : ndarray, shape (n, 14)
        Columns as in `SUMMARY_FIELDS`, rounded as in the file (`round_as_real`).

    Raises
    ------
    InputError
        `n` is less than 1, or the seed is negative.
    """
    if n < 1:
        raise InputError(f"n={n}: needs at least 1 window")
    windows = _last_states(lumen_like(STRIDE * (n - 1) + WINDOW, seed))
    order = np.random.default_rng([seed, 2]).permutation(n)
    return windows.shape[order], round_as_real(windows.summary[order])


def balanced_summaries(n: int, seed: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """Summarise windows as `summaries_like_real` does, of each shape as many.

    Parameters
    ----------
    n
        Number of windows; the eight shapes that a window without drift can have get n / 8 each, the
        first of them one more where that is no whole number.
    seed
        Seed (≥ 0); no run of `summaries_like_real` or `balanced_windows` is ever among its own.

    Returns
    -------
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`, in blocks.
    summary : ndarray, shape (n, 14)
        As by `summaries_like_real`.

    Raises
    ------
    InputError
        `n` or the seed is negative, or there are too few windows of some shape.
    """
    _refuse_negative(n, seed)
    wanted = [code for code, name in enumerate(SHAPES) if name != "drift_dissonance"]
    missing = np.zeros(len(SHAPES), np.int64)
    missing[wanted] = n // len(wanted) + (np.arange(len(wanted)) < n % len(wanted))
    if n == 0:
        return np.empty(0, np.int8), np.empty((0, 14))

    def run(run_seed: int) -> tuple[npt.NDArray[np.int8], Cut]:
        windows = _last_states(lumen_like(_RUN, run_seed))
        return windows.shape, windows.take

    windows = _gather(missing, wanted, _run_seeds(seed, 4), run, _LAST)
    return windows.shape, round_as_real(windows.summary)


def abrupt_summaries(n: int, seed: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """Summarise windows as `summaries_like_real` does, but only those that hold an abrupt step.

    About one in twenty is such: states that follow one another at once give rates a hundred times
    the usual, where few windows show a reader what they mean.

    Parameters
    ----------
    n
        Number of windows.
    seed
        Seed (≥ 0); its runs are nobody else's.

    Returns
    -------
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`.
    summary : ndarray, shape (n, 14)
        As by `summaries_like_real`; some mean second derivative is beyond 0.5/s².

    Raises
    ------
    InputError
        `n` or the seed is negative.
    """
    _refuse_negative(n, seed)
    shape, summary = np.empty(0, np.int8), np.empty((0, 14))
    for run_seed in _run_seeds(seed, 5):
        if len(shape) >= n:
            break
        windows = _last_states(lumen_like(_RUN, run_seed))
        abrupt = (np.abs(windows.summary[:, 10:]) > _ABRUPT).any(1)
        shape = np.concatenate([shape, windows.shape[abrupt]])
        summary = np.concatenate([summary, windows.summary[abrupt]])
    return shape[:n], round_as_real(summary[:n])


def synthetic_summaries(n: int, seed: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """Summarise synthetic windows of four states as the real ones are summarised.

    Parameters
    ----------
    n
        Number of windows; each of the nine shapes gets n / 9, the first of them one more where that
        is no whole number.
    seed
        Seed (≥ 0).

    Returns
    -------
    shape : ndarray, shape (n,), int8
        Positions in `SHAPES`, in blocks.
    summary : ndarray, shape (n, 14)
        As by `summaries_like_real`.

    Raises
    ------
    InputError
        `n` or the seed is negative.
    """
    _refuse_negative(n, seed)
    counts = n // len(SHAPES) + (np.arange(len(SHAPES)) < n % len(SHAPES))
    seeds = np.random.SeedSequence(seed).generate_state(len(SHAPES))
    windows = concatenate(
        [
            generate(shape, int(count), window=_LAST, seed=int(own))
            for shape, count, own in zip(SHAPES, counts, seeds, strict=True)
        ]
    )
    return windows.shape, round_as_real(windows.summary)


def round_as_real(summary: Floats) -> Floats:
    """Round summaries as the real ones are: duration to 2 decimals, the others to 4."""
    rounded = np.round(summary, 4)
    rounded[:, 1] = np.round(summary[:, 1], 2)
    return rounded


def _refuse_negative(n: int, seed: int) -> None:
    if n < 0 or seed < 0:
        raise InputError(f"n={n}, seed={seed}: neither may be negative")


def _gather(
    missing: npt.NDArray[np.int64],
    wanted: list[int],
    seeds: list[int],
    run: Callable[[int], tuple[npt.NDArray[np.int8], Cut]],
    window: int,
) -> Windows:
    """Take as many windows of each shape as are missing (9,) from runs, the first that come.

    `run` gives of a seed its windows' shapes, and what cuts those at given places.
    """
    asked, missing = missing, missing.copy()
    kept: list[list[Windows]] = [[] for _ in SHAPES]
    for number, seed in enumerate(seeds):
        never_seen = (missing == asked)[asked > 0]
        if not missing.any() or (number == _PATIENCE and never_seen.any()):
            break
        shape, cut = run(seed)
        for code in np.flatnonzero(missing):
            found = np.flatnonzero(shape == code)[: missing[code]]
            missing[code] -= len(found)
            kept[code].append(cut(found))
    if missing.any():
        lacking = ", ".join(SHAPES[code] for code in np.flatnonzero(missing))
        raise InputError(
            f"window={window}: long runs of the process hold too few windows of {lacking}; take "
            "a window nearer to 20 states, or fewer a shape"
        )
    return concatenate([part for code in wanted for part in kept[code]])


def _last_states(series: Series) -> Windows:
    starts = np.arange(WINDOW - _LAST, len(series) - _LAST + 1, STRIDE)
    return _windows_at(series, starts, _LAST)


def _windows_at(series: Series, starts: npt.NDArray[np.int64], window: int) -> Windows:
    at = starts[:, None] + np.arange(window)
    drift = None if series.ethical_drift is None else series.ethical_drift[at]
    return windows_from_arrays(series.t[at], series.X[at], drift)


def _run_seeds(seed: int, purpose: int) -> list[int]:
    """Seeds of the runs of one seed: 128 bits each, so that no two runs are ever the same."""
    spawned = np.random.SeedSequence([seed, purpose]).spawn(_MAX_RUNS)
    return [int.from_bytes(s.generate_state(4).tobytes(), "little") for s in spawned]
