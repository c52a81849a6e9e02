"""What a command may write over: what the same command wrote before, and nothing else.

A result is known by its content, never by its name: `check_result_file` and `check_result_folder`
stand before every `--out`, ahead of the work whose outcome it would hold.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from .errors import InputError
from .files import check_file_place, check_folder_place

__all__ = [
    "Recognise",
    "begins_with",
    "check_result_file",
    "check_result_folder",
    "is_our_drawing",
    "json_with",
    "mark_drawing",
]

Recognise = Callable[[Path], bool]
"""Whether a file or folder that is there is an earlier result of the same command."""

_MOST_BYTES: Final = 256 << 20
_MARK: Final = b"drawn by eisv-lumen"
_PNG_END: Final = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def check_result_file(path: Path, ours: Recognise, *, force: bool = False) -> None:
    """Refuse a file that this command has not written.

    Parameters
    ----------
    path
        The file to be written.
    ours
        Recognises an earlier result.
    force
        Replace whatever the file is.

    Raises
    ------
    InputError
        The file cannot be written, or holds something else.
    """
    check_file_place(path)
    if path.exists() and not force and path.stat().st_size and not ours(path):
        raise InputError(
            f"--out {path}: holds something else than this command writes; delete it first, or "
            "choose another --out"
        )


def check_result_folder(path: Path, names: Iterable[str], ours: Recognise) -> None:
    """Refuse a folder where a name that will be written is somebody else's.

    Parameters
    ----------
    path
        The folder; it may be missing. Other files in it are left alone.
    names
        Files and folders that will be written there.
    ours
        Recognises a folder that the same command wrote to.

    Raises
    ------
    InputError
        The folder cannot be made, or one of the names in it is not of this command.
    """
    check_folder_place(path)
    there = [name for name in names if (path / name).exists()]
    if there and not ours(path):
        raise InputError(
            f"--out {path}: holds {there[0]}, which this command has not written; choose another "
            "--out"
        )


def json_with(**marks: str | type) -> Recognise:
    """Recognise a JSON object by some of its values, or by their types.

    Examples
    --------
    >>> json_with(schema_="eisv-lumen-report/1")(Path("missing.json"))
    False
    """

    def ours(path: Path) -> bool:
        if path.stat().st_size > _MOST_BYTES:
            return False
        try:
            found = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return False
        return isinstance(found, dict) and all(
            isinstance(found.get(key), mark) if isinstance(mark, type) else found.get(key) == mark
            for key, mark in marks.items()
        )

    return lambda path: path.is_file() and ours(path)


def begins_with(*heads: bytes) -> Recognise:
    """Recognise a file by its first bytes."""

    def ours(path: Path) -> bool:
        with path.open("rb") as file:
            return file.read(max(map(len, heads))).startswith(heads)

    return lambda path: path.is_file() and ours(path)


def mark_drawing(data: bytes, kind: str) -> bytes:
    """Return a drawing (svg or png) that `is_our_drawing` recognises; it looks the same."""
    if kind == "svg":
        return data.rstrip() + b"\n<!-- " + _MARK + b" -->\n"
    text = b"tEXtSoftware\x00" + _MARK
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return data.removesuffix(_PNG_END) + chunk + _PNG_END


def is_our_drawing(path: Path) -> bool:
    """Whether a file ends as `mark_drawing` lets it end."""
    return _MARK in path.read_bytes()[-len(_MARK) - 40 :]
