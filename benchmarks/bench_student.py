"""A student: its size, how soon it is loaded, how soon it speaks; the study's in the goals."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np

from eisv_lumen.expression.law import initial_laws
from eisv_lumen.student.fit import SCALES, NetRecipe, rows_of_laws
from eisv_lumen.student.format import Net, make_student
from eisv_lumen.student.reader import FORMAT, Student, checksum
from eisv_lumen.trajectory.simulate.lumen_like import balanced_windows, summaries_like_real

from .timing import Row

HIDDEN = NetRecipe().hidden
REPEATS = 7


def rows() -> list[Row]:
    """Time a student of the size that is distilled, in CPython, one window at a time."""
    student = blind_student()
    content = {"format": FORMAT, "sha256": checksum(student.body), "student": student.body}
    text = json.dumps(content, separators=(",", ":"))
    summaries = summaries_like_real(200, 3)[1].tolist()
    windows = balanced_windows(20, seed=3)
    series = np.concatenate([windows.t[..., None], windows.X], axis=2).tolist()
    shapes = student.shapes

    def each(of: Callable[[int], object], n: int) -> float:
        shortest = float("inf")
        for _ in range(REPEATS):
            start = time.perf_counter()
            for i in range(n):
                of(i)
            shortest = min(shortest, (time.perf_counter() - start) / n)
        return shortest

    size = len(text) / 1e3
    load = 1e3 * each(lambda i: Student.loads(text), 20)
    found = [
        Row("student's file", size, "kB", "≤ 100", size <= 100),
        Row("student loaded, checksum included", load, "ms", "≤ 5", load <= 5),
    ]
    for temperature in (1.0, 0.3):
        ways: dict[str, tuple[Callable[[int], object], float]] = {
            "told the shape": (
                lambda i, t=temperature: student.speak(shapes[i % 9], temperature=t, seed=i), 15,
            ),
            "reads a summary": (
                lambda i, t=temperature: student.speak(
                    summary=summaries[i % 200], temperature=t, seed=i
                ), 60,
            ),
            "reads 20 states": (
                lambda i, t=temperature: student.speak(
                    series=series[i % len(series)], temperature=t, seed=i
                ), 60,
            ),
        }  # fmt: skip
        for name, (way, goal) in ways.items():
            took = 1e6 * each(way, 1000)
            what = f"student {name} and speaks, T = {temperature:g}"
            found.append(Row(what, took, "µs", f"≤ {goal:g}", took <= goal))
    return found


def blind_student() -> Student:
    """Return a student with as many numbers as a distilled one; what they are costs no time."""
    rng = np.random.default_rng(0)
    law = rows_of_laws(initial_laws())
    net = Net(
        (4,), SCALES, rng.normal(size=(HIDDEN, 14)), rng.normal(size=HIDDEN),
        rng.normal(size=(9, HIDDEN)), rng.normal(size=9), law,
    )  # fmt: skip
    return make_student(law, net)
