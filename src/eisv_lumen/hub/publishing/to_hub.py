"""One repo on its way to the Hub: look, compare, commit onto exactly that head, look again.

Whatever happens in between (a lost reply, a kill, another writer), the next look tells what is
left to do: so nothing is doubled, and nothing that somebody else wrote is lost.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ...core.errors import InputError
from ...core.notices import notice
from .client import Hub, MovedError, Sent, Snapshot
from .grown import Trimmed, trimmed
from .plan import (
    MANIFEST,
    Changes,
    PlannedRepo,
    PublishPlan,
    Stamp,
    read_manifest,
    reconcile,
    stamp,
)
from .retry import Pause, explain

__all__ = ["Outcome", "Publication", "Report", "diff", "silent"]

_GITATTRIBUTES = ".gitattributes"

Report = Callable[[PlannedRepo, str, int], None]
"""Told, as it happens: the repo, what is being done, bytes that are done."""


@dataclass(frozen=True)
class Outcome:
    """What became of one repo.

    Attributes
    ----------
    repo
        Name with kind, as in the plan.
    status
        `published` now, `unchanged` since before, `pull_request` opened (or open already), or
        `stopped`.
    where
        Its folder or page; of a pull request, that one's page.
    commit
        The commit that holds the plan's content, on the Hub.
    reason, diff
        Why it was stopped, and what stands there against what was planned.
    """

    repo: str
    status: Literal["published", "unchanged", "pull_request", "stopped"]
    where: str
    commit: str | None = None
    reason: str = ""
    diff: str = ""


def silent(repo: PlannedRepo, doing: str, size: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class _View:
    """A repo's head, compared with the plan."""

    changes: Changes
    ours: bool  # whether we, or only the Hub itself, have written there
    tagged: str | None  # the commit that has the plan's tag


@dataclass(frozen=True)
class Publication:
    """One repo on its way to the Hub."""

    hub: Hub
    plan: PublishPlan
    repo: PlannedRepo
    namespace: str
    private: bool
    create_pr: bool
    report: Report

    def run(self, dry_run: bool) -> Outcome:
        outcome = self._look() if dry_run else self._publish()
        self.report(self.repo, outcome.status, self.repo.size)
        return outcome

    def _look(self) -> Outcome:
        there = self.hub.snapshot(self.repo.name, self.id)
        if there is None:
            return self._outcome("published")
        view = self._compare(there)
        return self._obstacle(there, view) or self._outcome(
            "published" if view.changes else "unchanged", there.sha
        )

    def _publish(self) -> Outcome:
        pause, landed, sent = Pause(self.hub.backoff, f"committing to {self.id}"), None, False
        while True:
            there = self._there()
            view = self._compare(there)
            if stopped := self._obstacle(there, view):
                return stopped
            grown = self._trimmed(there)
            if not view.changes and not grown:
                return self._tagged(there, view, sent)
            if there.sha == landed:
                raise InputError(
                    f"{self.id}: the Hub took the commit without "
                    f"{', '.join(view.changes.write)}; look into the repo's .gitignore"
                )
            if self.create_pr and (page := self._open_pull()):
                return self._outcome("pull_request", where=page)
            sent = True
            try:
                done = self._commit(there, view.changes, grown)
            except MovedError as moved:
                if not pause(moved.__cause__):
                    raise explain(moved.__cause__ or moved, f"committing to {self.id}") from None
                continue
            if self.create_pr:
                return self._outcome("pull_request", where=done.pull.page if done.pull else None)
            landed = done.oid

    def _there(self) -> Snapshot:
        """Return the head of main, of a new repo where there was none."""
        self.report(self.repo, "reading", 0)
        there = self.hub.snapshot(self.repo.name, self.id)
        if there is None:
            self.report(self.repo, "creating", 0)
            self.hub.create(self.repo.name, self.id, self.private)
            there = self.hub.snapshot(self.repo.name, self.id)
        if there is None:
            raise InputError(f"{self.id}: was created, but cannot be read; check the token's scope")
        return there

    def _compare(self, there: Snapshot) -> _View:
        found = {path: oid for path, oid in there.oids.items() if path != _GITATTRIBUTES}
        name, recorded, ours = self.repo.name, {}, True
        if MANIFEST in found:
            manifest = self.hub.read(name, self.id, there.sha, MANIFEST)
            recorded = read_manifest(manifest, self.id)
        elif found and self.hub.is_untouched(name, self.id):  # a new Space comes with a card
            recorded = {path: Stamp(0, oid, oid) for path, oid in found.items()}
        else:
            ours = not found
        tags = {} if self.create_pr else self.hub.tags(name, self.id)
        return _View(reconcile(self.repo.stamps, found, recorded), ours, tags.get(self.plan.tag))

    def _obstacle(self, there: Snapshot, view: _View) -> Outcome | None:
        """Return why we may not go on, None where we may."""
        conflicts = view.changes.conflicts
        if self.private and not there.private:
            return self._stopped("is public already; make it private in its settings first")
        if self.create_pr:
            return None
        if not view.ours and view.changes:
            return self._stopped(
                "the name is taken by a repo that we did not publish; choose another --namespace, "
                "or --create-pr",
                self._diff(there, conflicts),
            )
        if conflicts:
            return self._stopped(
                f"{', '.join(conflicts)} changed on the Hub since we last published; take those "
                "edits into the sources, or use --create-pr",
                self._diff(there, conflicts),
            )
        settled = view.tagged == there.sha and not view.changes
        if view.tagged and not settled and not self._is_planned(view.tagged):
            return self._stopped(
                f"the tag {self.plan.tag} marks other content; give a new one with --tag"
            )
        return None

    def _is_planned(self, revision: str | None) -> bool:
        at = self.hub.snapshot(self.repo.name, self.id, revision)
        return at is not None and all(
            s.is_file(at.oids.get(path)) for path, s in self.repo.stamps.items()
        )

    def _open_pull(self) -> str | None:
        """Return the page of our open pull request with this very content, if there is one."""
        pulls = self.hub.pulls(self.repo.name, self.id, self._message)
        return next((pull.page for pull in pulls if self._is_planned(pull.revision)), None)

    def _trimmed(self, there: Snapshot) -> Trimmed:
        """Return what becomes of the shards that were grown by `data sync` since."""
        if self.repo.name.kind != "dataset":
            return {}
        found = trimmed(self.hub, self.repo, self.id, there)
        out = sum(dropped for _, dropped in found.values())
        if out:
            notice(
                f"{self.id}: {out} windows of grown shards stand in this version too, or meet "
                "another split of it: they are taken out of the grown shards"
            )
        return found

    def _commit(self, there: Snapshot, changes: Changes, grown: Trimmed) -> Sent:
        self.report(self.repo, "uploading", 0)
        repo = self.repo
        kept = {path: data for path, (data, _) in grown.items() if data is not None}
        return self.hub.commit(
            repo.name,
            self.id,
            there.sha,
            {path: (repo.files[path], repo.stamps[path]) for path in changes.write}
            | {path: (data, stamp(data)) for path, data in kept.items()},
            [*changes.delete, *(path for path in grown if path not in kept)],
            self._message,
            create_pr=self.create_pr,
            uploaded=lambda size: self.report(repo, "uploading", size),
        )

    def _tagged(self, there: Snapshot, view: _View, sent: bool) -> Outcome:
        if view.tagged is None and not self.create_pr:
            self.report(self.repo, "tagging", 0)
            self.hub.tag(self.repo.name, self.id, self.plan.tag, there.sha)
        return self._outcome("published" if sent else "unchanged", there.sha)

    def _diff(self, there: Snapshot, paths: tuple[str, ...]) -> str:
        hub, name = self.hub, self.repo.name
        return "".join(
            diff(self.repo, path, hub.read(name, self.id, there.sha, path)) for path in paths
        )

    def _stopped(self, reason: str, diff: str = "") -> Outcome:
        return Outcome(
            str(self.repo.name), "stopped", self._page, None, f"{self.id}: {reason}", diff
        )

    def _outcome(
        self,
        status: Literal["published", "unchanged", "pull_request"],
        commit: str | None = None,
        where: str | None = None,
    ) -> Outcome:
        return Outcome(str(self.repo.name), status, where or self._page, commit)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.repo.name.name}"

    @property
    def _message(self) -> str:
        return f"Publish {self.plan.tag}"

    @property
    def _page(self) -> str:
        kind = self.repo.name.kind
        return f"{self.hub.api.endpoint}/{'' if kind == 'model' else f'{kind}s/'}{self.id}"


def diff(repo: PlannedRepo, path: str, theirs: bytes) -> str:
    """Return the unified diff from what stands there to what is planned."""
    ours = repo.read(path) if path in repo.files else b""
    try:
        before, after = (text.decode("utf-8").splitlines(True) for text in (theirs, ours))
    except UnicodeDecodeError:
        return f"{path}: {len(theirs)} bytes there, {len(ours)} planned\n"
    named = difflib.unified_diff(before, after, f"there/{path}", f"planned/{path}")
    return "".join(line if line.endswith("\n") else line + "\n" for line in named)
