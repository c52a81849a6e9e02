"""States by the piece: what one worker reads, as columns, of files too many for one machine.

A chunk is some row groups of a Parquet file of states, or a block of lines of governance updates.
A piece is a run of one agent's rows in a Parquet file, in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from ..core.errors import InputError
from ..eisv import EISV_DIMS
from ..trajectory.sources.columns import by_agent, state_columns, wanted_columns
from ..trajectory.sources.common import counted
from ..trajectory.sources.governance import part_of_updates, read_updates
from ..trajectory.sources.options import DEFAULT, ReadOptions
from ..trajectory.sources.parquet import refuse_owners
from ..trajectory.sources.roles import agent_of_path, ignored_columns, names_an_owner
from ..trajectory.sources.tables import Table
from .storage import in_words, open_file

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "GROUP_LIMIT", "Chunk", "Columns", "Read", "read_chunk", "read_order", "read_rows",
    "split_file", "to_table",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
GROUP_LIMIT: Final = 1 << 24
"""Rows in a row group at most: it is the least that Parquet lets one read, 0.8 GB as columns."""

_READ_ROWS = 1 << 17
_ROW: Final = "row"
_RUN: Final = "run"
"""Columns of scratch files, as in `Columns`."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one task reads: rows [start, stop) of a Parquet file, or bytes of a `.jsonl`.

    Attributes
    ----------
    path, start, stop
        Where it lies.
    options
        How its states are to be understood.
    agent
        Whose all states are, where the path says so.
    notes
        What is worth saying of its file; of a file's first chunk alone.
    """

    path: str
    start: int
    stop: int
    options: ReadOptions = DEFAULT
    agent: str | None = None
    notes: tuple[str, ...] = ()

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
    row, run
        Where each row stands among those of its agent as they came, and in which ascending
        stretch of time; None: one after the other, as `Came` counts them.
    """

    agent: str
    first: int
    t: Floats
    X: Floats
    drift: Floats | None
    row: Rows | None = None
    run: Rows | None = None

    def __len__(self) -> int:
        return len(self.t)

    def in_time_order(self) -> Columns:
        """Return them in the order of time; rows of one time keep their order."""
        row = np.arange(len(self)) if self.row is None else self.row
        run = self.run
        if run is None:
            run = np.cumsum(np.diff(self.t, prepend=self.t[0]) < 0, dtype=np.int64)
        return Columns(self.agent, self.first, self.t, self.X, self.drift, row, run).take(
            np.argsort(self.t, kind="stable")
        )

    def take(self, rows: Any) -> Columns:
        """Return some rows, by position or mask, in that order."""
        t, X, drift, row, run = (
            None if c is None else c[rows] for c in (self.t, self.X, self.drift, self.row, self.run)
        )
        assert t is not None and X is not None
        return Columns(self.agent, -1, t, np.asfortranarray(X), drift, row, run)


@dataclass(frozen=True, slots=True)
class Read:
    """What a chunk holds: states by agent, and what reading it met with.

    Attributes
    ----------
    found
        Agents in the order in which they first appear.
    rows, null_rows, clamped
        As in `Report`.
    limited
        By file, or file and agent: how many values may not be clamped beyond the share, and how
        many were.
    """

    found: list[Columns]
    rows: int
    null_rows: int
    clamped: int
    limited: dict[str, tuple[int, int]]


def split_file(file: tuple[str, int], options: ReadOptions, rows: int, block: int) -> list[Chunk]:
    """Split a file into chunks, without reading its data.

    Parameters
    ----------
    file
        Its path and its length [bytes].
    options
        How its states are to be understood.
    rows
        Rows in a chunk, rounded up to whole row groups.
    block
        Bytes in a chunk of `.jsonl`.

    Raises
    ------
    InputError
        It is not Parquet, a column is missing, or a row group is longer than `GROUP_LIMIT`.
    """
    path, size = file
    if not path.endswith(".parquet"):
        return [Chunk(path, at, min(at + block, size), options) for at in range(0, size, block)]
    agent = agent_of_path(PurePosixPath(path), options.columns)
    with _parquet(path) as opened:
        wanted = wanted_columns(opened.schema_arrow, path, options)
        if agent is not None and "agent" in wanted:
            raise InputError(
                f"{path}: the path says agent={agent}, and column {wanted['agent']!r} may say "
                "another; choose one: --agent-column, or --agent NAME"
            )
        ignored = ignored_columns(opened.schema_arrow.names, wanted)
        note = f"{counted(len(ignored), 'column')} not read: {', '.join(ignored)}"
        found: list[Chunk] = []
        start = stop = 0
        for i in range(opened.num_row_groups):
            group = opened.metadata.row_group(i).num_rows
            if group > GROUP_LIMIT:
                raise InputError(
                    f"{path}: row group {i} holds {group:,} rows, which no worker can read in "
                    f"parts; write it again with row_group_size={GROUP_LIMIT:,} or less"
                )
            stop += group
            if stop > start and (stop - start >= rows or i == opened.num_row_groups - 1):
                notes = (note,) if ignored and not found else ()
                found.append(Chunk(path, start, stop, options, agent, notes))
                start = stop
    return found


def read_chunk(chunk: Chunk) -> Read:
    """Read a chunk.

    Raises
    ------
    InputError
        As for `read_states` and `read_governance`.
    """
    if not chunk.is_parquet:
        return _read_updates(chunk)
    (t, X, drift, agents), nulls, clamped = _read(chunk, with_agent=True)
    found = []
    for agent, rows in by_agent(agents) if len(t) else ():
        whole = nulls == 0 and rows[-1] - rows[0] + 1 == len(rows)
        mine = slice(rows[0], rows[-1] + 1) if whole else rows
        first = chunk.start + int(rows[0]) if whole else -1
        found.append(
            Columns(agent, first, t[mine], X[mine], None if drift is None else drift[mine])
        )
    limited = {chunk.path: (X.size, clamped)}
    return Read(found, chunk.stop - chunk.start, nulls, clamped, limited)


def read_rows(
    path: str, start: int, stop: int, options: ReadOptions = DEFAULT
) -> tuple[Floats, Floats, Floats | None]:
    """Return (t, X, drift) of rows [start, stop) of a Parquet file of states without NULLs."""
    (t, X, drift, _), _, _ = _read(Chunk(path, start, stop, options), with_agent=False)
    return t, X, drift


def read_order(path: str, start: int, stop: int) -> tuple[Rows, Rows]:
    """Return (row, run) of rows [start, stop) of a file of `to_table`, as in `Columns`."""
    with _parquet(path) as file:
        batches = [b for _, b in _batches(file, Chunk(path, start, stop), [_ROW, _RUN])]
    row, run = (np.concatenate([np.asarray(b[name]) for b in batches]) for name in (_ROW, _RUN))
    return row, run


def to_table(columns: list[Columns]) -> pa.Table:
    """Lay states in the order of time out as a table for `read_rows`, agent after agent."""
    import pyarrow as pa

    drifts = [np.zeros(len(c)) if c.drift is None else c.drift for c in columns]
    X = np.concatenate([c.X.T for c in columns], axis=1)
    return pa.table(
        {
            "t": np.concatenate([c.t for c in columns]),
            **dict(zip(EISV_DIMS, X, strict=True)),
            "ethical_drift": np.concatenate(drifts),
            _ROW: np.concatenate([c.row for c in columns if c.row is not None]),
            _RUN: np.concatenate([c.run for c in columns if c.run is not None]),
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


def _read(chunk: Chunk, *, with_agent: bool) -> tuple[tuple[Floats, Floats, Any, Any], int, int]:
    """Return (t, X, drift, agents) of a chunk's whole rows, rows left out, and values clamped."""
    parts, nulls, clamped, options = [], 0, 0, chunk.options
    with _parquet(chunk.path) as file:
        schema = file.schema_arrow
        wanted = wanted_columns(schema, chunk.path, options)
        said = options.agent if options.agent is not None else chunk.agent
        if with_agent and said is None and "agent" not in wanted:
            _refuse_owners(file, chunk, wanted)
        if said is not None or not with_agent:
            wanted = {role: name for role, name in wanted.items() if role != "agent"}
        for row, batch in _batches(file, chunk, list(wanted.values())):
            part, skipped, outside = state_columns(batch, chunk.path, row, options)
            parts.append(part)
            nulls += skipped
            clamped += outside
    t = np.concatenate([p[0] for p in parts])
    drifts = [p[2] for p in parts if p[2] is not None]
    return (
        (
            t,
            np.concatenate([p[1].T for p in parts], axis=1).T,
            np.concatenate(drifts) if drifts else None,
            np.concatenate([p[3] for p in parts])
            if "agent" in wanted
            else np.full(len(t), said or ""),
        ),
        nulls,
        clamped,
    )


def _refuse_owners(file: Any, chunk: Chunk, wanted: Mapping[str, str]) -> None:
    """Refuse a column that is not read and seems to tell several owners' rows apart."""
    ignored = ignored_columns(file.schema_arrow.names, wanted)

    def stream(chosen: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
        for _, batch in _batches(file, chunk, list(dict.fromkeys(chosen.values()))):
            yield batch

    names = [name for name in ignored if names_an_owner(name)]
    refuse_owners(Table(file.schema_arrow, stream), names, chunk.path)


def _batches(file: Any, chunk: Chunk, columns: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield batches of a chunk's rows, each with the number of its first row in the file."""
    ends = np.cumsum([file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)])
    first = int(np.searchsorted(ends, chunk.start, "right"))
    last = int(np.searchsorted(ends, chunk.stop, "left"))
    row, read = int(ends[first - 1]) if first else 0, 0
    groups = range(first, last + 1)
    for batch in file.iter_batches(_READ_ROWS, groups, columns=columns, use_threads=False):
        a = max(chunk.start - row, 0)
        b = min(chunk.stop - row, batch.num_rows)
        if a < b:
            yield row + a, batch.slice(a, b - a)
            read += b - a
        row += batch.num_rows
    if read != chunk.stop - chunk.start:
        raise InputError(f"{chunk.path}: holds fewer rows than it says; fetch it again")


def _read_updates(chunk: Chunk) -> Read:
    name = chunk.path if chunk.start == 0 else f"{chunk.path}, from byte {chunk.start}"
    found = read_updates(_lines(chunk), name, chunk.options)
    parts = part_of_updates(*found, name, chunk.options)
    said = chunk.options.agent
    return Read(
        [
            Columns(said or part.agents, -1, part.t, np.asfortranarray(part.X), part.drift)
            for part in parts
            if len(part.t)
        ],
        sum(part.rows for part in parts),
        sum(part.null_rows for part in parts),
        sum(part.clamped for part in parts),
        {f"{chunk.path}, agent {p.agents}": p.limited for p in parts if p.limited is not None},
    )


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
