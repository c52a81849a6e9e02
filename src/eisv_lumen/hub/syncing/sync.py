"""Grow a published dataset: read its head, append what it lacks, commit onto exactly that head."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from ...core.errors import InputError
from ...core.notices import notice
from ..publishing.client import Hub, MovedError, Pull, Snapshot
from ..publishing.plan import RepoName
from ..publishing.retry import Backoff, Pause, explain
from .compact import MOST_GROWN, compacted, grown_shards
from .diff import Change, Look, Read
from .shards import Shards

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
    states: States | Read,
    *,
    stride: int | None = None,
    agent: str | None = None,
    create_pr: bool = False,
    migrate: bool = False,
    compact: bool = False,
    dry_run: bool = False,
    backoff: Backoff | None = None,
    report: Callable[[str], None] = lambda doing: None,
) -> SyncOutcome:
    """Append to a dataset on the Hub the windows that it lacks.

    It may lie in any way that `load_dataset` reads. New windows continue the grid of the published
    ones, owner by owner, in each config, and go to `train` as one more shard, in the dataset's own
    columns and order of classes. Owners and states are compared, never the names of files. Others
    may grow it meanwhile: nothing is lost or doubled.

    Parameters
    ----------
    id
        Namespace and name of the dataset.
    states
        Series by agent, and what was uttered, with or without what is published already; or a
        function that reads them, given when each owner's last published window starts [s].
    stride
        With which the published windows were cut; by default what their shards say.
    agent
        Whose the log is, where it names no agent; an empty text: nobody's, as published.
    create_pr
        Grow your open pull request, or open one where there is none on today's main.
    migrate
        Bring the older schema (JSON in strings) into typed columns first; its head gets a tag.
    compact
        Join grown shards, however few there are.
    dry_run
        Change nothing: say what would be added. Of a public dataset, nobody need be logged in.
    backoff, report
        Patience with each request; told what is being done.

    Raises
    ------
    InputError
        The dataset is not there or not understood, the log does not go on from it, nobody may
        write to it, or the Hub cannot be reached; the same command resumes.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", id):
        raise InputError(f"{id}: give the dataset as NAMESPACE/NAME")
    hub, (namespace, name) = Hub(backoff), id.split("/")
    me = hub.who() if dry_run else hub.check_rights(namespace, create_pr=create_pr)

    read = _reader(states, agent)
    shards = Shards(hub, RepoName("dataset", name), id)
    look = Look(shards, read, stride, agent is not None, _once(notice))
    growth = _Growth(look, report, me if create_pr else None, migrate, compact)
    return growth.rehearse() if dry_run else growth.run()


def _reader(states: States | Read, agent: str | None) -> Read:
    """Return what reads the log, under the name that the user gives its owner."""

    def read(since: Mapping[str, float]) -> States:
        found = states(since) if callable(states) else states
        return found if agent is None else _owned(found, agent)

    return read


def _owned(states: States, agent: str) -> States:
    if len(states.series) > 1:
        raise InputError(
            f"--agent {agent}: the log names {len(states.series)} agents itself; leave it out"
        )
    return replace(states, series=[replace(one, agent=agent) for one in states.series])


def _once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that says each sentence once, however often one looks."""
    said: set[str] = set()

    def tell(text: str) -> None:
        if text not in said:
            said.add(text)
            say(text)

    return tell


@dataclass
class _Growth:
    """`author` opens pull requests, None commits to main; `pull` is the one that is to grow."""

    look: Look
    report: Callable[[str], None]
    author: str | None
    migrate: bool
    compact: bool
    pull: Pull | None = None
    _landed: dict[str, str] = field(default_factory=dict)  # commit to what it was for

    def rehearse(self) -> SyncOutcome:
        """Look as `run` does, as if what comes first were committed; commit nothing."""
        there = self._head()
        if self.migrate and (change := self._migration(there)):
            self.report(f"would first: {change.message}")
            shards = self.look.shards
            shards.planned |= {path: data for path, (data, _) in change.write.items()}
            oids = {p: oid for p, oid in there.oids.items() if p not in change.delete}
            oids |= {path: made.sha256 for path, (_, made) in change.write.items()}
            there = replace(there, oids=oids)
        return self._outcome("would_grow", self.look.at(there).added.values(), there)

    def run(self) -> SyncOutcome:
        pause = Pause(self.look.shards.hub.backoff, f"committing to {self.look.id}")
        tried: dict[str, tuple[str, str, int]] = {}  # path: sha256, config, windows
        while True:
            there = self._head()
            change = self._next(there)
            if change is None:
                sent = (made[1:] for path, made in tried.items() if there.oids.get(path) == made[0])
                return self._outcome("grown", sent, there)
            kind = "growth" if change.added else change.message
            if self._landed.get(there.sha) == kind:
                paths = ", ".join(change.write)
                raise InputError(
                    f"{self.look.id}: the Hub took the commit, but {paths or 'it'} is not seen "
                    "there, so nothing more is sent; look into the repository's files and its "
                    "card's `configs`"
                )
            tried |= {
                path: (change.write[path][1].sha256, config, n)
                for path, (config, n) in change.added.items()
            }
            self.report(change.message)
            try:
                self._landed[self._commit(there, change)] = kind
            except MovedError as moved:
                if not pause(moved.__cause__):
                    doing = f"committing to {self.look.id}"
                    raise explain(moved.__cause__ or moved, doing) from None

    def _next(self, there: Snapshot) -> Change | None:
        """Return what is to be done next in a revision, None: nothing."""
        if self.migrate and (change := self._migration(there)):
            self._tag(there)
            return change
        change = self.look.at(there)
        if change.write or change.delete:
            return change
        grown = grown_shards(self.look.published(there))
        if sum(map(len, grown.values())) > MOST_GROWN or self.compact:
            return compacted(self.look, there, grown, whole=self.compact)
        return None

    def _migration(self, there: Snapshot) -> Change | None:
        """Return what brings the older schema into typed columns, None where nothing is older."""
        from .growth import stride_of
        from .migrate import TAG, migrate

        look = self.look
        if not any(config.older for config in look.published(there)):
            return None
        stride = stride_of([], look.stride, f"{look.id}: the older schema")
        tables = {
            path: look.shards.whole(there, path) for path in there.oids if path.endswith(".parquet")
        }
        tag = TAG.format(there.sha[:8])
        change = Change("Bring JSON in strings into typed columns", delete=list(tables))
        card = look.card(there) or b""
        for path, data in migrate(tables, card, look.id, tag=tag, stride=stride).items():
            change.put(path, data)
            if path in change.delete:
                change.delete.remove(path)
        return change

    def _tag(self, there: Snapshot) -> None:
        """Keep the revision that is about to be migrated under a tag."""
        from .migrate import TAG

        shards, tag = self.look.shards, TAG.format(there.sha[:8])
        if self.author is None and tag not in shards.hub.tags(shards.name, shards.id):
            self.report(f"tagging what stands there as {tag}")
            shards.hub.tag(shards.name, shards.id, tag, there.sha)

    def _head(self) -> Snapshot:
        """Return what is to grow: the head of main, or of our open pull request onto it."""
        self.report(f"reading {self.look.id}")
        main = self._at(None)
        if self.author is not None and self.pull is None:
            self.pull = self._open_pull(main.sha, self.author)
        return main if self.pull is None else self._at(self.pull.revision)

    def _at(self, revision: str | None) -> Snapshot:
        shards = self.look.shards
        there = shards.hub.snapshot(shards.name, shards.id, revision)
        if there is None:
            raise InputError(
                f"{shards.id}: no such dataset, or it is private and you may not read it; check "
                "the spelling and `hf auth whoami`, or publish it first"
            )
        return there

    def _open_pull(self, main: str, author: str) -> Pull | None:
        """Return our open pull request, but none that stands on an older main."""
        shards = self.look.shards
        for pull in shards.hub.pulls(shards.name, shards.id, _TITLE, author):
            if main in shards.hub.history(shards.name, shards.id, pull.revision):
                return pull
            self.report(f"leaving {pull.page} as it is, since main has moved on: close it")
        return None

    def _commit(self, there: Snapshot, change: Change) -> str:
        shards, opens = self.look.shards, self.author is not None and self.pull is None
        sent = shards.hub.commit(
            shards.name,
            shards.id,
            there.sha,
            change.write,
            change.delete,
            _TITLE if opens else change.message,
            description=change.message if opens else "",
            create_pr=opens,
            revision=self.pull.revision if self.pull else None,
        )
        self.pull = self.pull or sent.pull
        return sent.oid

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
