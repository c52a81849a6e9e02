"""Commits: preupload and the NDJSON payload."""

from __future__ import annotations

import base64
import json
from typing import Any

from .files import at
from .http import HubError, Reply, Request, as_json
from .pulls import open_pull
from .store import Blob, Repo, Store, User, is_lfs


def preupload(repo: Repo, request: Request, revision: str) -> Reply:
    tree = at(repo, revision).tree
    answer = []
    for file in request.json()["files"]:
        path, sample = file["path"], base64.b64decode(file["sample"])
        lfs = is_lfs(path, file["size"], sample)
        known = tree.get(path)
        answer.append(
            {"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False,
             "oid": known.etag if known else None}
        )  # fmt: skip
    return as_json({"files": answer})


def commit(store: Store, repo: Repo, request: Request, revision: str, user: User) -> Reply:
    lines = [json.loads(line) for line in request.body.splitlines() if line.strip()]
    header, operations = lines[0]["value"], lines[1:]
    parent = header.get("parentCommit")
    pull = request.flag("create_pr")
    base = at(repo, parent if pull and parent else revision)
    if parent and not pull and base.oid != parent:
        raise HubError(412, "A commit has happened since. Please refresh and try again.")
    changes: dict[str, Blob | None] = {}
    for operation in operations:
        changes |= _change(store, repo, base.tree, operation["key"], operation["value"])
    title, message = header["summary"], header.get("description", "")
    prefix = "" if repo.kind == "model" else f"{repo.kind}s/"
    page = f"{request.base}/{prefix}{repo.id}"
    answer: dict[str, Any] = {"success": True}
    if pull:
        num = open_pull(repo, title, message, user.name).num
        ref = f"refs/pr/{num}"
        answer["pullRequestUrl"] = f"{page}/discussions/{num}"
    else:
        ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
        if ref not in repo.refs:
            raise HubError(404, f"no branch {revision}", "RevisionNotFound")
    new = repo.commit(ref, changes, title, message, user.name, base)
    return as_json({**answer, "commitOid": new.oid, "commitUrl": f"{page}/commit/{new.oid}"})


def _change(
    store: Store, repo: Repo, tree: dict[str, Blob], key: str, value: dict[str, Any]
) -> dict[str, Blob | None]:
    path = value["path"]
    match key:
        case "file":
            return {path: Blob(base64.b64decode(value["content"], validate=True))}
        case "lfsFile":
            data = store.large.get((repo.id, value["oid"]))
            if data is None:
                raise HubError(400, f"LFS pointer of {path} points to no file that was uploaded")
            return {path: Blob(data, lfs=True)}
        case "deletedFile":
            if path not in tree:
                raise HubError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            return {path: None}
        case "deletedFolder":
            return {p: None for p in tree if p.startswith(path.rstrip("/") + "/")}
    raise HubError(400, f"unknown operation {key}")
