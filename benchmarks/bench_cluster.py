"""Windows on a cluster: rates, memory and what workers add, for `eisv-lumen cluster plan`.

    python -m benchmarks.bench_cluster --out results/cluster/measured.json

States lie in files of a million, as a log keeps them: of agents one after the other (`ordered`), or
of all agents interleaved as their updates came, some of them late (`interleaved`). Each is built by
one worker and by two, in processes of their own; the files that come out must be the same bytes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from eisv_lumen.cluster.build import build_windows
from eisv_lumen.cluster.hire import hire
from eisv_lumen.core.files import read_json, write_json
from eisv_lumen.evaluation.report import installed_versions
from eisv_lumen.trajectory.series import Series, cut

from .timing import Row, results_file

AGENTS = 8
FILE = 1_000_000
LAYOUTS = ("ordered", "interleaved")
STATES = 4_000_000


def write_states(folder: Path, layout: str, n: int) -> None:
    """Write a log of n states of agents that wander as Lumen does."""
    folder.mkdir()
    for number, start in enumerate(range(0, n, FILE)):
        rng = np.random.default_rng((number, LAYOUTS.index(layout)))
        size = min(FILE, n - start)
        t = start + np.arange(size, dtype=np.float64)
        agent = (start + np.arange(size)) * AGENTS // n
        if layout == "interleaved":
            agent = rng.integers(0, AGENTS, size)
            late = rng.random(size) < 0.01
            t[late] -= rng.integers(0, FILE // 2, late.sum())
        X = np.clip(0.4 + np.cumsum(rng.normal(0, 1e-4, (4, size)), axis=1), 0, 1)
        cells = {"agent": agent.astype(str), "t": t, **dict(zip("EISV", X, strict=True))}
        path = folder / f"{number:04d}.parquet"
        parquet.write_table(pa.table(cells), path, compression="zstd", row_group_size=1 << 18)


def runs(n: int = STATES) -> list[dict[str, Any]]:
    """Build each layout by one worker and by two."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for layout in LAYOUTS:
            write_states(folder / layout, layout, n)
            hashes = []
            for workers in (1, 2):
                out = folder / f"{layout}-{workers}"
                with hire(workers=workers) as crew:
                    crew.client.run(_warm)  # the kernel is compiled or loaded: once a worker
                    built = build_windows(str(folder / layout), str(out), crew)
                hashes.append([part["sha256"] for part in read_json(out / "windows.json")["parts"]])
                found.append({"layout": layout, "built": asdict(built)})
            assert hashes[0] == hashes[1]
    return found


def _warm() -> None:
    cut(Series(np.arange(20.0), np.full((20, 4), 0.5)))


def rows(found: list[dict[str, Any]] | None = None) -> list[Row]:
    """Return the rates of some runs, as the table of `make bench` shows them."""
    table = []
    for run in found or runs():
        built, layout = run["built"], run["layout"]
        seconds = sum(built["wall_s"].values())
        what = f"{built['states'] / 1e6:g} M states, {layout}, workers: {built['workers']}"
        memory = built["peak_memory"] / 1e6
        table += [
            Row(what, built["states"] / seconds / 1e6, "M states/s"),
            Row("  memory of a worker at most", memory, "MB", "< 1000", memory < 1000),
        ]
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=STATES)
    parser.add_argument("--out", required=True, type=results_file, help="results file to write")
    args = parser.parse_args()
    load = os.getloadavg()[0]  # of others: what they take, a rate lacks
    found = runs(args.states)
    for row in rows(found):
        print(f"{row.what:<52}{row.value:>10.3g} {row.unit}")
    write_json(
        args.out,
        {
            "command": f"python -m benchmarks.bench_cluster --states {args.states}",
            "cores": os.cpu_count(),
            "load_before": round(load, 2),
            "versions": installed_versions(),
            "runs": found,
        },
    )


if __name__ == "__main__":
    main()
