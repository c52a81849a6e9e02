"""A look at a published dataset: what it lacks, holds twice, or has in another split as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ...core.arrow import arrow_array
from ...core.errors import InputError
from ...trajectory.dataset.layouts import Layout, grown_number, layouts_of
from ..publishing.client import Snapshot
from ..publishing.grown import to_keep
from ..publishing.plan import CARD, Stamp, stamp
from .cards import Count, recounted
from .schemas import class_names, in_older_columns, in_own_columns
from .shards import Shard, Shards

if TYPE_CHECKING:
    import pyarrow as pa

    from ...trajectory.dataset.metadata import OwnerFacts
    from ...trajectory.sources.common import Source as States
    from .growth import Grid, LastWindow

__all__ = ["SPLIT", "Change", "Look", "Read"]

SPLIT: Final = "train"
"""The one that grows."""

Read = Callable[[Mapping[str, float]], "States"]
"""Reads a log, given when the last published window of each owner begins [s]: what came before
may be left out."""


@dataclass
class Change:
    """What one look found to be lacking, doubled or old."""

    message: str = ""
    write: dict[str, tuple[bytes, Stamp]] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    added: dict[str, tuple[str, int]] = field(default_factory=dict)  # path: config, windows
    counts: dict[str, Count] = field(default_factory=dict)  # config: what it has more

    def put(self, path: str, data: bytes) -> None:
        """Write a file."""
        self.write[path] = (data, stamp(data))

    def count(self, layout: Layout, rows: int, memory: int, files: int) -> None:
        """Remember that a layout's configs have so many rows more, or less."""
        for config in layout.configs:
            more = Count(rows, memory, files)
            self.counts[config] = self.counts.get(config, Count()) + more


@dataclass
class Published:
    """A config as it is published: its layout, and what its shards' footers say."""

    layout: Layout
    splits: dict[str, list[Shard]]

    @property
    def shards(self) -> list[Shard]:
        """All of them."""
        return [shard for many in self.splits.values() for shard in many]

    @property
    def older(self) -> bool:
        """Whether it is in the schema of the first publication."""
        return any(shard.older for shard in self.shards)

    def owners(self) -> dict[str, OwnerFacts]:
        """Return each owner's facts, over all splits."""
        found: dict[str, OwnerFacts] = {}
        for shard in self.shards:
            for owner, facts in shard.owners.items():
                found[owner] = found[owner].joined(facts) if owner in found else facts
        return found


@dataclass
class Look:
    """Looks at one dataset that is to hold the windows of a log.

    Attributes
    ----------
    shards
        Reads the dataset's shards.
    read
        Reads the log.
    stride
        As the user has given it.
    sure
        Whether the user has said whose the log is.
    say
        Told of what is dropped or assumed.
    """

    shards: Shards
    read: Read
    stride: int | None
    sure: bool
    say: Callable[[str], None]
    _states: States | None = None
    _since: dict[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The dataset's."""
        return self.shards.id

    def published(self, there: Snapshot) -> list[Published]:
        """Return the configs that hold windows.

        Raises
        ------
        InputError
            None does, or one does in part.
        """
        found = []
        for layout in layouts_of(self.card(there), there.oids, self.id):
            splits = {
                split: [self.shards.at(there, path) for path in paths]
                for split, paths in layout.splits.items()
            }
            one = Published(layout, splits)
            fitting = [shard.has_windows for shard in one.shards]
            if not any(fitting):
                continue
            if not all(fitting):
                stranger = one.shards[fitting.index(False)]
                raise InputError(
                    f"{self.id}: {stranger.path}: not the typed dataset, it lacks columns that "
                    f"the other shards of {layout.name} have; take it away"
                )
            found.append(one)
        if not found:
            raise InputError(
                f"{self.id}: holds no windows of states in Parquet that load_dataset would read; "
                "publish it first"
            )
        return found

    def at(self, there: Snapshot) -> Change:
        """Return what is to be changed in a revision.

        Raises
        ------
        InputError
            It is not one of ours, `stride` is not that of its windows or known to nobody, or the
            log does not go on from what is published.
        """
        from .logs import Logs

        configs, change = self.published(there), Change()
        grids = [self._grid(config) for config in configs]
        self._tidy(there, configs, change)
        states = self._read(configs)
        reserved: dict[str, float] = {}
        for config in configs:
            for split, many in config.splits.items():
                for owner, facts in ((o, f) for s in many for o, f in s.owners.items()):
                    if split != SPLIT:
                        reserved[owner] = max(reserved.get(owner, facts.reach), facts.reach)
        logs = Logs(self.shards, there, configs, self.sure, self.say)
        states = logs.identified(states)
        for config, grid in zip(configs, grids, strict=True):
            self._grow(there, config, grid, states, logs.last(config, states), reserved, change)
        card = recounted(self.card(there), SPLIT, change.counts)
        if card is not None:
            change.put(CARD, card)
        windows = sum(n for _, n in change.added.values())
        change.message = f"Grow by {windows} windows" if windows else "Take out repeated windows"
        return change

    def _grid(self, config: Published) -> Grid:
        from .growth import Grid, stride_of

        what = f"{self.id}: {config.layout.name}"
        lengths = {shard.said["window"] for shard in config.shards if "window" in shard.said}
        if len(lengths) > 1 or any(s.older and s.rows and not s.said for s in config.shards):
            raise InputError(
                f"{what} holds windows of several lengths, so it cannot grow; publish each length "
                "as a config of its own (the older schema: --migrate does so)"
            )
        if not lengths:
            raise InputError(f"{what} has no windows to tell their length by")
        said = (shard.said["stride"] for shard in config.shards if "stride" in shard.said)
        if config.older:
            what = f"{self.id}: the older schema"
        return Grid(lengths.pop(), stride_of(said, self.stride, what))

    def _read(self, configs: list[Published]) -> States:
        """Read the log from the last published windows on; again only where they went back."""
        since: dict[str, float] = {}
        for config in configs:
            for owner, facts in config.owners().items():
                since[owner] = min(since.get(owner, facts.last), facts.last)
        known = self._since
        held = all(owner in since and since[owner] >= time for owner, time in known.items())
        if self._states is None or not held:
            self._states, self._since = self.read(since), since
        return self._states

    def _tidy(self, there: Snapshot, configs: list[Published], change: Change) -> None:
        """Take out of the grown shards what stands elsewhere too, or meets another split.

        Their footers tell where that can be; only there are keys read.
        """
        from .growth import parquet_bytes

        others = {
            shard.path: shard
            for config in configs
            for split, many in config.splits.items()
            if split != SPLIT
            for shard in many
        }
        for config in configs:
            grown = [s for s in config.splits.get(SPLIT, []) if grown_number(s.path)]
            same = [shard for shard in config.shards if shard not in grown]
            if not any(
                _meet(one, other, states=other.path in others)
                for one in grown
                for other in [*same, *others.values(), *grown]
                if one is not other
            ):
                continue
            keys = {shard.path: self.shards.keys(there, shard.path) for shard in grown}
            masks = to_keep(
                keys,
                [self.shards.keys(there, shard.path) for shard in same],
                [self.shards.keys(there, path) for path in others],
            )
            for path, mask in masks.items():
                if mask.all():
                    continue
                table = self.shards.whole(there, path)
                kept, size = table.filter(arrow_array(mask)), 0
                if mask.any():
                    data = parquet_bytes(kept)
                    change.put(path, data)
                    size = len(data)
                else:
                    change.delete.append(path)
                less = kept.nbytes - table.nbytes, size - there.sizes.get(path, 0)
                change.count(config.layout, len(kept) - len(table), *less)
            out = sum(int((~mask).sum()) for mask in masks.values())
            if out:
                self.say(
                    f"{config.layout.name}: {out} grown windows stand elsewhere too, or meet "
                    "another split: taken out"
                )

    def _grow(
        self,
        there: Snapshot,
        config: Published,
        grid: Grid,
        states: States,
        last: Mapping[str, LastWindow],
        reserved: Mapping[str, float],
        change: Change,
    ) -> None:
        from . import growth

        layout, what = config.layout, f"{self.id}: {config.layout.name}"
        card = self.card(there)
        fresh = growth.new_windows(states, last, reserved=reserved, grid=grid)
        if not len(fresh):
            return
        fresh = growth.in_time(fresh)
        taken = [path for path in {*there.oids, *change.write} if path not in change.delete]
        path = layout.new_shard(SPLIT, card or b"", taken, self.id)
        rows, unfilled = self._in_their_columns(fresh, config, card, what)
        if unfilled:
            self.say(f"{what}: nothing is known for {', '.join(unfilled)}: left empty")
        data = growth.parquet_bytes(rows)
        change.put(path, data)
        change.count(layout, len(rows), rows.nbytes, len(data))
        change.added[path] = ("/".join(layout.configs), len(fresh))

    def _in_their_columns(
        self, fresh: pa.Table, config: Published, card: bytes | None, what: str
    ) -> tuple[pa.Table, list[str]]:
        from ...trajectory.dataset.metadata import cut_facts, with_cut_facts

        like = max(config.splits[SPLIT] or config.shards, key=lambda shard: shard.path)
        if config.older:
            rows, unfilled = in_older_columns(fresh, like.schema, what)
        else:
            said = [shard.names for shard in config.shards]
            names = class_names(said, card, config.layout.configs[0], what)
            rows, unfilled = in_own_columns(fresh, like.schema, names)
        return with_cut_facts(rows, **cut_facts(fresh)), unfilled

    def card(self, there: Snapshot) -> bytes | None:
        """Return the dataset's card, None where it has none."""
        if CARD not in there.oids:
            return None
        if CARD in self.shards.planned:
            return self.shards.planned[CARD]
        return self.shards.hub.read(self.shards.name, self.id, there.sha, CARD)


def _meet(one: Shard, other: Shard, *, states: bool) -> bool:
    """Say whether two shards can hold the same window, or share a state, by their footers."""
    return any(
        mine.first <= (theirs.reach if states else theirs.last)
        and theirs.first <= (mine.reach if states else mine.last)
        for owner, mine in one.owners.items()
        if (theirs := other.owners.get(owner)) is not None
    )
