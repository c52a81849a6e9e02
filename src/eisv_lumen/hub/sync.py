"""Grow a published dataset: read its head, append what it lacks, commit onto exactly that head."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import InputError
from .patterns import Patterns, patterns_of
from .plan import CARD, RepoName, Stamp, stamp
from .remote import Hub, MovedError, Snapshot
from .retry import Backoff, explain

if TYPE_CHECKING:
    import pyarrow as pa

    from ..trajectory.sources.common import Source as States

__all__ = ["SyncOutcome", "sync"]

_SPLIT: Final = "train"


@dataclass(frozen=True)
class SyncOutcome:
    """What a growth has added.

    Attributes
    ----------
    status
        `grown`, or `unchanged` where there was nothing new; of a rehearsal, `would_grow`.
    windows
        How many windows were added, or would be, by config.
    commit
        The head that holds them, or that was looked at.
    """

    status: Literal["grown", "unchanged", "would_grow"]
    windows: dict[str, int]
    commit: str


def sync(
    id: str,
    states: States,
    *,
    stride: int | None = None,
    dry_run: bool = False,
    backoff: Backoff | None = None,
    report: Callable[[str], None] = lambda doing: None,
) -> SyncOutcome:
    """Append to a dataset on the Hub the windows that it lacks.

    New windows continue the grid of the published ones, agent by agent, in each config (the
    windows' length is the config's own), and go to `train` as one more Parquet shard. Windows that
    an earlier growth and a later publish both brought are taken out of the grown shards. A dataset
    of the older schema, with JSON in strings, is brought into the typed one first. Others may grow
    the same dataset meanwhile: nothing is lost or doubled.

    Parameters
    ----------
    id
        Namespace and name of the dataset. Its card's `configs` say where its shards are.
    states
        Series by agent, and what was uttered; what is published already may be left out or not.
    stride
        With which the published windows were cut; by default what their shards say.
    dry_run
        Change nothing: say what would be added.
    backoff
        Patience with each request.
    report
        Told what is being done.

    Raises
    ------
    InputError
        There is no such dataset, it is not one of ours, `stride` is not that of its windows or
        known to nobody, nobody may write to it, or the Hub cannot be reached; the same command
        resumes.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", id):
        raise InputError(f"{id}: give the dataset as NAMESPACE/NAME")
    owners = [(one.source, one.agent) for one in states.series]
    if twice := {owner for owner in owners if owners.count(owner) > 1}:
        source, agent = twice.pop()
        raise InputError(f"{source} {agent}: two series of one agent; join them in order of time")
    hub = Hub(backoff)
    namespace, name = id.split("/")
    hub.check_rights(namespace)
    growth = _Growth(hub, RepoName("dataset", name), id, states, stride, report)
    return growth.rehearse() if dry_run else growth.run()


@dataclass
class _Change:
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
class _Growth:
    hub: Hub
    name: RepoName
    id: str
    states: States
    stride: int | None
    report: Callable[[str], None]
    shards: dict[str, pa.Table] = field(default_factory=dict)  # by oid: a retry reads only news
    planned: dict[str, bytes] = field(default_factory=dict)  # of a rehearsal: as if it were there

    def rehearse(self) -> SyncOutcome:
        """Look as `run` does, as if what comes first were committed; commit nothing."""
        there = self._snapshot()
        change = self._look(there)
        while change.write and not change.added:  # the older schema, or what stands there twice
            self.report(f"would first: {change.message}")
            oids = {p: oid for p, oid in there.oids.items() if p not in change.delete}
            oids |= {path: made.sha256 for path, (_, made) in change.write.items()}
            self.planned |= {path: data for path, (data, _) in change.write.items()}
            there = replace(there, oids=oids)
            change = self._look(there)
        windows: dict[str, int] = {}
        for config, n in change.added.values():
            windows[config] = windows.get(config, 0) + n
        return SyncOutcome("would_grow" if windows else "unchanged", windows, there.sha)

    def _snapshot(self) -> Snapshot:
        self.report(f"reading {self.id}")
        there = self.hub.snapshot(self.name, self.id)
        if there is None:
            raise InputError(f"{self.id}: no such dataset; publish it first")
        return there

    def run(self) -> SyncOutcome:
        waits = self.hub.backoff.waits()
        tried: dict[str, tuple[str, str, int]] = {}  # path: sha256, config, windows
        while True:
            there = self._snapshot()
            change = self._look(there)
            if not change.write and not change.delete:
                return _outcome(there, tried)
            tried |= {
                path: (change.write[path][1].sha256, config, n)
                for path, (config, n) in change.added.items()
            }
            self.report(change.message)
            try:
                self.hub.commit(
                    self.name, self.id, there.sha, change.write, change.delete, change.message
                )
            except MovedError as moved:
                wait = next(waits, None)
                if wait is None:
                    raise explain(moved.__cause__ or moved, f"committing to {self.id}") from None
                time.sleep(wait)

    def _look(self, there: Snapshot) -> _Change:
        from ..trajectory.sources.published import STATES_COLUMN
        from .growth import reserved_until

        tables = {p: self._read(there, p) for p in sorted(there.oids) if p.endswith(".parquet")}
        if any(STATES_COLUMN in table.column_names for table in tables.values()):
            return self._migrated(there, tables)
        change = _Change()
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
        self, patterns: dict[str, str], tables: dict[str, pa.Table], change: _Change
    ) -> _Config:
        """Read a configuration's shards, and take out of the grown ones what stands there twice."""
        from ..trajectory.dataset import typed
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
        self, name: str, config: _Config, reserved: dict[tuple[str, str], float], change: _Change
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

    def _migrated(self, there: Snapshot, tables: dict[str, pa.Table]) -> _Change:
        """Bring a dataset of the older schema into the typed one; all else of its card stays."""
        from .growth import stride_of
        from .migrate import migrate

        stride_of([], self.stride, f"{self.id}: the older schema")  # before anything is changed
        card = self.hub.read(self.name, self.id, there.sha, CARD) if CARD in there.oids else b""
        change = _Change("Bring JSON in strings into typed columns", delete=list(tables))
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


def _outcome(there: Snapshot, tried: dict[str, tuple[str, str, int]]) -> SyncOutcome:
    """Count what of all that was sent is there."""
    windows: dict[str, int] = {}
    for path, (sha256, config, n) in tried.items():
        if there.oids.get(path) == sha256:
            windows[config] = windows.get(config, 0) + n
    return SyncOutcome("grown" if windows else "unchanged", windows, there.sha)


def _grown(path: str) -> int:
    """Return the number of a shard that was grown, 0 of any other."""
    hit = re.search(r"grown-(\d{5})", path)
    return int(hit[1]) if hit else 0
