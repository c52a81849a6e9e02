"""Grow a published dataset: read its head, append what it lacks, commit onto exactly that head."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from ...core.errors import InputError
from ..publishing.client import Hub, MovedError, Pull, Snapshot
from ..publishing.plan import RepoName
from ..publishing.retry import Backoff, explain
from .diff import Change, Look

if TYPE_CHECKING:
    from ...trajectory.sources.common import Source as States

__all__ = ["SyncOutcome", "sync"]

_TITLE: Final = "Grow the dataset"
"""Of pull requests: with their author, what they are known by."""


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
        The head that holds them, or that was looked at: of main, or of the pull request.
    pull_request
        Page of the pull request that holds them, or would; None where they go to main, and of a
        rehearsal that would open one.
    """

    status: Literal["grown", "unchanged", "would_grow"]
    windows: dict[str, int]
    commit: str
    pull_request: str | None = None


def sync(
    id: str,
    states: States,
    *,
    stride: int | None = None,
    create_pr: bool = False,
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
    create_pr
        Leave main as it is: send what it lacks as a pull request. While that is open, it is what
        grows, so there is one, and what it holds is not sent again. Where main has moved on since
        it was opened, it is left as it is, and another one is opened, whole, on today's main.
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
    me = hub.check_rights(namespace, create_pr=create_pr)
    look = Look(hub, RepoName("dataset", name), id, states, stride)
    growth = _Growth(look, report, me if create_pr else None)
    return growth.rehearse() if dry_run else growth.run()


@dataclass
class _Growth:
    """`author` opens pull requests, None commits to main; `pull` is the one that is to grow."""

    look: Look
    report: Callable[[str], None]
    author: str | None
    pull: Pull | None = None

    def rehearse(self) -> SyncOutcome:
        """Look as `run` does, as if what comes first were committed; commit nothing."""
        there = self._head()
        change = self.look.at(there)
        while change.write and not change.added:  # the older schema, or what stands there twice
            self.report(f"would first: {change.message}")
            oids = {p: oid for p, oid in there.oids.items() if p not in change.delete}
            oids |= {path: made.sha256 for path, (_, made) in change.write.items()}
            self.look.planned |= {path: data for path, (data, _) in change.write.items()}
            there = replace(there, oids=oids)
            change = self.look.at(there)
        return self._outcome("would_grow", change.added.values(), there)

    def run(self) -> SyncOutcome:
        waits = self.look.hub.backoff.waits()
        tried: dict[str, tuple[str, str, int]] = {}  # path: sha256, config, windows
        while True:
            there = self._head()
            change = self.look.at(there)
            if not change.write and not change.delete:
                sent = (made[1:] for path, made in tried.items() if there.oids.get(path) == made[0])
                return self._outcome("grown", sent, there)
            tried |= {
                path: (change.write[path][1].sha256, config, n)
                for path, (config, n) in change.added.items()
            }
            self.report(change.message)
            try:
                self._commit(there, change)
            except MovedError as moved:
                wait = next(waits, None)
                if wait is None:
                    doing = f"committing to {self.look.id}"
                    raise explain(moved.__cause__ or moved, doing) from None
                time.sleep(wait)

    def _head(self) -> Snapshot:
        """Return what is to grow: the head of main, or of our open pull request onto it."""
        self.report(f"reading {self.look.id}")
        main = self._at(None)
        if self.author is not None and self.pull is None:
            self.pull = self._open_pull(main.sha, self.author)
        return main if self.pull is None else self._at(self.pull.revision)

    def _at(self, revision: str | None) -> Snapshot:
        look = self.look
        there = look.hub.snapshot(look.name, look.id, revision)
        if there is None:
            raise InputError(f"{look.id}: no such dataset; publish it first")
        return there

    def _open_pull(self, main: str, author: str) -> Pull | None:
        """Return our open pull request, but none that stands on an older main."""
        look = self.look
        for pull in look.hub.pulls(look.name, look.id, _TITLE, author):
            if main in look.hub.history(look.name, look.id, pull.revision):
                return pull
            self.report(f"leaving {pull.page} as it is, since main has moved on: close it")
        return None

    def _commit(self, there: Snapshot, change: Change) -> None:
        look, opens = self.look, self.author is not None and self.pull is None
        sent = look.hub.commit(
            look.name,
            look.id,
            there.sha,
            change.write,
            change.delete,
            _TITLE if opens else change.message,
            description=change.message if opens else "",
            create_pr=opens,
            revision=self.pull.revision if self.pull else None,
        )
        self.pull = self.pull or sent.pull

    def _outcome(
        self,
        status: Literal["grown", "would_grow"],
        added: Iterable[tuple[str, int]],
        there: Snapshot,
    ) -> SyncOutcome:
        """Count windows by config."""
        windows: dict[str, int] = {}
        for config, n in added:
            windows[config] = windows.get(config, 0) + n
        page = self.pull.page if self.pull else None
        return SyncOutcome(status if windows else "unchanged", windows, there.sha, page)
