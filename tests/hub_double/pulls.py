"""Discussions, all of which are pull requests here."""

from __future__ import annotations

from typing import Any

from .http import HubError, Reply, Request, as_json
from .store import Blob, PullRequest, Repo, User


def open_pull(repo: Repo, title: str, description: str, author: str) -> PullRequest:
    pull = PullRequest(len(repo.pulls) + 1, title, description, author)
    repo.pulls.append(pull)
    return pull


def create(repo: Repo, request: Request, user: User) -> Reply:
    given = request.json()
    pull = open_pull(repo, given["title"], given["description"], user.name)
    repo.refs[f"refs/pr/{pull.num}"] = repo.head.oid
    return as_json({"num": pull.num})


def listing(repo: Repo, request: Request) -> Reply:
    status = request.query.get("status", ["all"])[0]
    hits = [p for p in repo.pulls if status == "all" or (p.status == "open") == (status == "open")]
    return as_json(
        {"count": len(hits), "start": 0, "discussions": [_summary(repo, p) for p in hits]}
    )


def details(repo: Repo, num: int) -> Reply:
    pull = _find(repo, num)
    changes = {"base": "refs/heads/main", "mergeCommitId": pull.merge_commit}
    return as_json(
        {**_summary(repo, pull), "changes": changes, "filesWithConflicts": [], "events": []}
    )


def change(repo: Repo, request: Request, num: int, action: str, user: User) -> Reply:
    pull = _find(repo, num)
    if action == "merge":
        changes = _merged(repo, num)
        merged = repo.commit("refs/heads/main", changes, pull.title, author=user.name)
        pull.status, pull.merge_commit = "merged", merged.oid
    elif action == "status":
        pull.status = request.json()["status"]
    else:
        raise HubError(404, f"no such action: {action}")
    return as_json({"newStatus": {"id": "1", "type": "status-change", "createdAt": _DATE,
                                  "data": {"status": pull.status}}})  # fmt: skip


def _merged(repo: Repo, num: int) -> dict[str, Blob | None]:
    """What a pull request changes in main; refused where main has changed the same path."""
    theirs, ours = repo.history(f"refs/pr/{num}"), {commit.oid for commit in repo.history()}
    base = next(commit.tree for commit in theirs if commit.oid in ours)
    tip, main = theirs[0].tree, repo.head.tree
    changes = {p: tip.get(p) for p in sorted(base | tip) if base.get(p) != tip.get(p)}
    for path, blob in changes.items():
        if main.get(path) not in (base.get(path), blob):
            raise HubError(409, f"Cannot merge: conflict in {path}")
    return changes


_DATE = "2026-01-01T00:00:00.000Z"


def _find(repo: Repo, num: int) -> PullRequest:
    if not 0 < num <= len(repo.pulls):
        raise HubError(404, f"no discussion {num}")
    return repo.pulls[num - 1]


def _summary(repo: Repo, pull: PullRequest) -> dict[str, Any]:
    return {
        "num": pull.num, "title": pull.title, "status": pull.status, "createdAt": _DATE,
        "author": {"name": pull.author}, "isPullRequest": True,
        "repo": {"name": repo.id, "type": repo.kind},
    }  # fmt: skip
