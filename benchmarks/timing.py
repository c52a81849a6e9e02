"""Timing for benchmarks: best of several, side by side in one process; and where it is written."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

from eisv_lumen.core.errors import InputError
from eisv_lumen.core.files import check_file_place

__all__ = ["Row", "best", "results_file"]


@dataclass(frozen=True)
class Row:
    """One line of a benchmark: what, how much, in which unit, and the goal it should pass."""

    what: str
    value: float
    unit: str
    goal: str = ""
    passed: bool | None = None


def results_file(path: str) -> str:
    """Refuse, as argparse reads it, an --out that cannot be written, before the measuring."""
    try:
        check_file_place(path)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path


def best(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest of several runs [s]: what the machine can do when undisturbed."""
    shortest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest
