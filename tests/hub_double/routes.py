"""From a request's method and path to what the Hub does; permissions."""

from __future__ import annotations

import re
from urllib.parse import unquote

from . import files, pulls
from .commits import commit, preupload
from .http import HubError, Reply, Request, as_json, gated, repo_not_found
from .store import Repo, Store, User

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}


class Routes:
    def __init__(self, store: Store) -> None:
        self.store = store

    def __call__(self, request: Request) -> Reply:
        parts = [unquote(p) for p in request.path.strip("/").split("/")]
        if parts[0] == "api":
            return self._api(request, parts[1:])
        if parts[0] == "large":
            return self._large(request, f"{parts[1]}/{parts[2]}", parts[3])
        kind = KINDS.get(parts[0], "model")
        rest = parts[1:] if parts[0] in KINDS else parts
        if len(rest) >= 2 and rest[1].endswith(".git"):
            repo = self._writable(request, kind, f"{rest[0]}/{rest[1][:-4]}")
            return files.lfs_batch(self.store, repo, request)
        if len(rest) >= 5 and rest[2] == "resolve":
            repo = self._readable(request, kind, f"{rest[0]}/{rest[1]}")
            if repo.gated:
                raise gated()
            return files.resolve(repo, request, rest[3], "/".join(rest[4:]))
        raise HubError(404, "Sorry, we can't find the page you are looking for.")

    def _api(self, request: Request, parts: list[str]) -> Reply:
        match request.method, parts:
            case "GET", ["whoami-v2"]:
                user = self._user(request)
                token = {"displayName": "test", "role": user.role}
                orgs = [{"type": "org", "name": org, "roleInOrg": "write"} for org in user.orgs]
                return as_json(
                    {"type": "user", "name": user.name, "fullname": user.name, "orgs": orgs,
                     "auth": {"type": "access_token", "accessToken": token}}
                )  # fmt: skip
            case "POST", ["validate-yaml"]:
                return files.validate_yaml(request)
            case "POST", ["repos", "create"]:
                return self._create(request)
            case "DELETE", ["repos", "delete"]:
                kind, id = self._named(request)
                self._writable(request, kind, id)
                del self.store.repos[kind, id]
                return as_json({})
            case _, [kinds, namespace, name, *rest] if kinds in KINDS:
                kind, id = KINDS[kinds], f"{namespace}/{name}"
                if request.method == "GET" or rest[:1] == ["paths-info"]:
                    return self._read(request, self._readable(request, kind, id), rest)
                return self._write(request, self._writable(request, kind, id), rest)
        raise HubError(404, f"no such endpoint: {request.method} {request.path}")

    def _read(self, request: Request, repo: Repo, rest: list[str]) -> Reply:  # noqa: PLR0911
        match rest:
            case []:
                return files.info(repo, request, "main")
            case ["revision", revision]:
                return files.info(repo, request, revision)
            case ["tree", revision, *path]:
                return files.tree(repo, request, revision, "/".join(path))
            case ["paths-info", revision]:
                return files.paths_info(repo, request, revision)
            case ["refs"]:
                return files.refs(repo, request)
            case ["commits", revision]:
                return files.commits(repo, request, revision)
            case ["discussions"]:
                return pulls.listing(repo, request)
            case ["discussions", num]:
                return pulls.details(repo, int(num))
        raise HubError(404, f"no such endpoint: {request.method} {request.path}")

    def _write(self, request: Request, repo: Repo, rest: list[str]) -> Reply:  # noqa: PLR0911
        user = self._user(request)
        match request.method, rest:
            case "POST", ["preupload", revision]:
                return preupload(repo, request, revision)
            case "POST", ["commit", revision]:
                return commit(self.store, repo, request, revision, user)
            case "POST", ["branch", name]:
                return self._ref(
                    repo, f"refs/heads/{name}", request.json().get("startingPoint", "main")
                )
            case "POST", ["tag", revision]:
                return self._ref(repo, f"refs/tags/{request.json()['tag']}", revision)
            case "DELETE", ["branch" | "tag" as what, name]:
                ref = f"refs/{'heads' if what == 'branch' else 'tags'}/{name}"
                if repo.refs.pop(ref, None) is None:
                    raise HubError(404, f"no {what} {name}", "RevisionNotFound")
                return as_json({})
            case "POST", ["discussions"]:
                return pulls.create(repo, request, user)
            case "POST", ["discussions", num, action]:
                return pulls.change(repo, request, int(num), action, user)
        raise HubError(404, f"no such endpoint: {request.method} {request.path}")

    def _ref(self, repo: Repo, ref: str, revision: str) -> Reply:
        if ref in repo.refs:
            raise HubError(409, f"Reference {ref} already exists")
        repo.refs[ref] = files.at(repo, revision).oid
        return as_json({})

    def _create(self, request: Request) -> Reply:
        user = self._user(request)
        kind, id = self._named(request)
        if user.role != "write" or not user.owns(id.split("/")[0]):
            raise HubError(
                403, f"You don't have the rights to create a {kind} under this namespace"
            )
        prefix = "" if kind == "model" else f"{kind}s/"
        url = f"{request.base}/{prefix}{id}"
        if (kind, id) in self.store.repos:
            raise HubError(409, f"You already created this {kind} repo", url=url)
        if kind == "space" and request.json().get("sdk") not in ("gradio", "docker", "static"):
            raise HubError(400, "a Space needs an sdk")
        self.store.create(kind, id, request.json().get("visibility") == "private")
        return as_json({"url": url, "name": id})

    def _large(self, request: Request, id: str, sha256: str) -> Reply:
        """The storage behind LFS: its links are signed, so they need no token."""
        try:
            return files.lfs_put(self.store, id, sha256, request.body)
        except ValueError as error:
            raise HubError(400, str(error)) from error

    def _named(self, request: Request) -> tuple[str, str]:
        given = request.json()
        owner = given.get("organization") or self._user(request).name
        return given.get("type") or "model", f"{owner}/{given['name']}"

    def _user(self, request: Request) -> User:
        user = self.store.users.get(request.token or "")
        if user is None:
            raise HubError(401, "Invalid credentials in Authorization header")
        return user

    def _readable(self, request: Request, kind: str, id: str) -> Repo:
        repo = self.store.repos.get((kind, id))
        if request.token is not None:
            self._user(request)
        user = self.store.users.get(request.token or "")
        mine = user is not None and user.owns(id.split("/", maxsplit=1)[0])
        if repo is None or (repo.private and not mine):
            raise repo_not_found(user is not None)
        return repo

    def _writable(self, request: Request, kind: str, id: str) -> Repo:
        """A repo to write to; anyone with a writing token may open and grow a pull request."""
        user = self._user(request)
        repo = self._readable(request, kind, id)
        own = re.search(r"/(?:preupload|commit)/refs%2Fpr%2F(\d+)$", request.path)
        pull = (
            request.flag("create_pr")
            or request.path.endswith(("/discussions", "/objects/batch"))
            or (own is not None and repo.pulls[int(own[1]) - 1].author == user.name)
        )
        if user.role != "write" or not (user.owns(id.split("/", maxsplit=1)[0]) or pull):
            raise HubError(403, "you have no right to write to this repository")
        return repo
