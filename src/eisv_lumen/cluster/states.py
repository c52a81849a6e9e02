"""States by the piece: what one worker reads, as columns, of files too many for one machine.

A chunk is some row groups of a Parquet file of states, or a block of lines of governance updates.
A piece is a run of one agent's rows in a Parquet file, in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..eisv import EISV_DIMS
from ..trajectory.sources.columns import by_agent, state_columns, wanted_columns
from ..trajectory.sources.common import in_time_order
from ..trajectory.sources.governance import read_updates
from .storage import in_words, open_file

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["GROUP_LIMIT", "Chunk", "Columns", "read_chunk", "read_rows", "split_file", "to_table"]

Floats = npt.NDArray[np.float64]
GROUP_LIMIT: Final = 1 << 24
"""Rows in a row group at most: it is the least that Parquet lets one read, 0.8 GB as columns."""

_READ_ROWS = 1 << 17


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one task reads: rows [start, stop) of a Parquet file, or bytes of a `.jsonl`."""

    path: str
    start: int
    stop: int

    @property
    def is_parquet(self) -> bool:
        """Whether `start` and `stop` count rows, not bytes."""
        return self.path.endswith(".parquet")


@dataclass(frozen=True, slots=True)
class Columns:
    """States of one agent in the order in which they were met.

    Attributes
    ----------
    agent
        Whose they are.
    first
        The row of the chunk at which they begin, where they follow one another; else -1.
    t, X, drift
        As in `Series`.
    """

    agent: str
    first: int
    t: Floats
    X: Floats
    drift: Floats | None

    def sorted(self) -> Columns:
        """Return them in the order of time; rows of one time keep their order."""
        _, t, (X, drift) = in_time_order(self.t, self.X, self.drift)
        return Columns(self.agent, self.first, t, X, drift)


def split_file(path: str, size: int, rows: int, block: int) -> list[Chunk]:
    """Split a file into chunks, without reading its data.

    Parameters
    ----------
    path, size
        A file and its length [bytes].
    rows
        Rows in a chunk, rounded up to whole row groups.
    block
        Bytes in a chunk of `.jsonl`.

    Raises
    ------
    InputError
        It is not Parquet, a column is missing, or a row group is longer than `GROUP_LIMIT`.
    """
    if not path.endswith(".parquet"):
        return [Chunk(path, at, min(at + block, size)) for at in range(0, size, block)]
    with _parquet(path) as file:
        wanted_columns(file.schema_arrow, path)
        found, start, stop = [], 0, 0
        for i in range(file.num_row_groups):
            group = file.metadata.row_group(i).num_rows
            if group > GROUP_LIMIT:
                raise InputError(
                    f"{path}: row group {i} holds {group:,} rows, which no worker can read in "
                    f"parts; write it again with row_group_size={GROUP_LIMIT:,} or less"
                )
            stop += group
            if stop - start >= rows or i == file.num_row_groups - 1:
                found.append(Chunk(path, start, stop))
                start = stop
    return [chunk for chunk in found if chunk.stop > chunk.start]


def read_chunk(chunk: Chunk) -> tuple[list[Columns], int, int]:
    """Read a chunk; return the states of each agent, rows met, and rows with a NULL.

    Agents come in the order in which they first appear.

    Raises
    ------
    InputError
        As for `read_states` and `read_governance`.
    """
    if not chunk.is_parquet:
        return _read_updates(chunk)
    (t, X, drift, agents), nulls = _read(chunk, with_agent=True)
    found = []
    for agent, rows in by_agent(np.zeros(len(t), "U1") if agents is None else agents):
        whole = nulls == 0 and rows[-1] - rows[0] + 1 == len(rows)
        mine = slice(rows[0], rows[-1] + 1) if whole else rows
        first = chunk.start + int(rows[0]) if whole else -1
        found.append(
            Columns(agent, first, t[mine], X[mine], None if drift is None else drift[mine])
        )
    return found, chunk.stop - chunk.start, nulls


def read_rows(path: str, start: int, stop: int) -> tuple[Floats, Floats, Floats | None]:
    """Return (t, X, drift) of rows [start, stop) of a Parquet file of states without NULLs."""
    (t, X, drift, _), _ = _read(Chunk(path, start, stop), with_agent=False)
    return t, X, drift


def to_table(columns: list[Columns]) -> pa.Table:
    """Lay states out as a table that `read_rows` can read, agent after agent."""
    import pyarrow as pa

    drifts = [np.zeros(len(c.t)) if c.drift is None else c.drift for c in columns]
    X = np.concatenate([c.X.T for c in columns], axis=1)
    return pa.table(
        {
            "t": np.concatenate([c.t for c in columns]),
            **dict(zip(EISV_DIMS, X, strict=True)),
            "ethical_drift": np.concatenate(drifts),
        }
    )


class _parquet:
    """A Parquet file by address; what pyarrow says of it becomes our one message."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> Any:
        from pyarrow import parquet

        self.stream = open_file(self.path)
        try:
            return parquet.ParquetFile(self.stream, pre_buffer=False)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.stream.close()
        if error is not None:
            with in_words(self.path, "read", also=()):
                raise error


def _read(chunk: Chunk, *, with_agent: bool) -> tuple[tuple[Floats, Floats, Any, Any], int]:
    parts, nulls, read = [], 0, 0
    with _parquet(chunk.path) as file:
        wanted = wanted_columns(file.schema_arrow, chunk.path)
        wanted = wanted if with_agent else [name for name in wanted if name != "agent"]
        ends = np.cumsum([file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)])
        first = int(np.searchsorted(ends, chunk.start, "right"))
        last = int(np.searchsorted(ends, chunk.stop, "left"))
        row = int(ends[first - 1]) if first else 0
        groups = range(first, last + 1)
        for batch in file.iter_batches(_READ_ROWS, groups, columns=wanted, use_threads=False):
            a = max(chunk.start - row, 0)
            b = min(chunk.stop - row, batch.num_rows)
            if a < b:
                part, skipped, _ = state_columns(batch.slice(a, b - a), chunk.path, row + a)
                parts.append(part)
                nulls += skipped
                read += b - a
            row += batch.num_rows
        if read != chunk.stop - chunk.start:
            raise InputError(f"{chunk.path}: holds fewer rows than it says; fetch it again")
    drift, agents = parts[0][2], parts[0][3]
    return (
        np.concatenate([p[0] for p in parts]),
        np.concatenate([p[1].T for p in parts], axis=1).T,
        None if drift is None else np.concatenate([p[2] for p in parts if p[2] is not None]),
        None if agents is None else np.concatenate([p[3] for p in parts]),
    ), nulls


def _read_updates(chunk: Chunk) -> tuple[list[Columns], int, int]:
    name = chunk.path if chunk.start == 0 else f"{chunk.path}, from byte {chunk.start}"
    agents, rows, nulls = read_updates(_lines(chunk), name)
    found = []
    for agent, updates in agents.items():
        drift = np.frombuffer(updates.drift)
        missing = np.isnan(drift)
        X = np.clip(np.frombuffer(updates.states).reshape(-1, 4), 0.0, 1.0)
        given = None if missing.all() else np.where(missing, 0.0, drift)
        found.append(Columns(agent, -1, np.frombuffer(updates.t), np.asfortranarray(X), given))
    return found, rows, nulls


def _lines(chunk: Chunk) -> Iterator[tuple[int, str]]:
    """Yield the lines that begin in a block, with their numbers counted from its start."""
    with in_words(chunk.path, "read", also=()), open_file(chunk.path) as stream:
        place = chunk.start
        if place:  # the line that is under way belongs to the block before
            stream.seek(place - 1)
            place += len(stream.readline()) - 1
        number = 0
        while place < chunk.stop:
            line = stream.readline()
            place += len(line)
            number += 1
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{chunk.path}, byte {place - len(line)}: not UTF-8; a text file of JSON lines "
                    "is wanted"
                ) from error
            if text.strip():
                yield number, text
