"""What a sync of ten windows costs as the dataset grows: bytes, time and memory, over a Hub double.

    python -m benchmarks.bench_growth --out results/growth/measured.json

For each size, Lumen's log is published in windows of 10, 15 and 20 states with their splits, lives
on for a hundred states, and `eisv-lumen data sync` grows the dataset in a process of its own, with
an empty cache. The double answers on this machine: of the real Hub, add its own latency a request.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hub_double import TOKEN, Blob, HubDouble, environment

from eisv_lumen.core.files import write_json
from eisv_lumen.eisv import anima_to_eisv
from eisv_lumen.evaluation.report import installed_versions
from eisv_lumen.trajectory.dataset.configs import PUBLISHED_LENGTHS, config_name
from eisv_lumen.trajectory.dataset.metadata import with_cut_facts
from eisv_lumen.trajectory.dataset.schema import build, write_to
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.sources.common import Report, Source

from .__main__ import _line
from .timing import Row, results_file

ID: Final = "ada/unitares-eisv-trajectories"
SIZES: Final = (10_000, 1_000_000, 10_000_000)
STRIDE: Final = 10
NEW: Final = 100  # states, so ten windows of each length
REPEATS: Final = 3
_PART: Final = 1_000_000
_START: Final = 1_700_000_000

CLIENT: Final = r"""
import json, re, sys, time
from eisv_lumen.cli import app
start, own = time.perf_counter(), time.process_time()
try:
    app(["data", "sync", *sys.argv[1:], "--json"], standalone_mode=False)
finally:
    print(json.dumps({
        "seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - own,
        # Of this program alone: `ru_maxrss` counts what started it, too.
        "peak_mb": int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1]) / 1024,
        "heavy": [m for m in ("torch", "datasets", "transformers", "pandas") if m in sys.modules],
    }), file=sys.stderr)
"""


def anima(n: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yield Lumen's readings in parts; a longer log begins as a shorter one."""
    for number, start in enumerate(range(0, n, _PART)):
        rng = np.random.default_rng(number)
        wave = np.sin(np.arange(start, start + _PART) / 997.0)[:, None] * 0.2 + 0.5
        part = np.clip(wave + rng.normal(0, 0.01, (_PART, 4)), 0, 1).round(3)
        yield part[: min(_PART, n - start)]


def times(start: int, n: int) -> npt.NDArray[np.int64]:
    """Return microseconds since the epoch: a state each two seconds."""
    return (_START + 2 * np.arange(start, start + n, dtype=np.int64)) * 1_000_000


def write_log(path: Path, n: int) -> None:
    """Write an anima.db of n states."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE state_history (id INTEGER PRIMARY KEY, timestamp TEXT, warmth REAL, "
            "clarity REAL, stability REAL, presence REAL, sensors TEXT);"
            "CREATE TABLE primitive_history (id INTEGER PRIMARY KEY, timestamp TEXT, tokens TEXT);"
        )
        at = 0
        for part in anima(n):
            stamps = np.datetime_as_string(times(at, len(part)).astype("datetime64[us]"))
            rows = zip(stamps.tolist(), *part.T.tolist(), strict=True)
            db.executemany(
                "INSERT INTO state_history (timestamp, warmth, clarity, stability, presence, "
                "sensors) VALUES (?, ?, ?, ?, ?, '{}')",
                rows,
            )
            at += len(part)
        db.commit()


def published(n: int) -> dict[str, bytes]:
    """Return the files of a dataset of n states: of each ten windows of a length, eight to train.

    As a publish writes them; at the borders of runs, windows are left out.
    """
    X = anima_to_eisv(np.concatenate(list(anima(n))))
    series = Series(times(0, n) / 1e6, X, None, "anima", "lumen")
    files, card = {}, "---\nconfigs:\n"
    for length in PUBLISHED_LENGTHS:
        table = build(Source([series], Report()), length, STRIDE)
        run = np.arange(len(table)) // 10
        inner = np.arange(len(table)) % 10 < 9  # the last of a run meets the next one's first
        side = np.select([run % 10 == 4, run % 10 == 9], [1, 2], 0)
        card += f"- config_name: {config_name(length)}\n  data_files:\n"
        for code, split in enumerate(("train", "validation", "test")):
            rows = np.flatnonzero((side == code) & inner)
            sink = io.BytesIO()
            write_to(sink, with_cut_facts(table.take(rows), seed=0))
            path = f"{config_name(length)}/{split}-00000.parquet"
            files[path] = sink.getvalue()
            card += f"  - split: {split}\n    path: {config_name(length)}/{split}-*.parquet\n"
    return {**files, "README.md": f"{card}---\n# Windows\n".encode()}


def measure(hub: HubDouble, n: int, folder: Path) -> dict[str, Any]:
    """Grow a dataset of n states by ten windows of each length, some times over."""
    hub.reset()
    hub.user(TOKEN, "ada")
    repo = hub.store.create("dataset", ID)
    files = published(n)
    blobs = {path: Blob(data, lfs=path.endswith(".parquet")) for path, data in files.items()}
    head = repo.commit("refs/heads/main", blobs, "published")
    for blob in blobs.values():
        _ = blob.sha256, blob.oid  # hashed before the clock runs
    log = folder / "anima.db"
    log.unlink(missing_ok=True)
    write_log(log, n + NEW)
    os.sync()  # or the disk would still be writing it while the clock runs
    found: list[dict[str, Any]] = []
    for repeat in range(REPEATS):
        repo.refs["refs/heads/main"] = head.oid
        hub.log.clear()
        hub.sent = 0
        home = folder / f"home-{n}-{repeat}"
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, ID, str(log)], env=_environment(hub, home), text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(done.stderr)
        windows = json.loads(done.stdout)["windows"]
        told = json.loads(done.stderr.splitlines()[-1])
        found.append({**told, "bytes": hub.sent, "requests": len(hub.log), "windows": windows})
    middle = {k: statistics.median(run[k] for run in found) for k in _MEASURED}
    middle["seconds"] = min(run["seconds"] for run in found)  # when least disturbed
    return {
        "states": n,
        "dataset_bytes": sum(map(len, files.values())),
        "windows_added": found[0]["windows"],
        "heavy_imports": found[0]["heavy"],
        **middle,
        "runs": [{k: run[k] for k in _MEASURED} for run in found],
    }


_MEASURED: Final = ("bytes", "requests", "seconds", "cpu_seconds", "peak_mb")


def _environment(hub: HubDouble, home: Path) -> dict[str, str]:
    root = Path(__file__).parents[1] / "src"
    return {**environment(hub, home), "PYTHONPATH": str(root)}


def on_paper(measured: list[dict[str, Any]], states: int, agents: int) -> dict[str, Any]:
    """Reckon what a dataset costs that is past one machine, from the rates that were measured.

    Parameters
    ----------
    measured
        As `measure` gives it, by size.
    states, agents
        Of the dataset.
    """
    small, large = measured[0], measured[-1]
    bytes_a_state = large["dataset_bytes"] / large["states"]
    shard = 400e6
    shards = max(1, round(states * bytes_a_state / shard))
    # A footer: row groups of 2^15 windows, and for each agent that a shard holds, a line of JSON.
    groups = states / STRIDE * len(PUBLISHED_LENGTHS) / (1 << 15)
    footers = groups * _GROUP_BYTES + (shards + agents * len(PUBLISHED_LENGTHS) * 3) * _OWNER_BYTES
    tails = max(footers, shards * (1 << 15))
    return {
        "states": states,
        "agents": agents,
        "dataset_gb": states * bytes_a_state / 1e9,
        "shards_of_400_mb": shards,
        "first_sync_requests": small["requests"] + shards,
        "first_sync_mb": tails / 1e6,
        "later_sync_mb": small["bytes"] / 1e6,
        "why_later": "the ends of shards are cached by content: only new ones are fetched again",
        "new_windows_an_hour": agents * len(PUBLISHED_LENGTHS) * 3600 // (2 * STRIDE),
        "mb_sent_an_hour": agents * 1800 * bytes_a_state / 1e6,
    }


_GROUP_BYTES: Final = 1500
_OWNER_BYTES: Final = 110


def rows(sizes: tuple[int, ...] = SIZES) -> tuple[list[Row], dict[str, Any]]:
    """Measure all sizes, and compare the largest with the smallest."""
    with tempfile.TemporaryDirectory() as name, HubDouble() as hub:
        measured = [measure(hub, n, Path(name)) for n in sizes]
    small, large = measured[0], measured[-1]
    ratios = {k: large[k] / small[k] for k in ("bytes", "seconds", "cpu_seconds")}
    found = [
        Row(f"sync of 10 windows into {one['states']:.0e} states: {key}", one[key], unit)
        for one in measured
        for key, unit in (("bytes", "B"), ("seconds", "s"), ("peak_mb", "MB"))
    ]
    for key, ratio in ratios.items():
        found.append(Row(f"{key}, largest against smallest", ratio, "×", "< 2", ratio < 2))
    peak = large["peak_mb"]
    found.append(Row("peak memory at the largest", peak, "MB", "< 250", peak < 250))
    result = {
        "command": "python -m benchmarks.bench_growth",
        "versions": installed_versions(),
        "measured": measured,
        "ratios": ratios,
        "on_paper": on_paper(measured, 1_000_000_000, 1000),
    }
    return found, result


def main() -> None:
    """Measure, print a table, and write the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=results_file, help="results file to write")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="states")
    args = parser.parse_args()
    table, result = rows(tuple(args.sizes))
    for row in table:
        print(_line(row), file=sys.stderr)
    json.dump(result, sys.stdout, indent=1)
    print()
    if args.out:
        write_json(args.out, result)


if __name__ == "__main__":
    main()
