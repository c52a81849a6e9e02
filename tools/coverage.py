"""How often the intervals hold the truth, by simulation: results/coverage.json.

Run from the repository: python -m tools.coverage [--runs 1000]. Every design that the package
reports an interval in is drawn many times from a distribution whose mean is known. Minutes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from eisv_lumen.core.files import write_json
from eisv_lumen.expression.intervals import (
    cluster_interval,
    crossed_interval,
    macro_interval,
    mean_interval,
)

GOAL = 0.94
RESAMPLES = 999
Rng = np.random.Generator
Draw = Callable[[Rng, int], tuple[tuple[float, float], float]]
SIZES = np.array([80, 60, 40, 30, 12, 7, 3, 2, 1])
STRATA = np.repeat(np.arange(9), SIZES)


def sizes_of(kind: str, rng: Rng, n: int) -> np.ndarray:
    """Draw the numbers of windows of articles."""
    if kind == "equal":
        return np.full(n, 30)
    if kind == "heavy tails":
        return np.maximum(3, (10 * (1 + rng.pareto(1.5, n))).astype(int))
    return np.maximum(3, rng.lognormal(3.3, 0.8, n).astype(int))


def articles(n: int, kind: str, *, paired: bool = False) -> Draw:
    """Windows share their article's luck; with `effect` a longer article has more."""
    effect = 0.3 if kind == "size goes with effect" else 0.0
    many = sizes_of(kind, np.random.default_rng(0), 2_000_000)
    truth = float((many * effect * np.log(many / 30)).sum() / many.sum())

    def draw(rng: Rng, seed: int) -> tuple[tuple[float, float], float]:
        size = sizes_of(kind, rng, n)
        code = np.repeat(np.arange(n), size)
        luck = rng.normal(0, 0.3, n) + effect * np.log(size / 30)
        x = luck[code] + rng.normal(0, 1, code.size)
        if paired:  # two models on the same windows, whose lucks are alike
            common = rng.normal(0, 1, n)[code]
            x = (x + common) - (common + rng.normal(0, 0.2, n)[code])
        return cluster_interval(x, code, n_resamples=RESAMPLES, seed=seed), truth

    return draw


def recall(n: int, p: float) -> Draw:
    """Draw a share over windows of articles, each with its own chance."""

    def draw(rng: Rng, seed: int) -> tuple[tuple[float, float], float]:
        size = sizes_of("equal", rng, n)
        code = np.repeat(np.arange(n), size)
        chance = rng.beta(20 * p, 20 * (1 - p), n)
        x = (rng.random(code.size) < chance[code]).astype(float)
        found = cluster_interval(x, code, bounds=(0, 1), n_resamples=RESAMPLES, seed=seed)
        return found, p

    return draw


def windows(n: int, kind: str) -> Draw:
    """Independent windows."""

    def draw(rng: Rng, seed: int) -> tuple[tuple[float, float], float]:
        bounds: tuple[float, float] | None = (0.0, 1.0)
        if kind == "excess nats":  # skewed, above 0
            x, truth, bounds = rng.exponential(1, n), 1.0, None
        elif kind == "excess nats, log-normal":
            x, truth, bounds = rng.lognormal(0, 1, n), math.exp(0.5), None
        elif kind == "paired difference":
            common = rng.exponential(1, n)
            x = common * rng.uniform(0.5, 1.5, n) - common
            truth, bounds = 0.0, None
        else:  # coherence of a cold speaker
            x, truth = rng.choice([0, 0.5, 1.0], n, p=[0.02, 0.03, 0.95]), 0.965
        return mean_interval(x, bounds=bounds, n_resamples=RESAMPLES, seed=seed), truth

    return draw


def share(n: int, p: float) -> Draw:
    """Draw a share of independent windows, at 0 or 1 now and then."""

    def draw(rng: Rng, seed: int) -> tuple[tuple[float, float], float]:
        return mean_interval((rng.random(n) < p) * 1.0, bounds=(0, 1), seed=seed), p

    return draw


def macro(kind: str) -> Draw:
    """Draw a mean over nine shapes of 1 to 80 windows."""
    step = STRATA / 10

    def draw(rng: Rng, seed: int) -> tuple[tuple[float, float], float]:
        n = STRATA.size
        if kind == "normal":
            x, truth = rng.normal(step, 1), 0.4
        elif kind == "unequal spread":
            x, truth = rng.normal(0, 1 + 3 * step), 0.0
        elif kind == "excess nats":
            x, truth = rng.exponential(1, n) * (1 + step), 1.4
        else:
            x, truth = rng.choice([0, 0.5, 1.0], n, p=[0.02, 0.08, 0.9]), 0.94
        return macro_interval(x, STRATA, bounds=(0, 1) if kind == "coherence" else None), truth

    return draw


def seeds(n: int, spread: float, *, clusters: int = 0, strata: bool = False) -> Draw:
    """Seeds crossed with windows (or articles, or shapes): seed, window and both matter."""

    def draw(rng: Rng, seed: int) -> tuple[tuple[float, float], float]:
        code = np.repeat(np.arange(clusters), 30) if clusters else None
        m = 125 if code is None else code.size
        m = STRATA.size if strata else m
        luck = rng.normal(0, 1, m) if code is None else rng.normal(0, 0.5, clusters)[code]
        x = rng.normal(0, spread, (n, 1)) + luck + rng.normal(0, 0.5, (n, m))
        return crossed_interval(x, clusters=code, strata=STRATA if strata else None), 0.0

    return draw


def designs() -> dict[str, Draw]:
    """Return every design by name."""
    found: dict[str, Draw] = {}
    for n in (8, 10, 12, 18):
        for kind in ("equal", "log-normal", "heavy tails", "size goes with effect"):
            found[f"{n} articles, {kind}"] = articles(n, kind)
        found[f"{n} articles, paired difference"] = articles(n, "log-normal", paired=True)
    for p in (0.02, 0.9):
        found[f"12 articles, share {p}"] = recall(12, p)
    for n in (10, 30, 125):
        for kind in ("excess nats", "excess nats, log-normal", "paired difference", "coherence"):
            found[f"{n} windows, {kind}"] = windows(n, kind)
        for p in (0.02, 0.5, 0.98):
            found[f"{n} windows, share {p}"] = share(n, p)
    for kind in ("normal", "unequal spread", "excess nats", "coherence"):
        found[f"9 shapes of 1 to 80 windows, {kind}"] = macro(kind)
    for n in (3, 5):
        for spread in (0.0, 0.1, 0.3):
            found[f"{n} seeds x 125 windows, seeds differ by {spread}"] = seeds(n, spread)
        found[f"{n} seeds x 12 articles"] = seeds(n, 0.1, clusters=12)
        found[f"{n} seeds x 9 shapes"] = seeds(n, 0.1, strata=True)
    return found


def coverage(draw: Draw, runs: int, seed: int) -> dict[str, Any]:
    """Return how often the interval held the truth, with its error, and its mean width."""
    rng = np.random.default_rng(seed)
    inside, width = 0, 0.0
    for run in range(runs):
        (low, high), truth = draw(rng, run)
        inside += low <= truth <= high
        width += high - low
    p = inside / runs
    return {
        "coverage": round(p, 4),
        "standard_error": round(math.sqrt(p * (1 - p) / runs), 4),
        "mean_width": round(width / runs, 4),
        "reaches_goal": bool(p >= GOAL),
    }


def main() -> None:
    """Simulate all designs and write the result."""
    parser = argparse.ArgumentParser(prog="python -m tools.coverage", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("results/coverage.json"))
    args = parser.parse_args()
    found = {}
    for k, (name, draw) in enumerate(designs().items()):
        found[name] = coverage(draw, args.runs, k)
        print(f"{name:<60}{found[name]['coverage']:.3f}", flush=True)
    below = [name for name, row in found.items() if not row["reaches_goal"]]
    write_json(
        args.out,
        {
            "schema_": "eisv-lumen-coverage/1",
            "command": f"python -m tools.coverage --runs {args.runs}",
            "level": 0.95, "goal": GOAL, "runs": args.runs, "designs": found, "exceptions": below,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
