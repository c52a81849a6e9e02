"""A look at a published dataset: what it lacks, holds twice, or has in the older schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from ...core.errors import InputError
from ..publishing.client import Hub, Snapshot
from ..publishing.plan import CARD, RepoName, Stamp, stamp
from .split_patterns import Patterns, patterns_of

if TYPE_CHECKING:
    import pyarrow as pa

    from ...trajectory.sources.common import Source as States

__all__ = ["Change", "Look"]

_SPLIT: Final = "train"


@dataclass
class Change:
    """What one look found to be lacking, doubled or old."""

    message: str = ""
    write: dict[str, tuple[bytes, Stamp]] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    added: dict[str, tuple[str, int]] = field(default_factory=dict)  # path: config, windows

    def put(self, path: str, data: bytes) -> None:
        self.write[path] = (data, stamp(data))


@dataclass
class _Config:
    """A configuration as it is published: the pattern of the shards that grow, and what is there.

    `grown` is the highest number of a grown shard; `seen` are the keys of all its windows.
    """

    pattern: str
    grown: int
    splits: dict[str, list[pa.Table]] = field(default_factory=dict)
    seen: set[tuple[str, str, float, float]] = field(default_factory=set)


@dataclass
class Look:
    """Looks at one dataset that is to hold the windows of `states`.

    `shards` are those read by now, by oid: a further look reads only news. `planned` are files of
    a rehearsal, as if they were there.
    """

    hub: Hub
    name: RepoName
    id: str
    states: States
    stride: int | None
    shards: dict[str, pa.Table] = field(default_factory=dict)
    planned: dict[str, bytes] = field(default_factory=dict)

    def at(self, there: Snapshot) -> Change:
        """Return what is to be changed in a revision.

        Raises
        ------
        InputError
            It is not one of ours, or `stride` is not that of its windows or known to nobody.
        """
        from ...trajectory.sources.published import STATES_COLUMN
        from .growth import reserved_until

        tables = {p: self._read(there, p) for p in sorted(there.oids) if p.endswith(".parquet")}
        if any(STATES_COLUMN in table.column_names for table in tables.values()):
            return self._migrated(there, tables)
        change = Change()
        configs = {
            name: self._tidied(patterns, tables, change)
            for name, patterns in self._configs(there).items()
        }
        others = (
            table
            for config in configs.values()
            for split, parts in config.splits.items()
            for table in parts
            if split != _SPLIT
        )
        reserved = reserved_until(others)
        for name, config in configs.items():
            self._grow(name, config, reserved, change)
        windows = sum(n for _, n in change.added.values())
        change.message = f"Grow by {windows} windows" if windows else "Take out repeated windows"
        return change

    def _tidied(
        self, patterns: dict[str, str], tables: dict[str, pa.Table], change: Change
    ) -> _Config:
        """Read a configuration's shards, and take out of the grown ones what stands there twice."""
        from ...trajectory.dataset.schema import typed
        from .growth import parquet_bytes, without_repetition

        split_of = {
            path: split
            for split, pattern in patterns.items()
            for path in tables
            if fnmatchcase(path, pattern)
        }
        found = _Config(patterns[_SPLIT], max(map(_grown, split_of), default=0))
        for path in sorted(split_of, key=lambda path: (_grown(path) > 0, path)):
            table = typed(tables[path], f"{self.id}: {path}")
            kept = without_repetition(table, found.seen)
            if _grown(path) and not len(kept):
                change.delete.append(path)
            elif _grown(path) and len(kept) < len(table):
                change.put(path, parquet_bytes(kept))
            found.splits.setdefault(split_of[path], []).append(kept)
        return found

    def _grow(
        self, name: str, config: _Config, reserved: dict[tuple[str, str], float], change: Change
    ) -> None:
        from . import growth

        published = [table for parts in config.splits.values() for table in parts]
        window = next((w for table in published if (w := growth.window_length(table))), None)
        if window is None:
            raise InputError(f"{self.id}: config {name} has no windows to tell their length by")
        stride = growth.stride_of(published, self.stride, f"{self.id}: config {name}")
        cut = {"window": window, "stride": stride}
        new = growth.new_windows(published, self.states, reserved=reserved, **cut)
        fresh = growth.without_repetition(new, config.seen)
        if len(fresh):
            path = config.pattern.replace("*", f"grown-{config.grown + 1:05d}")
            change.put(path, growth.parquet_bytes(fresh))
            change.added[path] = (name, len(fresh))

    def _migrated(self, there: Snapshot, tables: dict[str, pa.Table]) -> Change:
        """Bring a dataset of the older schema into the typed one; all else of its card stays."""
        from .growth import stride_of
        from .migrate import migrate

        stride_of([], self.stride, f"{self.id}: the older schema")  # before anything is changed
        card = self.hub.read(self.name, self.id, there.sha, CARD) if CARD in there.oids else b""
        change = Change("Bring JSON in strings into typed columns", delete=list(tables))
        for path, data in migrate(tables, card, self.id).items():
            change.put(path, data)
            if path in change.delete:
                change.delete.remove(path)
        return change

    def _configs(self, there: Snapshot) -> Patterns:
        if CARD not in there.oids:
            raise InputError(f"{self.id}: has no card; publish it first")
        return patterns_of(self._bytes(there, CARD), self.id, _SPLIT)

    def _bytes(self, there: Snapshot, path: str) -> bytes:
        if path in self.planned:
            return self.planned[path]
        return self.hub.read(self.name, self.id, there.sha, path)

    def _read(self, there: Snapshot, path: str) -> Any:
        import pyarrow as pa
        from pyarrow import parquet

        oid = there.oids[path]
        if oid not in self.shards:
            data = self._bytes(there, path)
            try:
                self.shards[oid] = parquet.read_table(pa.BufferReader(data))
            except pa.ArrowInvalid as error:
                raise InputError(f"{self.id}: {path} is not Parquet ({error})") from error
        return self.shards[oid]


def _grown(path: str) -> int:
    """Return the number of a shard that was grown, 0 of any other."""
    hit = re.search(r"grown-(\d{5})", path)
    return int(hit[1]) if hit else 0
