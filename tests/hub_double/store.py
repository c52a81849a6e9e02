"""What the Hub keeps: users, and repos of git-like commits over blobs."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from functools import cached_property

LFS_SUFFIXES = (".parquet", ".safetensors", ".bin", ".gguf", ".npz", ".arrow", ".zip", ".whl")
LFS_SIZE = 10 * 1024 * 1024
GITATTRIBUTES = "".join(f"*{s} filter=lfs diff=lfs merge=lfs -text\n" for s in LFS_SUFFIXES)


@dataclass(frozen=True)
class User:
    name: str
    role: str = "write"  # or read
    orgs: tuple[str, ...] = ()

    def owns(self, namespace: str) -> bool:
        return namespace == self.name or namespace in self.orgs


@dataclass(frozen=True)
class Blob:
    """A file of a tree: its bytes, and whether git holds them or a pointer to them."""

    data: bytes
    lfs: bool = False

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def pointer(self) -> bytes:
        head = "version https://git-lfs.github.com/spec/v1"
        return f"{head}\noid sha256:{self.sha256}\nsize {len(self.data)}\n".encode()

    @cached_property
    def oid(self) -> str:
        stored = self.pointer if self.lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    tree: dict[str, Blob]
    title: str
    message: str
    author: str
    date: str


@dataclass
class PullRequest:
    num: int
    title: str
    description: str
    author: str
    status: str = "open"
    merge_commit: str | None = None


@dataclass
class Repo:
    kind: str  # model, dataset or space
    id: str
    private: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)  # refs/heads/main, refs/tags/…, refs/pr/1
    pulls: list[PullRequest] = field(default_factory=list)
    gated: bool = False  # whose files are for those who accepted its conditions: nobody, here

    def resolve(self, revision: str) -> Commit | None:
        for name in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if name in self.refs:
                return self.commits[self.refs[name]]
        return self.commits.get(revision)

    @property
    def head(self) -> Commit:
        return self.commits[self.refs["refs/heads/main"]]

    def history(self, revision: str = "main") -> list[Commit]:
        """Commits from the newest to the first."""
        out, commit = [], self.resolve(revision)
        while commit is not None:
            out.append(commit)
            commit = self.commits[commit.parent] if commit.parent else None
        return out

    def commit(
        self,
        ref: str,
        changes: dict[str, Blob | None],
        title: str,
        message: str = "",
        author: str = "system",
        parent: Commit | None = None,
    ) -> Commit:
        """Add a commit and move `ref` to it; a blob of None deletes its path."""
        base = parent or (self.commits[self.refs[ref]] if ref in self.refs else None)
        tree = dict(base.tree) if base else {}
        for path, blob in changes.items():
            tree.pop(path, None) if blob is None else tree.__setitem__(path, blob)
        date = f"2026-01-01T00:{len(self.commits) // 60:02d}:{len(self.commits) % 60:02d}.000Z"
        identity = [
            self.kind, self.id, len(self.commits), base.oid if base else None, title, message,
            sorted((path, blob.oid) for path, blob in tree.items()),
        ]  # fmt: skip
        oid = hashlib.sha1(json.dumps(identity).encode()).hexdigest()
        new = Commit(oid, base.oid if base else None, tree, title, message, author, date)
        self.commits[oid] = new
        self.refs[ref] = oid
        return new

    def write(self, files: dict[str, bytes | str | None], title: str = "edited by hand") -> Commit:
        """Commit to main as a person would in the browser."""
        blobs = {
            path: None
            if data is None
            else make_blob(path, data.encode() if isinstance(data, str) else data)
            for path, data in files.items()
        }
        return self.commit("refs/heads/main", blobs, title, author="a person")

    def files(self, revision: str = "main") -> dict[str, bytes]:
        """Contents of a revision, without what the Hub itself put there."""
        commit = self.resolve(revision)
        assert commit is not None, revision
        return {path: blob.data for path, blob in commit.tree.items() if path != ".gitattributes"}


def is_lfs(path: str, size: int, sample: bytes) -> bool:
    """Whether a file goes to large file storage: by its name, its size, or being binary."""
    return size > LFS_SIZE or path.endswith(LFS_SUFFIXES) or b"\0" in sample


def make_blob(path: str, data: bytes) -> Blob:
    return Blob(data, bool(data) and is_lfs(path, len(data), data[:512]))


class Store:
    """Users by token, repos by kind and id, large files by repo and sha256."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.large: dict[tuple[str, str], bytes] = {}  # (repo id, sha256)
        self.lock = threading.RLock()

    def create(self, kind: str, id: str, private: bool = False) -> Repo:
        repo = self.repos[kind, id] = Repo(kind, id, private)
        first: dict[str, Blob | None] = {".gitattributes": Blob(GITATTRIBUTES.encode())}
        if kind == "space":
            first["README.md"] = Blob(
                b"---\nsdk: gradio\n---\nCheck out the configuration reference"
            )
        repo.commit("refs/heads/main", first, "initial commit")
        return repo
