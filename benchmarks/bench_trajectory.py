"""The kernel beside the obvious loop and beside a copy; a long stream; a log to Parquet.

Run by itself for other sizes: python -m benchmarks.bench_trajectory --stream-states 100000000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.dataset.schema import build, write_parquet
from eisv_lumen.trajectory.simulate.anima_log import write_anima_db
from eisv_lumen.trajectory.sources.anima import read_anima
from eisv_lumen.trajectory.sources.parquet import classify_file, write_states
from eisv_lumen.trajectory.windows import STRIDE, WINDOW, classify, count_windows

from .timing import Row, best

DIMS = ("E", "I", "S", "V")
STATES = 2_000_000
STREAM = 20_000_000
LOG = 214_503


def columns(n: int) -> list[np.ndarray]:
    """Return t, E, I, S, V and drift of a series that wanders slowly, as Lumen does."""
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.exponential(2.3, n))
    states = [np.clip(0.4 + np.cumsum(rng.normal(0, 1e-4, n)), 0, 1) for _ in DIMS]
    return [t, *states, rng.uniform(0, 0.2, n)]


def obvious(states: list[dict[str, float]]) -> str:
    """Label one window of dicts, as §2 and §3 read."""

    def rates(times: list[float], values: list[float]) -> tuple[list[float], list[float]]:
        found = [
            (t1, (x1 - x0) / (t1 - t0))
            for (t0, x0), (t1, x1) in zip(
                zip(times, values, strict=True),
                zip(times[1:], values[1:], strict=True),
                strict=False,
            )
            if t1 != t0
        ]
        return [t for t, _ in found], [rate for _, rate in found]

    def mean(values: list[float]) -> float:
        total = 0.0
        for value in values:
            total += value
        return total / len(values) if values else 0.0

    times = [s["t"] for s in states]
    first, second = {}, {}
    for dim in DIMS:
        stamps, first[dim] = rates(times, [s[dim] for s in states])
        second[dim] = rates(stamps, first[dim])[1]
    energy, entropy = [s["E"] for s in states], [s["S"] for s in states]
    all_first = [d for dim in DIMS for d in first[dim]]
    all_second = [d for dim in DIMS for d in second[dim]]
    wide = max(energy) - min(energy) >= 0.2
    rules = (
        ("basin_transition_down", wide and mean(first["E"]) < 0 and energy[0] > energy[-1]),
        ("basin_transition_up", wide and mean(first["E"]) > 0 and energy[-1] > energy[0]),
        (
            "entropy_spike_recovery",
            max(entropy) - min(entropy) >= 0.2
            and entropy.index(max(entropy)) not in (0, len(states) - 1),
        ),
        ("drift_dissonance", max(s["ethical_drift"] for s in states) > 0.3),
        ("void_rising", mean(first["V"]) > 0.05),
        ("rising_entropy", mean(first["S"]) > 0.05),
        ("falling_energy", mean(first["E"]) < -0.05),
        (
            "convergence",
            bool(all_first and all_second)
            and all(abs(d) < 0.05 for d in all_first)
            and all(abs(d) < 0.05 for d in all_second)
            and any(abs(d) > 1e-9 for d in all_first),
        ),
        ("settled_presence", True),
    )
    return next(shape for shape, holds in rules if holds)


def obvious_all(states: list[dict[str, float]]) -> list[str]:
    return [
        obvious(states[start : start + WINDOW])
        for start in range(0, len(states) - WINDOW + 1, STRIDE)
    ]


def best_in_turn(*works: Callable[[], object], repeats: int = 15) -> list[float]:
    """Return the shortest time [s] of each, run in turn so that all meet the same disturbances."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, times in zip(works, taken, strict=True):
            times.append(best(work, 1))
    return [min(times) for times in taken]


def kernel_rows() -> list[Row]:
    cells = columns(STATES)
    t, drift = cells[0], cells[5]
    by_column = np.stack(cells[1:5]).T
    by_row = np.ascontiguousarray(by_column)
    warm = [np.empty_like(c) for c in cells]

    def copy_warm() -> None:
        for target, source in zip(warm, cells, strict=True):
            np.copyto(target, source)

    few = 10_000
    names = ("t", *DIMS, "ethical_drift")
    dicts = [dict(zip(names, row, strict=True)) for row in np.stack(cells, 1)[:few].tolist()]
    codes = classify(t[:few], by_row[:few], ethical_drift=drift[:few])
    assert obvious_all(dicts) == [SHAPES[code] for code in codes]
    slow, log, long, fresh, again, rowwise = best_in_turn(
        lambda: obvious_all(dicts),
        lambda: classify(t[:LOG], by_column[:LOG], ethical_drift=drift[:LOG]),
        lambda: classify(t, by_column, ethical_drift=drift),
        lambda: [c.copy() for c in cells],
        copy_warm,
        lambda: classify(t, by_row, ethical_drift=drift),
    )
    rate, long_rate = count_windows(LOG) / log / 1e6, count_windows(STATES) / long / 1e6
    ratio = slow / count_windows(few) * rate * 1e6
    copy = fresh / long
    return [
        Row(f"20/10 windows of {LOG:,} states", rate, "M windows/s", ">= 6", rate >= 6),
        Row(
            f"20/10 windows of {STATES:,} states", long_rate, "M windows/s", ">= 6", long_rate >= 6
        ),
        Row(
            "  the obvious loop over dicts / classify",
            ratio,
            "times faster",
            ">= 800",
            ratio >= 800,
        ),
        Row("  copying the columns (fresh arrays) / classify", copy, "", ">= 0.6", copy >= 0.6),
        Row("  copying the columns (warm arrays) / classify", again / long, ""),
        Row("  states row by row: copying (fresh) / classify", fresh / rowwise, ""),
    ]


def stream_rows(n: int) -> list[Row]:
    """Stream states from Parquet, each step in a process of its own: memory is that step's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "states.parquet"
        _step("write", str(path), str(n))
        seconds, megabytes, windows = _step("stream", str(path))
    assert windows == count_windows(n)
    return [
        Row(f"{n / 1e6:g} M states streamed from Parquet", seconds, "s"),
        Row("  streaming from Parquet: peak memory", megabytes, "MB", "< 1000", megabytes < 1000),
    ]


def log_rows(n: int = LOG) -> list[Row]:
    """Bring a log to Parquet, in a new process each time, so that loading the kernel counts."""
    with tempfile.TemporaryDirectory() as folder:
        write_anima_db(Path(folder) / "anima.db", n, seed=0)
        runs = [_step("log", folder) for _ in range(4)]
    windows, states, total = (min(column) for column in zip(*runs, strict=True))
    goal = "<= 1.5"
    return [
        Row(f"anima.db of {n:,} states -> Parquet of windows", windows, "s", goal, windows <= 1.5),
        Row("  -> Parquet of states", states, "s", goal, states <= 1.5),
        Row("  -> both, with the start of Python and all imports", total, "s"),
    ]


def _step(*args: str) -> list[float]:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_trajectory", "--step", *args],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [*map(float, done.stdout.split()), time.perf_counter() - start][:3]


def _write(path: str, n: str) -> None:
    """Write a long series without holding it in memory."""
    part = 1_000_000
    t, *rest = columns(part)
    names = ["t", *DIMS, "ethical_drift"]
    schema = pa.schema([(name, pa.float64()) for name in names])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, int(n), part):
            rows = min(part, int(n) - start)
            cells = [t[:rows] + start * 2.5, *(c[:rows] for c in rest)]
            writer.write_table(pa.table(cells, schema=schema), row_group_size=part)


def _stream(path: str) -> None:
    start = time.perf_counter()
    windows = sum(codes.size for codes in classify_file(path))
    taken = time.perf_counter() - start
    # Not getrusage: after fork and exec it still knows the peak of the parent.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(taken, int(peak) / 1e3, windows)


def _log(folder: str) -> None:
    start = time.perf_counter()
    source = read_anima(Path(folder) / "anima.db")
    read = time.perf_counter()
    write_parquet(Path(folder) / "windows.parquet", build(source))
    windows = time.perf_counter()
    write_states(Path(folder) / "states.parquet", source.series)
    end = time.perf_counter()
    print(windows - start, read - start + end - windows)


def rows(stream: int = STREAM) -> list[Row]:
    return [*kernel_rows(), *stream_rows(stream), *log_rows()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stream-states", type=int, default=STREAM)
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        {"write": _write, "stream": _stream, "log": _log}[args.step[0]](*args.step[1:])
        return
    print(json.dumps([asdict(row) for row in rows(args.stream_states)], indent=1))


if __name__ == "__main__":
    main()
