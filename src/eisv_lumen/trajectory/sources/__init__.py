"""Where trajectories come from; each source is a file here, and all hand back the same nouns."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ...core.errors import InputError
from .common import Expressions, Report, Source

__all__ = [
    "Expressions",
    "Report",
    "Source",
    "read_source",
]


def read_source(source: str | os.PathLike[str]) -> Source:
    """Read the series of a source, told by what it is.

    Parameters
    ----------
    source
        Path of an `anima.db`, of governance updates (`.jsonl`), of states in Parquet or CSV, or
        the address of a governance database (`postgresql://…`).

    Raises
    ------
    InputError
        It is none of these, or cannot be read.
    """
    from .anima import is_sqlite, read_anima
    from .governance import read_governance
    from .parquet import read_states
    from .postgres import is_postgres, read_postgres

    if is_postgres(source):
        return read_postgres(str(source))
    reader: dict[str, Callable[[str | os.PathLike[str]], Source]] = {
        ".db": read_anima, ".sqlite": read_anima, ".jsonl": read_governance,
        ".parquet": read_states, ".csv": read_states,
    }  # fmt: skip
    read = read_anima if is_sqlite(source) else reader.get(Path(source).suffix.lower())
    if read is None:
        if not Path(source).exists():
            raise InputError(f"{source}: no such file")
        raise InputError(
            f"{source}: not a source; give an anima.db, governance updates (.jsonl), states "
            "(.parquet, .csv) or postgresql://…"
        )
    return read(source)
