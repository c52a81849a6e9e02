"""Files that are either whole or not there: written aside, then renamed."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from .errors import InputError

__all__ = [
    "atomic_path",
    "check_file_place",
    "check_folder_place",
    "check_safetensors",
    "is_lfs_pointer",
    "json_bytes",
    "make_folder",
    "parse_yaml",
    "plain_disk_errors",
    "read_json",
    "read_text",
    "write_bytes",
    "write_json",
    "write_text",
]

_MOST_VALUES = 100_000
_POINTER: Final = b"version https://git-lfs"
_LONGEST_HEADER: Final = 100_000_000
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DISK = _FULL | {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def plain_disk_errors(target: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one message about `target`.

    Raises
    ------
    InputError
        The disk is full or not writable; for a block that leaves `target` as it was then.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK:
            raise _refusal(target, error) from error
        raise


@contextmanager
def _plain_errors(target: Path) -> Iterator[None]:
    """Turn whatever the system says of `target` itself into one message."""
    try:
        yield
    except OSError as error:
        raise _refusal(target, error) from error


def _refusal(target: Path, error: OSError) -> InputError:
    mend = "free some space or choose" if error.errno in _FULL else "choose"
    return InputError(
        f"{target}: cannot be written ({os.strerror(error.errno or 0)}); {mend} another folder. "
        "Nothing was changed."
    )


def check_folder_place(path: str | os.PathLike[str]) -> None:
    """Refuse a path that cannot become a folder, before the work whose outcome it would hold.

    Raises
    ------
    InputError
        A file stands there or above it, or no folder can be called so.
    """
    with _plain_errors(Path(path)):
        there = _nearest(Path(path))
    if not there.is_dir():
        raise InputError(f"{there}: is a file; choose another folder")


def check_file_place(path: str | os.PathLike[str]) -> None:
    """Refuse a path that cannot become a file, before the work whose outcome it would hold.

    Raises
    ------
    InputError
        It is a folder, lies below a file, or nothing may be written there.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target}: is a folder; name a file")
    check_folder_place(target.parent)
    if not os.access(_nearest(target.parent), os.W_OK):
        raise _refusal(target, PermissionError(errno.EACCES, ""))


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder where it is missing, before the work whose outcome it will hold.

    Raises
    ------
    InputError
        It cannot be made, or nothing may be written there.
    """
    folder = Path(path)
    check_folder_place(folder)
    with _plain_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "")


def _nearest(folder: Path) -> Path:
    """Return the first that is there of a path and what is above it."""
    return next(path for path in (folder, *folder.parents) if path.exists())


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`.

    Parameters
    ----------
    path
        The file to be written. Its folder is made where it is missing.

    Raises
    ------
    InputError
        `path` is a folder, cannot be made, or the disk is full or not writable. `path` is then as
        it was before.
    """
    target = Path(path)
    aside = None
    try:
        with _plain_errors(target):
            if target.is_dir():
                raise InputError(f"{target}: is a folder; name a file")
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(
                dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"
            )
            os.close(handle)
            aside = Path(name)
        with plain_disk_errors(target):
            yield aside
        with _plain_errors(target):
            aside.chmod(0o644)
            with aside.open("rb+") as stream:
                os.fsync(stream.fileno())
            aside.replace(target)
    finally:
        if aside is not None:
            aside.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_path(path) as aside:
        aside.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def json_bytes(value: Any) -> bytes:
    """Serialise `value` as JSON in one fixed form, so that equal values give equal bytes."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)
    return (text + "\n").encode("utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` to `path` in the form of `json_bytes`."""
    write_bytes(path, json_bytes(value))


def read_text(path: str | os.PathLike[str]) -> str:
    """Read one text file in UTF-8.

    Raises
    ------
    InputError
        The file is missing, is a folder, may not be read or is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder; name a file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({os.strerror(error.errno or 0)})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8") from error


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read one JSON file.

    Raises
    ------
    InputError
        As for `read_text`, or it is not JSON; the message names file, line and column.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON (a number too long, or nested too deeply)") from error


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML as plain data: no object is made.

    A few lines of aliases of aliases can stand for more data than any memory holds, so what they
    unfold into is counted first.

    Parameters
    ----------
    text
        One document.
    where
        What messages call it.

    Raises
    ------
    InputError
        It is not such YAML, or unfolds into more than 100,000 values.
    """
    import yaml

    try:
        root = yaml.compose(text, yaml.SafeLoader)
        if root is not None and _unfolded(root, {}) > _MOST_VALUES:
            raise InputError(
                f"{where}: its aliases (*name) unfold into more than {_MOST_VALUES:,} values"
            )
        return yaml.safe_load(text)
    except InputError:
        raise
    except RecursionError as error:
        raise InputError(f"{where}: not YAML (too deeply nested)") from error
    except Exception as error:  # a tag's content makes PyYAML raise whatever Python raises
        raise InputError(f"{where}: not YAML ({' '.join(str(error).split())})") from error


def _unfolded(node: Any, known: dict[int, int]) -> int:
    """Count the values that a YAML node stands for; one within itself stands for too many."""
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES + 1
        items = node.value if isinstance(node.value, list) else []
        parts = (part for item in items for part in (item if isinstance(item, tuple) else (item,)))
        known[id(node)] = 1 + sum(_unfolded(part, known) for part in parts)
    return known[id(node)]


def is_lfs_pointer(path: Path) -> bool:
    """Return whether a file is what Git leaves where Git LFS has not fetched the real one."""
    with path.open("rb") as stream:
        return stream.read(len(_POINTER)) == _POINTER


def check_safetensors(path: Path) -> dict[str, Any]:
    """Refuse a file of safetensors that is not whole; read its header and nothing else.

    Returns
    -------
    dict
        The header: for each tensor `dtype`, `shape` and `data_offsets`.

    Raises
    ------
    InputError
        It is missing, a Git LFS pointer, cut short, or no such file.
    """
    try:
        if is_lfs_pointer(path):
            raise InputError(
                f"{path}: a Git LFS pointer in place of the file; fetch it with `git lfs pull`"
            )
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
                raise InputError(f"{path}: not safetensors, or cut short; download it again")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        end = max((int(tensor["data_offsets"][1]) for tensor in header.values()), default=0)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not safetensors ({error}); download it again") from error
    if 8 + length + end != size:
        raise InputError(
            f"{path}: {size} bytes, where its header says {8 + length + end}: cut short; download "
            "it again"
        )
    return dict(header)
