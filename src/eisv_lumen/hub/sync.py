"""Grow a published dataset: read its head, append what it lacks, commit onto exactly that head."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ..errors import InputError
from .look import Look
from .plan import RepoName
from .remote import Hub, MovedError, Snapshot
from .retry import Backoff, explain

if TYPE_CHECKING:
    from ..trajectory.sources.common import Source as States

__all__ = ["SyncOutcome", "sync"]


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
    growth = _Growth(Look(hub, RepoName("dataset", name), id, states, stride), report)
    return growth.rehearse() if dry_run else growth.run()


@dataclass
class _Growth:
    look: Look
    report: Callable[[str], None]

    def rehearse(self) -> SyncOutcome:
        """Look as `run` does, as if what comes first were committed; commit nothing."""
        there = self._snapshot()
        change = self.look.at(there)
        while change.write and not change.added:  # the older schema, or what stands there twice
            self.report(f"would first: {change.message}")
            oids = {p: oid for p, oid in there.oids.items() if p not in change.delete}
            oids |= {path: made.sha256 for path, (_, made) in change.write.items()}
            self.look.planned |= {path: data for path, (data, _) in change.write.items()}
            there = replace(there, oids=oids)
            change = self.look.at(there)
        windows: dict[str, int] = {}
        for config, n in change.added.values():
            windows[config] = windows.get(config, 0) + n
        return SyncOutcome("would_grow" if windows else "unchanged", windows, there.sha)

    def _snapshot(self) -> Snapshot:
        look = self.look
        self.report(f"reading {look.id}")
        there = look.hub.snapshot(look.name, look.id)
        if there is None:
            raise InputError(f"{look.id}: no such dataset; publish it first")
        return there

    def run(self) -> SyncOutcome:
        look, waits = self.look, self.look.hub.backoff.waits()
        tried: dict[str, tuple[str, str, int]] = {}  # path: sha256, config, windows
        while True:
            there = self._snapshot()
            change = self.look.at(there)
            if not change.write and not change.delete:
                return _outcome(there, tried)
            tried |= {
                path: (change.write[path][1].sha256, config, n)
                for path, (config, n) in change.added.items()
            }
            self.report(change.message)
            try:
                look.hub.commit(
                    look.name, look.id, there.sha, change.write, change.delete, change.message
                )
            except MovedError as moved:
                wait = next(waits, None)
                if wait is None:
                    raise explain(moved.__cause__ or moved, f"committing to {look.id}") from None
                time.sleep(wait)


def _outcome(there: Snapshot, tried: dict[str, tuple[str, str, int]]) -> SyncOutcome:
    """Count what of all that was sent is there."""
    windows: dict[str, int] = {}
    for path, (sha256, config, n) in tried.items():
        if there.oids.get(path) == sha256:
            windows[config] = windows.get(config, 0) + n
    return SyncOutcome("grown" if windows else "unchanged", windows, there.sha)
