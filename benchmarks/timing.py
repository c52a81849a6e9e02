"""Timing for benchmarks: best of several, side by side in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Row", "best"]


@dataclass(frozen=True)
class Row:
    """One line of a benchmark: what, how much, in which unit, and the goal it should pass."""

    what: str
    value: float
    unit: str
    goal: str = ""
    passed: bool | None = None


def best(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest of several runs [s]: what the machine can do when undisturbed."""
    shortest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest
