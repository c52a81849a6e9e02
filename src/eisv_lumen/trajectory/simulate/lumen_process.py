"""A stochastic process whose log resembles Lumen's, down to the thousandths it is written in.

Lumen's real states are not public; public are summaries of windows and the mix of their shapes
(`reference/eisv.md` §3). The process is a sequence of *episodes*, each in one of a few regimes: a
regime has its own rhythm of logging, its own levels, and its own way to move. The constants stand
in `lumen_like.json`; `tools/fit_lumen_like.py` wrote it, looking at one half of the summaries only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...eisv import anima_to_eisv
from ..rules.thresholds import DRIFT_LIMIT
from ..series import Series

__all__ = ["START", "constants", "lumen_like", "lumen_log"]

Floats = npt.NDArray[np.float64]
Constants = Mapping[str, Mapping[str, Any]]

START: Final = 1_735_689_600
"""First time of every run [s since the epoch]: 2025-01-01T00:00:00Z."""
_PLAIN: Final = (
    "jitter", "pair", "e_noise", "i_noise", "i_move", "s_noise", "v_noise",
    "s_on_e", "v_on_s", "v_pulse", "telegraph", "dip", "dip_tenth",
)  # fmt: skip


@cache
def constants() -> Constants:
    """Return the fitted constants: of each regime, and those that hold everywhere."""
    text = resources.files(__package__).joinpath("lumen_like.json").read_text(encoding="utf-8")
    table: Constants = json.loads(text)
    return table


def lumen_log(
    n_states: int, seed: int, table: Constants | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int16]]:
    """Run the process and return what it logs, in the log's own units.

    Parameters
    ----------
    n_states
        Number of states (≥ 1).
    seed
        Seed (≥ 0) of every draw.
    table
        Constants in place of `constants()`; for the fit.

    Returns
    -------
    interval : ndarray, shape (n_states,), int64
        Time since the state before [µs]; 0 for the first.
    anima : ndarray, shape (4, n_states), int16
        warmth, clarity, stability, presence [1/1000].

    Raises
    ------
    InputError
        `n_states` is less than 1, or the seed is negative.
    """
    from .lumen_kernel import walk

    if n_states < 1 or seed < 0:
        raise InputError(f"n_states={n_states}, seed={seed}: needs n_states ≥ 1 and seed ≥ 0")
    table = constants() if table is None else table
    rng = np.random.default_rng([seed, 0])
    everywhere = dict(table["everywhere"])
    length, episode = _episodes(n_states, rng, table["regimes"], everywhere.pop("noise_spread"))
    interval = np.empty(n_states, np.int64)
    anima = np.empty((4, n_states), np.int16)
    walk(rng, length, episode, interval, anima, **everywhere)
    return interval, anima


def lumen_like(
    n_states: int, seed: int, *, drift: bool = False, table: Constants | None = None
) -> Series:
    """Run the process and return its states.

    Parameters
    ----------
    n_states, seed, table
        As for `lumen_log`.
    drift
        Whether the states carry an ethical drift, independent of the four dimensions, which are
        the same with drift or without.

    Returns
    -------
    Series
        As read back from its log: anima states in whole thousandths, times in whole microseconds.

    Raises
    ------
    InputError
        As for `lumen_log`.
    """
    interval, anima = lumen_log(n_states, seed, table)
    return Series(
        t=(START * 10**6 + np.cumsum(interval)) / 1e6,
        X=anima_to_eisv((anima / 1e3).T),
        ethical_drift=_drift(n_states, np.random.default_rng([seed, 1])) if drift else None,
        source="lumen_like",
        agent="lumen_like",
    )


def _episodes(
    n_states: int, rng: np.random.Generator, regimes: Mapping[str, Any], noise_spread: float
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Draw the episodes of a log: their lengths [states], and a row of constants for each."""
    rows = list(regimes.values())

    def column(name: str) -> Floats:
        return np.array([row[name] for row in rows], dtype=np.float64)

    visits = column("share") / column("dwell")
    visits /= visits.sum()
    dwell = float(visits @ column("dwell"))
    kinds: list[npt.NDArray[np.int64]] = []
    lengths: list[npt.NDArray[np.int64]] = []
    left = n_states
    while left > 0:
        kind = rng.choice(len(rows), int(left / dwell) + 64, p=visits)
        length = 1 + rng.exponential(column("dwell")[kind]).astype(np.int64)
        kinds.append(kind)
        lengths.append(length)
        left -= int(length.sum())
    kind, length = np.concatenate(kinds), np.concatenate(lengths)
    n = int(np.searchsorted(np.cumsum(length), n_states)) + 1
    kind, length = kind[:n], length[:n]
    length[-1] -= int(length.sum()) - n_states

    level = [column(d)[kind, 0] + column(d)[kind, 1] * rng.standard_normal(n) for d in "EISV"]
    # The log is never early, only late: real durations have a sharp lower edge.
    pace = column("dt")[kind] * np.exp(column("dt_spread")[kind] * abs(rng.standard_normal(n)))
    plain = {name: column(name)[kind] for name in _PLAIN}
    for name in ("e_noise", "i_noise"):
        plain[name] = plain[name] * np.exp(noise_spread * rng.standard_normal(n))
    return length, np.column_stack([*level, pace, *plain.values()])


def _drift(n_states: int, rng: np.random.Generator) -> Floats:
    """Draw an ethical drift: a small positive nuisance, with excursions above the limit.

    The nuisance is the modulus of a Gaussian (as of a short vector); an excursion starts at about
    one state in 300, peaks between just above the limit and 0.8, and halves in a few states.
    """
    drift = np.abs(0.06 * rng.standard_normal(n_states))
    starts = np.flatnonzero(rng.random(n_states) < 1 / 300)
    peaks = DRIFT_LIMIT + 0.5 * rng.random(len(starts))
    decay = 0.5 + 0.45 * rng.random(len(starts))
    for j in range(20):
        at = np.minimum(starts + j, n_states - 1)
        np.maximum.at(drift, at, peaks * decay**j * (starts + j < n_states))
    return np.minimum(drift, 1.0)
