"""Reading repos, and the large files' storage."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import yaml

from .http import HubError, Reply, Request, as_json
from .store import Blob, Commit, Repo, Store


def at(repo: Repo, revision: str) -> Commit:
    commit = repo.resolve(revision)
    if commit is None:
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit


def info(repo: Repo, request: Request, revision: str) -> Reply:
    commit = at(repo, revision)
    siblings: list[dict[str, Any]] = []
    for path, blob in sorted(commit.tree.items()):
        siblings.append({"rfilename": path})
        if request.flag("blobs"):
            siblings[-1] |= {"blobId": blob.oid, "size": len(blob.data)}
            if blob.lfs:
                pointer = {"sha256": blob.sha256, "size": len(blob.data)}
                siblings[-1]["lfs"] = {**pointer, "pointerSize": len(blob.pointer)}
    card = commit.tree.get("README.md")
    return as_json(
        {"_id": "1", "id": repo.id, "sha": commit.oid, "private": repo.private, "tags": [],
         "author": repo.id.split("/")[0], "siblings": siblings, "disabled": False, "gated": False,
         "lastModified": commit.date, "cardData": _front_matter(card.data) if card else {}}
    )  # fmt: skip


def tree(repo: Repo, request: Request, revision: str, folder: str) -> Reply:
    commit = at(repo, revision)
    inside = f"{folder}/" if folder else ""
    below = {p: b for p, b in sorted(commit.tree.items()) if p.startswith(inside)}
    if folder and not below:
        raise HubError(404, f"{folder} does not exist on {revision}", "EntryNotFound")
    folders, listed = _folders(below, inside), below
    if not request.flag("recursive"):
        listed = {p: b for p, b in below.items() if "/" not in p[len(inside) :]}
        folders = [f for f in folders if "/" not in f[len(inside) :]]
    expand = request.flag("expand")
    return as_json(
        [_folder_entry(f, commit, expand) for f in folders]
        + [_entry(p, b, commit, expand) for p, b in listed.items()]
    )


def paths_info(repo: Repo, request: Request, revision: str) -> Reply:
    commit = at(repo, revision)
    form = request.form()
    expand = form.get("expand", ["false"])[0].lower() == "true"
    folders = set(_folders(commit.tree, ""))
    answer = []
    for path in form.get("paths", []):
        if path in commit.tree:
            answer.append(_entry(path, commit.tree[path], commit, expand))
        elif path in folders:
            answer.append(_folder_entry(path, commit, expand))
    return as_json(answer)


def refs(repo: Repo, request: Request) -> Reply:
    def under(prefix: str) -> list[dict[str, str]]:
        return [
            {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": oid}
            for ref, oid in sorted(repo.refs.items())
            if ref.startswith(prefix)
        ]

    answer = {"branches": under("refs/heads/"), "converts": [], "tags": under("refs/tags/")}
    if request.flag("include_prs"):
        answer["pullRequests"] = under("refs/pr/")
    return as_json(answer)


def commits(repo: Repo, request: Request, revision: str) -> Reply:
    """A page of history; as on the Hub, a Link header names the next."""
    size = 50
    page = int(request.query.get("p", ["0"])[0])
    history = repo.history(at(repo, revision).oid)
    answer = [
        {"id": c.oid, "title": c.title, "message": c.message, "authors": [{"user": c.author}],
         "date": c.date}
        for c in history[page * size : (page + 1) * size]
    ]  # fmt: skip
    more = (page + 1) * size < len(history)
    link = {"Link": f'<{request.base}{request.path}?p={page + 1}>; rel="next"'} if more else {}
    return as_json(answer, 200, **link)


def resolve(repo: Repo, request: Request, revision: str, path: str) -> Reply:
    commit = at(repo, revision)
    blob = commit.tree.get(path)
    if blob is None:
        error = HubError(404, f"Entry not found: {path}", "EntryNotFound")
        error.reply.headers["X-Repo-Commit"] = commit.oid
        raise error
    headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes",
               "Content-Type": "application/octet-stream"}  # fmt: skip
    if blob.lfs:
        headers |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(len(blob.data))}
    size = len(blob.data)
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
    if not asked or asked[0] == "bytes=-" or request.method == "HEAD":
        return Reply(blob.data, 200, headers)
    first, last = asked[1], asked[2]
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        return Reply(b"", 416, {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return Reply(blob.data[start:stop], 206, headers)


def lfs_batch(store: Store, repo: Repo, request: Request) -> Reply:
    objects = []
    for asked in request.json()["objects"]:
        answer = {"oid": asked["oid"], "size": asked["size"]}
        if (repo.id, asked["oid"]) not in store.large:
            href = f"{request.base}/large/{repo.id}/{asked['oid']}"
            answer["actions"] = {"upload": {"href": href, "header": {}}}
        objects.append(answer)
    return as_json({"transfer": "basic", "objects": objects})


def lfs_put(store: Store, id: str, sha256: str, data: bytes) -> Reply:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError("The content does not match its sha256")
    store.large[id, sha256] = data
    return Reply()


def validate_yaml(request: Request) -> Reply:
    errors = []
    try:
        _front_matter(request.json()["content"].encode())
    except yaml.YAMLError as error:
        errors.append({"message": str(error)})
    return as_json({"errors": errors, "warnings": []}, 400 if errors else 200)


def _front_matter(card: bytes) -> Any:
    head = re.match(r"---\n(.*?)\n---", card.decode(), re.DOTALL)
    return (yaml.safe_load(head[1]) or {}) if head else {}


def _folders(paths: Any, inside: str) -> list[str]:
    found = set()
    for path in paths:
        parts = path[len(inside) :].split("/")[:-1]
        found |= {inside + "/".join(parts[: i + 1]) for i in range(len(parts))}
    return sorted(found)


def _entry(path: str, blob: Blob, commit: Commit, expand: bool) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "oid": blob.oid, "size": len(blob.data)}
    if blob.lfs:
        pointer = {"oid": blob.sha256, "size": len(blob.data)}
        entry["lfs"] = {**pointer, "pointerSize": len(blob.pointer)}
    return entry | (_last(commit) if expand else {})


def _folder_entry(path: str, commit: Commit, expand: bool) -> dict[str, Any]:
    oid = hashlib.sha1(path.encode()).hexdigest()
    return {"type": "directory", "path": path, "oid": oid, "size": 0} | (
        _last(commit) if expand else {}
    )


def _last(commit: Commit) -> dict[str, Any]:
    return {"lastCommit": {"id": commit.oid, "title": commit.title, "date": commit.date}}
