"""The shards of a published dataset: their footers by range, and no more than is needed of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...core.errors import InputError
from ...trajectory.dataset.labels import class_names
from ...trajectory.dataset.metadata import OwnerFacts, cut_facts, owner_facts, said_facts
from ..publishing.client import Hub, Snapshot
from ..publishing.plan import RepoName
from ..publishing.ranges import RangeFile, cached_tail

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

__all__ = ["KEYS", "STATES", "Shard", "Shards"]

KEYS: Final = ("agent", "t_start", "t_end")
STATES: Final = ("t", "E", "I", "S", "V")


@dataclass(frozen=True)
class Shard:
    """What a shard is, as its footer has it.

    Attributes
    ----------
    path, rows, schema
        Where it lies, how many windows it holds, and in which columns.
    said
        How its windows were cut, as far as it says so: `window`, `stride`, `seed`.
    names
        Of the classes of `shape`, where it says them.
    owners
        Owner to facts of his windows.
    """

    path: str
    rows: int
    schema: pa.Schema
    said: Mapping[str, int]
    names: tuple[str, ...] | None
    owners: Mapping[str, OwnerFacts]

    @property
    def older(self) -> bool:
        """Whether it is in the schema of the first publication: JSON in strings."""
        from ...trajectory.sources.published import STATES_COLUMN

        return STATES_COLUMN in self.schema.names

    @property
    def has_windows(self) -> bool:
        """Whether it holds windows of states at all."""
        needed = {*STATES, "shape", "t_start", "t_end"}
        return self.older or needed <= set(self.schema.names)


@dataclass
class Shards:
    """Reads shards of one dataset; what was read once is kept, by its content.

    `planned` are files of a rehearsal, as if they were there.
    """

    hub: Hub
    name: RepoName
    id: str
    planned: dict[str, bytes] = field(default_factory=dict)
    _known: dict[str, Shard] = field(default_factory=dict)
    _whole: dict[str, pa.Table] = field(default_factory=dict)

    def at(self, there: Snapshot, path: str) -> Shard:
        """Return what the footer of a shard says; columns are read only where it cannot decide.

        Raises
        ------
        InputError
            It is not Parquet, or holds what cannot be understood.
        """
        oid = there.oids[path]
        if oid not in self._known:
            self._known[oid] = self._read(there, path)
        return self._known[oid]

    def file(self, there: Snapshot, path: str) -> parquet.ParquetFile:
        """Open a shard; what is read of it is fetched then, and no more."""
        import pyarrow as pa
        from pyarrow import parquet

        if path in self.planned:
            return parquet.ParquetFile(pa.BufferReader(self.planned[path]))
        size, oid = there.sizes[path], there.oids[path]

        def fetch(start: int, stop: int) -> bytes:
            return self.hub.read_range(self.name, self.id, there.sha, path, start, stop)

        tail = cached_tail(oid, size, fetch)
        stream = pa.PythonFile(RangeFile(size, tail, fetch), mode="r")
        try:  # the footer from what is at hand: asked itself, Arrow would read more than that
            footer = parquet.read_metadata(pa.BufferReader(tail))
            return parquet.ParquetFile(stream, metadata=footer, pre_buffer=False)
        except pa.ArrowInvalid as error:
            raise InputError(f"{self.id}: {path} is not Parquet ({error})") from error

    def whole(self, there: Snapshot, path: str) -> pa.Table:
        """Return all of a shard, in its own schema, by way of the Hub's cache."""
        import pyarrow as pa
        from pyarrow import parquet

        oid = there.oids[path]
        if oid in self._whole:
            return self._whole[oid]
        if path in self.planned:
            source: Any = pa.BufferReader(self.planned[path])
        else:
            source = self.hub.download(self.name, self.id, there.sha, path)
        try:
            with parquet.ParquetFile(source) as file:
                table = file.read()
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{self.id}: {path} is not Parquet ({error})") from error
        return table

    def keys(self, there: Snapshot, path: str) -> pa.Table:
        """Return owner, first and last time of each window of a shard."""
        if self.at(there, path).older:
            return self._older(there, path).select(KEYS)
        return _keys(self.file(there, path), None)

    def window_at(self, there: Snapshot, path: str, owner: str, until: float) -> pa.Table | None:
        """Return the latest window of an owner that starts by a time, in one row; None: none."""
        import pyarrow.compute as pc

        if self.at(there, path).older:
            table = self._older(there, path)
            return _latest(table, owner, until)
        file = self.file(there, path)
        best: pa.Table | None = None
        for group in _groups(file, owner, until):
            if best is not None and group[0] < best["t_start"][0].as_py():
                break
            names = [n for n in (*STATES, "ethical_drift", *KEYS) if n in file.schema_arrow.names]
            found = _latest(_with_agent(file.read_row_group(group[1], names)), owner, until)
            if found is not None and (
                best is None or pc.greater(found["t_start"], best["t_start"])[0].as_py()
            ):
                best = found
        return best

    def _read(self, there: Snapshot, path: str) -> Shard:
        import pyarrow as pa

        file = self.file(there, path)
        schema, rows = file.schema_arrow, file.metadata.num_rows
        said = dict(cut_facts(pa.Table.from_batches([], schema)))
        plain = Shard(path, rows, schema, said, _names(schema), {})
        if not plain.has_windows:
            return plain
        if plain.older:
            table = self._older(there, path)
            lengths = set(table["t"].combine_chunks().value_lengths().to_pylist())
            said |= {"window": lengths.pop()} if len(lengths) == 1 else {}
            return Shard(path, rows, schema, said, None, owner_facts(table))
        if rows and "window" not in said:
            said |= {"window": _window(file, f"{self.id}: {path}")}
        owners = said_facts(file.metadata.metadata, rows)
        if owners is None:
            owners = _facts_of_groups(file)
        return Shard(path, rows, schema, said, plain.names, owners)

    def _older(self, there: Snapshot, path: str) -> pa.Table:
        from ...trajectory.sources.published import typed_from_published

        key = f"typed:{there.oids[path]}"
        if key not in self._whole:
            table = self.whole(there, path)
            self._whole[key] = typed_from_published(table, f"{self.id}: {path}")
        return self._whole[key]


def _names(schema: pa.Schema) -> tuple[str, ...] | None:
    names = class_names(schema)
    return None if names is None else tuple(names)


def _window(file: parquet.ParquetFile, what: str) -> int:
    """Return how many states a window has: the column of times says how many values it holds."""
    metadata = file.metadata
    paths = [metadata.schema.column(i).path.split(".")[0] for i in range(metadata.num_columns)]
    at = paths.index("t")
    values = sum(metadata.row_group(i).column(at).num_values for i in range(file.num_row_groups))
    window, left = divmod(values, metadata.num_rows)
    if left:
        raise InputError(
            f"{what} holds windows of several lengths, so it cannot grow; publish each length as "
            "a config of its own"
        )
    return int(window)


def _statistics(file: parquet.ParquetFile, group: int) -> dict[str, Any]:
    """Return the statistics of a row group's keys, by column; None where there are none."""
    row_group, found = file.metadata.row_group(group), {}
    for i in range(row_group.num_columns):
        column = row_group.column(i)
        if column.path_in_schema in KEYS:
            stats = column.statistics
            found[column.path_in_schema] = stats if stats and stats.has_min_max else None
    return found


def _facts_of_groups(file: parquet.ParquetFile) -> dict[str, OwnerFacts]:
    """Gather facts from the row groups' statistics; the keys are read where owners share one."""
    found: dict[str, OwnerFacts] = {}
    has_agent = "agent" in file.schema_arrow.names
    for group in range(file.num_row_groups):
        stats = _statistics(file, group)
        agent, start, end = (stats.get(name) for name in KEYS)
        alone = not has_agent or (agent and agent.min == agent.max and not agent.null_count)
        if start and end and alone:
            owner = str(agent.min) if agent else ""
            facts = OwnerFacts(
                file.metadata.row_group(group).num_rows,
                float(start.min), float(start.max), float(end.max), float(end.max),
            )  # fmt: skip
            new = {owner: facts}
        else:
            new = owner_facts(_keys(file, group))
        for owner, facts in new.items():
            found[owner] = found[owner].joined(facts) if owner in found else facts
    return found


def _keys(file: parquet.ParquetFile, group: int | None) -> pa.Table:
    names = [name for name in KEYS if name in file.schema_arrow.names]
    table = file.read(names) if group is None else file.read_row_group(group, names)
    return _with_agent(table).select(KEYS)


def _with_agent(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    if "agent" in table.column_names:
        at = table.column_names.index("agent")
        return table.set_column(at, "agent", table["agent"].cast(pa.string()))
    return table.append_column("agent", pa.array([""] * len(table), pa.string()))


def _groups(file: parquet.ParquetFile, owner: str, until: float) -> list[tuple[float, int]]:
    """Return the row groups that may hold an owner's windows that start by a time, latest first."""
    found = []
    for group in range(file.num_row_groups):
        stats = _statistics(file, group)
        agent, start = stats.get("agent"), stats.get("t_start")
        if agent and not agent.min <= owner <= agent.max:
            continue
        if start and start.min > until:
            continue
        found.append((float(start.max) if start else np.inf, group))
    return sorted(found, reverse=True)


def _latest(table: pa.Table, owner: str, until: float) -> pa.Table | None:
    import pyarrow.compute as pc

    start, end = (np.asarray(table[name], np.float64) for name in ("t_start", "t_end"))
    mine = np.asarray(pc.equal(table["agent"], owner).fill_null(False)) & (start <= until)
    rows = np.flatnonzero(mine)
    if not rows.size:
        return None
    return table.slice(int(rows[np.lexsort((end[rows], start[rows]))[-1]]), 1)
