"""Stage 2: the windows of all agents, one after the other, in files of so many.

The task of a file reads the states of its windows, also those that a neighbouring file's windows
share. So no task waits for another, as it does where Dask's `map_overlap` hands neighbours over;
no partition is too short; and nothing is held in the memory of a worker that dies with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ..trajectory.dataset.metadata import with_cut_facts
from ..trajectory.dataset.schema import table_from_windows
from ..trajectory.series import Series, cut
from ..trajectory.sources.options import ReadOptions
from ..trajectory.windows import count_windows
from .arrange import Piece
from .states import read_rows
from .storage import read_bytes, save_table

__all__ = ["Part", "Segment", "plan_parts", "write_part"]

Slice = tuple[str, int, int, ReadOptions]


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of one agent, in slices (path, start, stop, options), which windows of a part cover."""

    agent: str
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A task: one file, and the states whose windows it holds."""

    path: str
    source: str
    window: int
    stride: int
    segments: tuple[Segment, ...]


def plan_parts(
    agents: dict[str, list[Piece]], out: str, source: str, window: int, stride: int, part: int
) -> Iterator[Part]:
    """Yield the tasks: windows of all agents, one after the other, so many at a time."""
    counts = [count_windows(sum(map(len, p)), window, stride) for p in agents.values()]
    ends = np.cumsum(counts)
    named = list(agents.items())
    for number, low in enumerate(range(0, int(ends[-1]), part)):
        high = min(low + part, int(ends[-1]))
        segments = []
        for k in range(
            int(np.searchsorted(ends, low, "right")), int(np.searchsorted(ends, high, "left")) + 1
        ):
            before = int(ends[k]) - counts[k]
            a, b = max(low - before, 0), min(high - before, counts[k])
            agent, pieces = named[k]
            segments.append(Segment(agent, _slices(pieces, a * stride, (b - 1) * stride + window)))
        yield Part(f"{out}/part-{number:06d}.parquet", source, window, stride, tuple(segments))


def _slices(pieces: Sequence[Piece], start: int, stop: int) -> tuple[Slice, ...]:
    """Return where rows [start, stop) of an agent lie."""
    found = []
    at = 0
    for piece in pieces:
        a, b = max(start - at, 0), min(stop - at, len(piece))
        if a < b:
            found.append((piece.path, piece.start + a, piece.start + b, piece.options))
        at += len(piece)
    return tuple(found)


def write_part(part: Part) -> dict[str, Any]:
    """Cut, label and write the windows of one file; one that lies there whole is left as it is."""
    name = part.path.rpartition("/")[2]
    there = read_bytes(part.path)
    windows = None if there is None else _windows_in(there)
    if there is not None and windows is not None:
        digest = hashlib.sha256(there).hexdigest()
        return {"file": name, "windows": windows, "bytes": len(there), "sha256": digest,
                "already": True, "broken": False}  # fmt: skip
    rows = pa.concat_tables([_rows(segment, part) for segment in part.segments])
    table = with_cut_facts(rows, window=part.window, stride=part.stride)
    digest, size = save_table(part.path, table)
    return {"file": name, "windows": table.num_rows, "bytes": size, "sha256": digest,
            "already": False, "broken": there is not None}  # fmt: skip


def _windows_in(data: bytes) -> int | None:
    """Return how many windows a file holds; None where it is cut short or something else."""
    from pyarrow import parquet

    try:
        return int(parquet.read_metadata(pa.BufferReader(data)).num_rows)
    except (pa.ArrowException, OSError):
        return None


def _rows(segment: Segment, part: Part) -> pa.Table:
    read = [read_rows(*piece) for piece in segment.slices]
    drift = None
    if any(d is not None for _, _, d in read):
        drift = np.concatenate([np.zeros(len(t)) if d is None else d for t, _, d in read])
    series = Series(
        np.concatenate([t for t, _, _ in read]),
        np.concatenate([X.T for _, X, _ in read], axis=1).T,
        drift,
        part.source,
        segment.agent,
    )
    windows = cut(series, part.window, part.stride)
    return table_from_windows(windows, source=part.source, agent=segment.agent)
