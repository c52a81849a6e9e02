"""Read a source by what it is: a file, several, a glob, a folder, an address, a frame."""

from __future__ import annotations

import glob
import json
import os
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...core.places import no_such_place
from ...core.secrets import Address
from .anima import is_sqlite, part_of_anima
from .assemble import Part, assemble, joined_expressions
from .common import Expressions, Source, text_lines
from .governance import MIN_UPDATES, parts_of_governance
from .options import DEFAULT, ReadOptions
from .parquet import part_of_file, part_of_frame
from .postgres import is_postgres, parts_of_postgres
from .roles import has_energy
from .tables import TABLES, kind_of

__all__ = ["expand", "holds_logs_alone", "read_source"]

_LOGS: Final = (".db", ".sqlite", *TABLES)
_SCHEMES: Final = ("http://", "https://", "hf://")
_TIMEOUT: Final = 60  # [s] of silence from a server


def read_source(source: Any, options: ReadOptions = DEFAULT) -> Source:
    """Read the series of a source, told by what it is.

    Parameters
    ----------
    source
        Path of an `anima.db`, of governance updates (`.jsonl`), of states in a table (Parquet, CSV,
        TSV, Feather, JSON lines; texts also compressed with gzip), a folder or a glob of such, `-`
        for standard input, `postgresql://…`, `https://…`, `hf://…`, a data frame, or a sequence of
        any of these. Several files of one owner are one series.
    options
        How it is to be read.

    Raises
    ------
    InputError
        It is none of these, or cannot be read.
    """
    parts: list[Part] = []
    spoken: list[Expressions] = []
    with ExitStack() as stack:
        for one in expand(source):
            found, said = _read_one(one, options, stack)
            parts += found
            spoken += [said] if said is not None else []
    governed = all(part.source == "governance" for part in parts)
    return assemble(
        parts,
        options,
        expressions=spoken[0] if len(spoken) == 1 else joined_expressions(spoken),
        fewest=MIN_UPDATES if governed else 1,
    )


def expand(source: Any) -> list[Any]:
    """Return the files, addresses and frames that a source stands for, in a fixed order.

    Hidden files and folders are left alone, and of the Hub's cache links are read once.

    Raises
    ------
    InputError
        A glob or a folder holds nothing to read.
    """
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        return [item for one in source for item in expand(one)]
    if not isinstance(source, str | os.PathLike):
        return [source]
    text = Address(os.fspath(source))
    if text == "-" or is_postgres(text) or text.startswith(_SCHEMES) or Path(text).is_file():
        return [text]
    if Path(text).is_dir():
        return _of_folder(Path(text))
    if glob.has_magic(text):
        found = sorted(glob.glob(text, recursive=True))  # noqa: PTH207
        if not found:
            raise InputError(f"{text}: no file matches")
        return [item for one in found for item in expand(one)]
    return [text]


def holds_logs_alone(source: str | os.PathLike[str]) -> bool:
    """Whether a source can be no dataset of windows: a stream, an address, a glob of files."""
    text = os.fspath(source)
    return (
        text == "-"
        or is_postgres(text)
        or text.startswith(_SCHEMES)
        or (glob.has_magic(text) and not Path(text).exists())
    )


def _of_folder(folder: Path) -> list[Path]:
    files = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if any(part.startswith((".", "_", "~")) for part in inside) or not path.is_file():
            continue
        if kind_of(path) in _LOGS and kind_of(path) != ".json":
            files.append(path)
    if not files:
        raise InputError(f"{folder}: a folder without logs; a log is one of {', '.join(_LOGS)}")
    return files


def _read_one(
    source: Any, options: ReadOptions, stack: ExitStack
) -> tuple[list[Part], Expressions | None]:
    if not isinstance(source, str | os.PathLike):
        return [part_of_frame(source, options)], None
    text = Address(os.fspath(source))
    if is_postgres(text):
        return parts_of_postgres(text, options), None
    if text == "-" or text.startswith(_SCHEMES):
        source = _fetched(text, stack)
    path = Path(source)
    if is_sqlite(path):
        part, said = part_of_anima(path, options)
        return [part], said
    kind = kind_of(path)
    if kind in (".db", ".sqlite"):
        part_of_anima(path, options)  # says why it is none
    if kind not in TABLES:
        if not path.exists():
            raise no_such_place(text)
        raise InputError(
            f"{text}: not a source; give an anima.db, states in a table ({', '.join(TABLES)}), "
            "governance updates (.jsonl) or postgresql://…"
        )
    if kind in (".jsonl", ".ndjson") and _holds_updates(path):
        return parts_of_governance(path, options), None
    return [part_of_file(path, options)], None


def _holds_updates(path: Path) -> bool:
    """Whether JSON lines are governance updates, and not plain rows of states."""
    for _, line in text_lines(path):
        try:
            first = json.loads(line)
        except (ValueError, RecursionError):
            return True  # its reader names the line
        return not (isinstance(first, dict) and "eisv" not in first and has_energy(first))
    return True


def _fetched(address: Address, stack: ExitStack) -> Path:
    """Bring standard input, or what an address holds, into a file that goes away in the end."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eisv-lumen-")))
    if address == "-":
        return _named(folder, "standard-input", iter(lambda: sys.stdin.buffer.read(1 << 20), b""))
    name = address.split("?", maxsplit=1)[0].rsplit("/", 1)[-1] or "log"
    path = folder / name
    try:
        if address.startswith("hf://"):
            from huggingface_hub import HfFileSystem

            HfFileSystem().get_file(address, str(path))
        else:
            with (
                urllib.request.urlopen(address.full, timeout=_TIMEOUT) as answer,
                path.open("wb") as out,
            ):
                shutil.copyfileobj(answer, out)
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())
        shown = address.split("?", maxsplit=1)[0]
        raise InputError(f"{shown}: cannot be fetched ({text})") from error
    return path


def _named(folder: Path, name: str, chunks: Iterable[bytes]) -> Path:
    """Write a stream to a file whose suffix says what its first bytes are."""
    whole = folder / name
    with whole.open("wb") as out:
        for chunk in chunks:
            out.write(chunk)
    with whole.open("rb") as stream:
        head = stream.read(16)
    kinds = {b"PAR1": ".parquet", b"ARROW1": ".arrow", b"SQLite format 3": ".db", b"{": ".jsonl",
             b"[": ".json", b"\x1f\x8b": ".csv.gz"}  # fmt: skip
    kind = next((kind for start, kind in kinds.items() if head.startswith(start)), ".csv")
    return whole.rename(whole.with_name(name + kind))
