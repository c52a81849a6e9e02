"""Small contents for publishing, and how to run a publish in a process that may be killed."""

from __future__ import annotations

from pathlib import Path

from eisv_lumen.hub.publishing.plan import Contents, PublishPlan, RepoName, make_plan
from eisv_lumen.hub.publishing.retry import Backoff

DATA = RepoName("dataset", "windows")
SPACE = RepoName("space", "metric")
FAST = Backoff(tries=4, base=0.001, cap=0.002)


def contents(card: str = "hello", rows: bytes = b"PAR1\0one") -> Contents:
    return {
        DATA: {
            "README.md": f"---\nlicense: apache-2.0\n---\n# Windows\n\n{card}\n".encode(),
            "data/train.parquet": rows,
            "notes.json": b'{"a": 1}\n',
        }
    }


def plan(card: str = "hello", rows: bytes = b"PAR1\0one", tag: str | None = None) -> PublishPlan:
    return make_plan(contents(card, rows), version="1.0", tag=tag)


def bytes_of(made: PublishPlan) -> dict[str, dict[str, bytes]]:
    return {str(r.name): {path: r.read(path) for path in r.files} for r in made.repos}


def on_disk(folder: Path) -> dict[str, dict[str, bytes]]:
    return {
        f"{kind.name}/{repo.name}": {
            f.relative_to(repo).as_posix(): f.read_bytes() for f in repo.rglob("*") if f.is_file()
        }
        for kind in folder.iterdir()
        if kind.name != "home"  # the client's cache
        for repo in kind.iterdir()
    }
