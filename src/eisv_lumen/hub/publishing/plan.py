"""What is to be published: repos of files, each with its size and hashes; and what differs."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, Literal

from ...core.errors import InputError
from ...core.files import json_bytes, parse_yaml

__all__ = [
    "CARD",
    "MANIFEST",
    "Changes",
    "Contents",
    "PlannedRepo",
    "PublishPlan",
    "RepoName",
    "Source",
    "Stamp",
    "make_plan",
    "read_manifest",
    "reconcile",
    "stamp",
]

CARD: Final = "README.md"
MANIFEST: Final = ".eisv-lumen.json"
"""In every published repo: what we last put there, to tell a human's edits from ours."""

Kind = Literal["dataset", "model", "space"]
Source = Path | bytes


@dataclass(frozen=True, slots=True, order=True)
class RepoName:
    """A repo without its namespace."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}s/{self.name}"


Contents = Mapping[RepoName, Mapping[str, Source]]
"""What the builders hand over: for each repo, a local file or bytes by path."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file's size [bytes] and its names on the Hub.

    Attributes
    ----------
    sha256
        Its hash, by which large file storage knows it.
    git
        Its git blob id, by which a repo knows a file that it holds itself.
    """

    size: int
    sha256: str
    git: str

    def is_file(self, oid: str | None) -> bool:
        """Say whether `oid`, of either kind, is this file's."""
        return oid in (self.sha256, self.git)


@dataclass(frozen=True)
class PlannedRepo:
    """One repo as it shall be. `files` and `stamps` have the same keys, in order."""

    name: RepoName
    files: Mapping[str, Source]
    stamps: Mapping[str, Stamp]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(s.size for s in self.stamps.values())

    def read(self, path: str) -> bytes:
        """Return the bytes of one file."""
        source = self.files[path]
        return source if isinstance(source, bytes) else source.read_bytes()


@dataclass(frozen=True)
class PublishPlan:
    """All that one `publish` does, before it does anything."""

    version: str
    tag: str
    repos: tuple[PlannedRepo, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the plan as one JSON object; contents are left out but for the cards' heads."""
        return {
            "version": self.version,
            "tag": self.tag,
            "repos": [
                {
                    "kind": repo.name.kind,
                    "name": repo.name.name,
                    "size": repo.size,
                    "card": card_head(repo.read(CARD)),
                    "files": [
                        {"path": path, "size": s.size, "sha256": s.sha256}
                        for path, s in repo.stamps.items()
                    ],
                }
                for repo in self.repos
            ],
        }


@dataclass(frozen=True)
class Changes:
    """What makes a place equal to the plan, and what stands in the way.

    Attributes
    ----------
    write, delete
        Paths.
    conflicts
        Paths that we would overwrite although somebody else wrote what is there.
    """

    write: tuple[str, ...]
    delete: tuple[str, ...]
    conflicts: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.write or self.delete)


def stamp(source: Source) -> Stamp:
    """Hash a file or bytes, in one pass.

    Examples
    --------
    >>> stamp(b"hello").git
    'b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0'
    """
    if isinstance(source, bytes):
        return _hash(io.BytesIO(source), len(source))
    try:
        with source.open("rb") as stream:
            return _hash(stream, source.stat().st_size)
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror})") from error


def _hash(stream: BinaryIO, size: int) -> Stamp:
    sha256 = hashlib.sha256()
    git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    while chunk := stream.read(1 << 20):
        sha256.update(chunk)
        git.update(chunk)
    return Stamp(size, sha256.hexdigest(), git.hexdigest())


def make_plan(contents: Contents, *, version: str, tag: str | None = None) -> PublishPlan:
    """Plan a publish.

    Parameters
    ----------
    contents
        Files of each repo; each needs a card (`README.md`).
    version
        Of the package that made them.
    tag
        That the commits get; `v{version}` by default.

    Raises
    ------
    InputError
        A path or a name cannot stand in a repo, a file cannot be read, or a card is missing.
    """
    tag = tag or f"v{version}"
    if not re.fullmatch(r"[\w.+-]+", tag):
        raise InputError(f"tag {tag!r}: use letters, digits, '.', '+', '-' and '_'")
    repos = []
    for name, files in sorted(contents.items()):
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}", name.name):
            raise InputError(f"{name}: not a name that the Hub takes")
        if CARD not in files:
            raise InputError(f"{name}: has no card; add {CARD}")
        for path in files:
            _check_path(name, path)
        stamps = {path: stamp(source) for path, source in sorted(files.items())}
        manifest = _manifest(stamps, version, tag)
        repos.append(
            PlannedRepo(
                name,
                {**dict(sorted(files.items())), MANIFEST: manifest},
                {**stamps, MANIFEST: stamp(manifest)},
            )
        )
    return PublishPlan(version, tag, tuple(repos))


def _check_path(name: RepoName, path: str) -> None:
    parts = PurePosixPath(path).parts
    bad = not parts or "\\" in path or str(PurePosixPath(path)) != path
    if bad or parts[0] == "/" or {"..", ".git", ".cache"} & set(parts):
        bad = True
    if bad or path in (MANIFEST, ".gitattributes"):
        raise InputError(f"{name}: {path!r} cannot be a path in a repo; use a plain relative one")


def _manifest(stamps: Mapping[str, Stamp], version: str, tag: str) -> bytes:
    files = {p: {"size": s.size, "sha256": s.sha256, "git": s.git} for p, s in stamps.items()}
    head = {"made_by": "eisv-lumen", "schema": 1, "version": version, "tag": tag}
    return json_bytes({**head, "files": files})


def read_manifest(data: bytes, where: str) -> dict[str, Stamp]:
    """Read which files we last published to a place.

    Raises
    ------
    InputError
        It is not a manifest of ours.
    """
    import json

    try:
        files = json.loads(data)["files"]
        return {path: Stamp(f["size"], f["sha256"], f["git"]) for path, f in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{where}: {MANIFEST} was changed by hand and cannot be read; restore it from the "
            "repo's history"
        ) from error


def reconcile(
    planned: Mapping[str, Stamp],
    found: Mapping[str, str],
    recorded: Mapping[str, Stamp],
) -> Changes:
    """Compare a place with the plan.

    Parameters
    ----------
    planned
        The files that shall be there.
    found
        The files that are there: their sha256 or git blob id, by path.
    recorded
        What we put there last time. A file of ours that is no longer planned is deleted; a file
        that is not as we left it is a human's, and never overwritten or deleted.

    Examples
    --------
    >>> new, old = stamp(b"new"), stamp(b"old")
    >>> found = {"a": old.git, "b": "?", "c": old.git}
    >>> reconcile({"a": new, "b": new}, found, recorded={"a": old, "c": old})
    Changes(write=('a', 'b'), delete=('c',), conflicts=('b',))
    """

    def ours(path: str) -> bool:
        return path == MANIFEST or (path in recorded and recorded[path].is_file(found[path]))

    write = [path for path, s in planned.items() if not s.is_file(found.get(path))]
    delete = [p for p in recorded if p not in planned and p in found and ours(p)]
    conflicts = [path for path in write if path in found and not ours(path)]
    return Changes(tuple(write), tuple(delete), tuple(conflicts))


def card_head(card: bytes) -> Any:
    """Return the YAML head of a card, {} where it has none."""
    try:
        text = card.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{CARD}: not a text in UTF-8") from error
    head = re.match(r"---\r?\n(.*?)\r?\n---", text, re.DOTALL)
    return (parse_yaml(head[1], f"{CARD}, its head") or {}) if head else {}
