"""Idealised windows of each shape, as in the study: evenly spaced, one movement, little noise.

Every state keeps to its range, so a shape defined by a mean rate can be had only while the
movement it needs fits into that range; where it does not, `generate` says so and states the limit.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from ...expression.shapes import ENTRIES, Movement
from ...expression.vocabulary import shape_code
from ..rules.thresholds import DRIFT_LIMIT, RATE_LIMIT, limit
from ..series import Windows, concatenate, windows_from_arrays
from ..windows import WINDOW

__all__ = ["SPACING", "generate", "spacing_limit"]

Floats = npt.NDArray[np.float64]

_ENTRIES: Final = {entry.name: entry for entry in ENTRIES}
SPACING: Final = {entry.name: entry.spacing for entry in ENTRIES}
"""Spacing [s] of each shape in the study, where a window has 20 states."""

_SPACING_MIN, _SPACING_MAX = 1e-6, 1e7  # [s]; outside it rates drown in rounding
_I, _S, _V = 1, 2, 3
_ROUNDS: Final = 50
_SQUEEZE: Final = 0.855  # of the limit: as the study's falling_energy, .18 s of .2105 s


def spacing_limit(shape: str, window: int = WINDOW, v_max: float = 1.0) -> float:
    """Return the spacing [s] that evenly spaced windows of a shape must stay below.

    The mean rate of evenly spaced states is their net change over the duration. It has to pass
    0.05/s within a range of 1 (S), of `v_max` (V), or of less than 0.2 (E; else the window is a
    basin transition).

    Examples
    --------
    >>> round(spacing_limit("falling_energy"), 4), spacing_limit("settled_presence")
    (0.2105, inf)
    """
    moves = _ENTRIES[shape].movement
    if not moves.rate:
        return math.inf
    room = limit(moves.most) if moves.most is not None else _top(moves, v_max)
    return room / (limit(moves.rate) * (window - 1))


def generate(
    shape: str,
    n: int,
    *,
    window: int = WINDOW,
    spacing: float | None = None,
    v_max: float = 1.0,
    seed: int,
) -> Windows:
    """Generate windows of one shape.

    Parameters
    ----------
    shape
        One of `SHAPES`.
    n
        Number of windows (≥ 0).
    window
        States in a window (≥ 2).
    spacing
        Time between states [s]. Where it is not given: as in the study (`SPACING`), or closer
        where the window is too long for that.
    v_max
        V stays in [0, v_max], v_max in (0, 1]; recipe v7 of the study takes 0.3.
    seed
        Seed (≥ 0) of all draws.

    Returns
    -------
    Windows
        All of the asked shape by the rules; times start at 0.

    Raises
    ------
    InputError
        An argument is out of range, or the shape cannot be had at that length and spacing; the
        message states the limit.
    UnknownNameError
        `shape` is none of `SHAPES`.
    """
    code = shape_code(shape)
    if spacing is None:
        spacing = min(SPACING[shape], _SQUEEZE * spacing_limit(shape, max(window, 2), v_max))
    _require_feasible(shape, n, window, spacing, v_max, seed)
    rng = np.random.default_rng(seed)
    kept: list[Windows] = [_draw(shape, 0, window, spacing, v_max, rng)]
    missing = n
    for _ in range(_ROUNDS):
        if missing == 0:
            return concatenate(kept)
        drawn = _draw(shape, missing + 8, window, spacing, v_max, rng)
        good = np.flatnonzero(drawn.shape == code)[:missing]
        kept.append(drawn.take(good))
        missing -= len(good)
    raise InputError(
        f"{shape}: {missing} of {n} windows of {window} states {spacing} s apart could not be "
        f"drawn; the spacing is too near its limit of {spacing_limit(shape, window, v_max):.6g} s"
    )


def _require_feasible(
    shape: str, n: int, window: int, spacing: float, v_max: float, seed: int
) -> None:
    least = _ENTRIES[shape].least_states
    if window < least:
        raise InputError(f"window={window}: {shape} needs at least {least} states")
    if n < 0 or seed < 0:
        raise InputError(f"n={n}, seed={seed}: neither may be negative")
    if not 0.0 < v_max <= 1.0:
        raise InputError(f"v_max={v_max}: V needs a range (0, v_max] with v_max at most 1")
    if not _SPACING_MIN <= spacing <= _SPACING_MAX:
        raise InputError(
            f"spacing={spacing}: must be between {_SPACING_MIN:g} and {_SPACING_MAX:g} s"
        )
    longest = spacing_limit(shape, window, v_max)
    # Within a rounding error of the limit the mean rate is decided by rounding.
    if spacing >= longest * (1 - 1e-9):
        rate = limit(_ENTRIES[shape].movement.rate)
        needed, room = (rate * (window - 1) * gap for gap in (spacing, longest))
        raise InputError(
            f"spacing={spacing}: {shape} over {window} states needs a change of more than "
            f"{needed:.4g} within a range of {room:.4g}; take a spacing below {longest:.6g} s"
        )


def _draw(
    shape: str, n: int, window: int, spacing: float, v_max: float, rng: np.random.Generator
) -> Windows:
    """Draw `n` candidates, as the shape's `Movement` says."""
    moves = _ENTRIES[shape].movement
    calm = {"settle": _settled, "approach": _convergence}.get(moves.kind)
    low = np.array([0.25, 0.45, 0.10, 0.15 * v_max])
    high = np.array([0.75, 0.90, 0.45, 0.85 * v_max])
    level = rng.uniform(low, high, (n, 4))[:, None, :]
    if calm is not None:
        X = calm(level, window, spacing, v_max, rng)
    else:
        X = level + _noise((n, window, 4), rng) * [1, 1, 1, v_max]
    drift = np.minimum(np.abs(0.05 * rng.standard_normal((n, window))), 0.9 * DRIFT_LIMIT)
    if moves.kind in ("rise", "fall"):
        top = _top(moves, v_max)
        least = limit(moves.rate) * (spacing * (window - 1)) if moves.rate else limit(moves.least)
        most = min(top, least + 0.3) if moves.most is None else limit(moves.most)
        path = _rise(n, window, least, most, top, rng)
        X[:, :, EISV_DIMS.index(moves.dim)] = path if moves.kind == "rise" else top - path
    elif moves.kind == "bump":
        assert moves.most is not None
        X[:, :, EISV_DIMS.index(moves.dim)] += _bump(
            n, window, limit(moves.least) + 0.1, limit(moves.most), rng
        )
    elif moves.kind == "drift":
        at, height = rng.integers(0, window, n), rng.uniform(DRIFT_LIMIT + 0.02, 0.9, n)
        k = np.arange(window)
        bump = height[:, None] * np.exp(-np.abs(k - at[:, None]) / rng.uniform(1, 4, (n, 1)))
        drift = np.maximum(drift, bump)
    t = np.tile(spacing * np.arange(window, dtype=np.float64), (n, 1))
    return windows_from_arrays(t, np.clip(X, 0.0, [1.0, 1.0, 1.0, v_max]), drift)


def _top(moves: Movement, v_max: float) -> float:
    """Return the top of the range of the dimension that moves."""
    return v_max if moves.dim == "V" else 1.0


def _noise(size: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    """Noise that ends where it begins: no mean rate, however short the spacing."""
    z = 0.01 * rng.uniform(-1, 1, size)
    ramp = np.linspace(0, 1, size[1])[:, None]
    return z - (1 - ramp) * z[:, :1] - ramp * z[:, -1:]


def _rise(
    n: int, window: int, least: float, most: float, top: float, rng: np.random.Generator
) -> Floats:
    """Rise steadily, by more than `least` and less than `most`, within [0, top]; (n, window)."""
    change = least + (most - least) * rng.uniform(0.05, 0.95, n)
    steps = rng.uniform(0.5, 1.5, (n, window - 1))
    path = np.zeros((n, window))
    np.cumsum(steps, axis=1, out=path[:, 1:])
    path *= (change / path[:, -1])[:, None]
    return path + ((top - change) * rng.uniform(0, 1, n))[:, None]


def _bump(n: int, window: int, least: float, most: float, rng: np.random.Generator) -> Floats:
    """Rise to a peak that is neither the first nor the last state, and recover; (n, window)."""
    peak = rng.integers(1, window - 1, n)[:, None]
    height = rng.uniform(least, most, (n, 1))
    width = rng.uniform(0.3, 0.7, (n, 1))  # [states]; narrow, so that it recovers in any window
    bump: Floats = height * np.exp(-np.abs(np.arange(window) - peak) / width)
    return bump


def _settled(
    level: Floats, window: int, spacing: float, v_max: float, rng: np.random.Generator
) -> Floats:
    """Stay where it is, with a step of I too fast to be a convergence.

    I stands in no rule but that of convergence. Where even its whole range is too slow, only a
    window that does not move at all is settled.
    """
    n = len(level)
    fast = RATE_LIMIT * spacing
    if fast > 0.9 and window > 2:
        return np.repeat(level, window, axis=1)
    X = level + _noise((n, window, 4), rng) * [1, 1, 1, v_max]
    size = fast + (0.95 - fast) * rng.uniform(0.05, 0.35, n)
    after = np.arange(window) >= rng.integers(1, window, n)[:, None]
    up = rng.random(n) < 0.5
    first = rng.uniform(0, 1, n) * (1 - size)
    X[:, :, _I] = np.where(after == up[:, None], (first + size)[:, None], first[:, None])
    return X


def _convergence(
    level: Floats, window: int, spacing: float, v_max: float, rng: np.random.Generator
) -> Floats:
    """Approach the level ever more slowly: x_k = level + distance · decay^k.

    The first step, distance · (1 − decay), is the fastest and bends most: at most (1 − decay)
    times itself over the spacing squared.
    """
    n = len(level)
    decay = rng.uniform(0.6, 0.9, (n, 1, 1))
    most = min(0.9 * RATE_LIMIT * spacing, 0.9 * RATE_LIMIT * spacing**2)
    distance = np.minimum(0.15, most / (1 - decay)) * rng.uniform(0.3, 1.0, (n, 1, 4))
    distance[:, :, _S] = np.minimum(distance[:, :, _S], 0.1)
    distance[:, :, _V] = np.minimum(distance[:, :, _V], 0.15 * v_max)
    sign = np.where(rng.random((n, 1, 4)) < 0.5, -1.0, 1.0)
    return level + sign * distance * decay ** np.arange(window)[:, None]
