"""Windows of Lumen's own log, streamed from the published dataset where the Hub can be reached.

Nothing of them travels with this Space. A row group of one Parquet file is read by range, and what
was read is kept in the Hub's own cache folder, so that a restart reads nothing again.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from drawing.window import View
from huggingface_hub import HfFileSystem, constants

from eisv_lumen.core.files import read_json, write_bytes
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.sources.published import STATES_COLUMN, typed_from_published
from eisv_lumen.trajectory.windows import WINDOW, classify

__all__ = ["DATASET", "begin", "lumen_windows"]

DATASET = "hikewa/unitares-eisv-trajectories"
_MOST_ROWS = 4000
_found: dict[str, View] = {}


def lumen_windows() -> dict[str, View]:
    """Return what was found so far, by shape; nothing while, or where, the Hub is not reached."""
    return dict(_found)


def begin() -> None:
    """Look for the windows in the background; a Hub that cannot be reached changes nothing."""
    if not constants.HF_HUB_OFFLINE:
        threading.Thread(target=_look, args=(_cache(),), daemon=True).start()


def _cache() -> Path:
    return Path(constants.HF_HOME) / "eisv-lumen" / "lumen_windows.json"


def _look(cache: Path) -> None:
    try:
        rows = read_json(cache) if cache.is_file() else _streamed()
    except Exception as error:  # whatever keeps the Hub away, the examples stand
        print(f"Lumen's own windows are not shown: {type(error).__name__}: {error}", flush=True)
        return
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(cache, json.dumps(rows).encode("utf-8"))
    for shape, row in rows.items():
        X = np.column_stack([row[dim] for dim in "EISV"])
        _found[shape] = View(Series(np.asarray(row["t"]), X, agent="lumen"), 0, len(X))


def _streamed() -> dict[str, dict[str, list[float]]]:
    """Return a real window of each shape that the rules name as the dataset does."""
    fs = HfFileSystem()
    files = sorted(fs.glob(f"datasets/{DATASET}/**/*.parquet"))
    chosen: dict[str, dict[str, list[float]]] = {}
    read = 0
    for file in files:
        with fs.open(file, "rb") as stream:
            parquet = pq.ParquetFile(stream)
            for group in range(parquet.num_row_groups):
                table = parquet.read_row_group(group)
                read += table.num_rows
                if STATES_COLUMN in table.column_names:
                    table = typed_from_published(table, file)
                _choose(table.to_pylist(), chosen)
                if len(chosen) == len(SHAPES) - 1 or read >= _MOST_ROWS:
                    return chosen
    return chosen


def _choose(rows: list[dict[str, Any]], chosen: dict[str, dict[str, list[float]]]) -> None:
    for row in rows:
        if "synth" in str(row["source"]) or len(row["t"]) < WINDOW:
            continue
        part = {name: [float(x) for x in row[name][-WINDOW:]] for name in ("t", *"EISV")}
        t = np.asarray(part["t"]) - part["t"][0]
        X = np.column_stack([part[dim] for dim in "EISV"])
        shape = SHAPES[int(classify(t, X, window=WINDOW, stride=1)[0])]
        chosen.setdefault(shape, {**part, "t": t.tolist()})
