"""Folders and files by address, wherever fsspec reaches: `/data`, `s3://…`, `hf://…`, `memory://…`.

A file here is whole or not there: on a local disk it is renamed into place, in an object store it
is put at once.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.files import json_bytes, write_bytes
from ..trajectory.dataset.schema import write_parquet

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "File", "find", "in_words", "open_file", "read_bytes", "remove", "save_json", "save_table",
    "scheme", "sweep",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """A file by its address: its length [bytes], and a key that changes with its content.

    `name` is what it is called within the folder or pattern that was searched. That may be
    published; where the folder lies on this machine may not.
    """

    path: str
    name: str
    size: int
    key: str


def scheme(address: str) -> str:
    """Return the protocol of an address; `file` for a path."""
    return address.partition("://")[0] if "://" in address else "file"


def find(address: str, suffixes: tuple[str, ...]) -> list[File]:
    """Return the files that an address holds, in order of name.

    Hidden ones are left alone, as copies that tools leave: whose name, or that of a folder below
    the address, begins with a dot, an underscore or a tilde.

    Parameters
    ----------
    address
        A file, a folder (searched with all its folders) or a pattern with `*`.
    suffixes
        Endings that count in a folder.

    Raises
    ------
    InputError
        It cannot be reached, or holds no such file.
    """
    fs, path = _filesystem(address)
    with in_words(address, "reached"):
        names = fs.glob(path) if "*" in path else _files_at(fs, path)
        wanted = sorted(
            (n for n in names if n.endswith(suffixes) and not _is_hidden(_within(path, n))),
            key=lambda name: PurePosixPath(name).parts,
        )
        found = [
            File(_address(fs, n), _within(path, n), int(fs.info(n)["size"]), str(fs.ukey(n)))
            for n in wanted
        ]
    if not found:
        raise InputError(
            f"{address}: no {' or '.join(suffixes)} there; of an anima.db or CSV make one: "
            "eisv-lumen data convert SOURCE --out states.parquet"
        )
    return found


def _files_at(fs: Any, path: str) -> list[str]:
    try:
        kind = fs.info(path)["type"]  # `exists` and `isdir` call what cannot be reached not there
    except FileNotFoundError:
        return []
    return list(fs.find(path)) if kind == "directory" else [path]


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_", "~")) for part in PurePosixPath(name).parts)


def _within(searched: str, name: str) -> str:
    folder = searched.partition("*")[0].rpartition("/")[0] if "*" in searched else searched
    inside = folder.rstrip("/") + "/"
    return name[len(inside) :] if name.startswith(inside) else name.rpartition("/")[2]


@contextmanager
def in_words(
    address: str, done: str, also: tuple[type[Exception], ...] = (ValueError, ImportError)
) -> Iterator[None]:
    """Turn what a storage's client or pyarrow raises into one message.

    Parameters
    ----------
    address, done
        What cannot be reached, read or written.
    also
        What only a client raises in this block, not we.

    Raises
    ------
    InputError
        In place of the client's error.
    """
    try:
        yield
    except InputError:
        raise
    except (*_refusals(), *also) as error:
        text = re.sub(r"Bearer \S+", "Bearer …", " ".join(str(error).split()))
        why = text or type(error).__name__
        raise InputError(f"{address}: cannot be {done} ({why})") from error


def _refusals() -> tuple[type[Exception], ...]:
    import httpx2  # huggingface_hub's: an error of the connection is no OSError there
    import pyarrow as pa

    return OSError, httpx2.HTTPError, pa.ArrowException


def open_file(address: str) -> Any:
    """Open a file to read bytes.

    Raises
    ------
    InputError
        It is not there, or cannot be read.
    """
    fs, path = _filesystem(address)
    with in_words(address, "read"):
        return fs.open(path, "rb")


def read_bytes(address: str) -> bytes | None:
    """Return what a file holds; None where there is none."""
    fs, path = _filesystem(address)
    with in_words(address, "read"):
        try:
            return bytes(fs.cat_file(path))
        except FileNotFoundError:
            return None


def save_json(address: str, value: Any) -> None:
    """Write JSON in the form of our files, whole or not at all."""
    _save(address, json_bytes(value))


def save_table(address: str, table: pa.Table) -> tuple[str, int]:
    """Write a table as `dataset.write_parquet` does, byte for byte; return SHA-256 and length."""
    if scheme(address) == "file":
        write_parquet(address, table)
        data = Path(address).read_bytes()
    else:
        with tempfile.TemporaryDirectory() as folder:
            aside = Path(folder) / "part.parquet"
            write_parquet(aside, table)
            data = aside.read_bytes()
        _save(address, data)
    return hashlib.sha256(data).hexdigest(), len(data)


def sweep(address: str) -> None:
    """Remove what workers that were killed had written aside in a folder of this machine."""
    if scheme(address) == "file":
        for path in Path(address).glob(".part-*.tmp"):
            path.unlink(missing_ok=True)


def remove(address: str) -> None:
    """Remove a file, or a folder with all it holds, where it is there."""
    fs, path = _filesystem(address)
    with in_words(address, "removed"):
        if fs.exists(path):
            fs.rm(path, recursive=True)


def _save(address: str, data: bytes) -> None:
    if scheme(address) == "file":
        write_bytes(address, data)
        return
    fs, path = _filesystem(address)
    with in_words(address, "written"):
        with suppress(NotImplementedError):  # a store without folders
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        fs.pipe_file(path, data)


def _filesystem(address: str) -> tuple[Any, str]:
    import fsspec

    with in_words(address, "reached"):
        fs, path = fsspec.url_to_fs(address)
    fs.invalidate_cache()
    return fs, path


def _address(fs: Any, path: str) -> str:
    return path if "file" in fs.protocol else str(fs.unstrip_protocol(path))
