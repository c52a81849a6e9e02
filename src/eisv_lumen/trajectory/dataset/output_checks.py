"""What a command may write over: its own earlier output, never its source or another's file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...core.errors import InputError
from .configs import config_name

__all__ = ["check_file", "check_folder", "check_lengths"]


def check_file(
    out: str | os.PathLike[str], source: str | os.PathLike[str] | None, columns: Sequence[str]
) -> None:
    """Refuse a Parquet file that must not be written; nothing is read but its schema.

    Parameters
    ----------
    out
        The file to be written.
    source
        What is read, by path, address or id; None where nothing is.
    columns
        Names of what will be written: a file that lies there may be replaced if it has the same.

    Raises
    ------
    InputError
        `out` does not end in .parquet, is the source or a part of it, or holds something else.
    """
    path = Path(out)
    if path.suffix != ".parquet":
        raise InputError(f"--out {out}: name a .parquet file")
    _check_each([path], source, columns)


def check_folder(
    out: str | os.PathLike[str], source: str | os.PathLike[str] | None, columns: Sequence[str]
) -> None:
    """Refuse a folder of configurations, `OUT/<config>/<split>.parquet`, as `check_file` does.

    Raises
    ------
    InputError
        `out` is a file or is named like one, or a shard in it is the source, a part of it, or
        holds something else.
    """
    path = Path(out)
    if path.suffix == ".parquet" or path.is_file():
        raise InputError(f"--out {out}: with --split, name a folder")
    _check_each(sorted(path.glob("window_*/*.parquet")), source, columns)


def check_lengths(out: str | os.PathLike[str], lengths: Iterable[int]) -> None:
    """Refuse a folder in which configurations of another command would stay.

    Each command deals its windows to the splits anew: a window of another length that lies in
    another split would share states with them.

    Raises
    ------
    InputError
        There is a configuration of another length; the message says how to make all in one.
    """
    wanted = {config_name(length) for length in lengths}
    there = {path.parent.name for path in Path(out).glob("window_*/*.parquet")}
    if more := sorted(there - wanted):
        windows = [f"--window {name.removeprefix('window_')}" for name in sorted(wanted | there)]
        raise InputError(
            f"--out {out}: holds {', '.join(more)} of another command, whose splits would share "
            f"states with these; give all lengths in one command ({' '.join(windows)}), or choose "
            "another --out"
        )


def _check_each(
    paths: Iterable[Path], source: str | os.PathLike[str] | None, columns: Sequence[str]
) -> None:
    for path in paths:
        if not path.exists():
            continue
        if path.is_dir():
            raise InputError(f"--out {path}: is a folder; name a file")
        if source is not None and _is_part(path, Path(source)):
            raise InputError(
                f"--out {path}: is what is read ({source}), which would be lost; choose another "
                "--out"
            )
        if _columns(path) not in (list(columns), [c for c in columns if c != "shape_name"]):
            raise InputError(
                f"--out {path}: holds something else than this command writes; delete it first, "
                "or choose another --out"
            )


def _is_part(path: Path, source: Path) -> bool:
    """Whether a file is the source, by whatever name or link, or lies in the source's folder."""
    if not source.exists():
        return False  # an address, or an id of the Hub
    return path.samefile(source) or source.resolve() in path.resolve().parents


def _columns(path: Path) -> list[str] | None:
    """Return the names of a Parquet file's columns, None of any other file."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return list(parquet.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return None
