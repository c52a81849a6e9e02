"""Lumen's log, `anima.db` (`reference/eisv.md` §1): states and expressions, read only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from ...core.errors import InputError
from ...eisv import ANIMA_DIMS, anima_to_eisv
from ...expression.vocabulary import PRIMITIVES
from ..series import Series
from .common import Expressions, Report, Source, in_time_order, parse_times

__all__ = ["is_sqlite", "read_anima"]

_HEADER = b"SQLite format 3\0"
_ROWS_A_FETCH = 4096
_LONGEST = 1_000_000  # bytes of a row or value, whatever the schema computes


def is_sqlite(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as a SQLite database does."""
    try:
        with Path(path).open("rb") as stream:
            return stream.read(len(_HEADER)) == _HEADER
    except OSError:
        return False


def read_anima(path: str | os.PathLike[str]) -> Source:
    """Read Lumen's states and expressions from its log.

    The file is opened read-only; nothing is created where it is missing. Rows with a NULL among
    what is needed are skipped and counted. Times without an offset are UTC. Anima values outside
    [0, 1] are clamped by the mapping (§1) and counted.

    Returns
    -------
    Source
        One series (agent `lumen`), sorted by time, and the expressions as Lumen's primitives.

    Raises
    ------
    InputError
        The file is missing or is no such log; a table or column is missing; a value is not a
        number, a time or a primitive (the message names the row's id).
    """
    with _opened(path) as db:
        series, report = _states(db, path)
        spoken = _expressions(db, path)
    return Source([series], report, spoken)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give the path of Lumen's anima.db")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: cannot be read; check its permissions")
    if not is_sqlite(path):
        raise InputError(f"{path}: not a SQLite database; give the path of Lumen's anima.db")
    try:
        uri = f"file:{quote(str(Path(path).resolve()))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as db:
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            db.execute("PRAGMA trusted_schema = OFF")
            yield db
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: SQLite cannot read it ({error})") from error


def _columns(
    db: sqlite3.Connection, path: str | os.PathLike[str], table: str, wanted: tuple[str, ...]
) -> list[list[Any]]:
    """Return the wanted columns of a table, in the order of `id`.

    A view, or a virtual table, could compute rows without end: only what is stored is read.
    """
    kind = db.execute("SELECT type, sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if kind and (kind[0] != "table" or str(kind[1]).upper().startswith("CREATE VIRTUAL")):
        raise InputError(f"{path}: {table!r} is no plain table; is this Lumen's anima.db?")
    there = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    if not there:
        raise InputError(f"{path}: no table {table!r}; is this Lumen's anima.db?")
    for column in wanted:
        if column not in there:
            raise InputError(f"{path}: table {table!r} has no column {column!r}")
    rows = db.execute(f"SELECT {', '.join(wanted)} FROM {table} ORDER BY id")
    out: list[list[Any]] = [[] for _ in wanted]
    while part := rows.fetchmany(_ROWS_A_FETCH):
        for values, more in zip(out, zip(*part, strict=True), strict=True):
            values.extend(more)
    return out


def _states(db: sqlite3.Connection, path: str | os.PathLike[str]) -> tuple[Series, Report]:
    import pyarrow as pa

    ids, times, *reals = _columns(db, path, "state_history", ("id", "timestamp", *ANIMA_DIMS))

    def where(i: int) -> str:
        return f"{path}, state_history, id {ids[i]}"

    columns = {}
    for name, values, kind, noun in (
        ("timestamp", times, pa.string(), "a text"),
        *(
            (dim, column, pa.float64(), "a number")
            for dim, column in zip(ANIMA_DIMS, reals, strict=True)
        ),
    ):
        try:
            columns[name] = pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            allowed = (str,) if kind == pa.string() else (float, int)
            i = next(
                k for k, v in enumerate(values) if v is not None and not isinstance(v, allowed)
            )
            raise InputError(
                f"{where(i)}: {name} is {values[i]!r}, not {noun}; mend or delete that row"
            ) from None
    whole = np.logical_and.reduce([np.asarray(c.is_valid()) for c in columns.values()])
    rows = np.flatnonzero(whole)
    anima = np.empty((4, len(rows)))
    for j, dim in enumerate(ANIMA_DIMS):
        anima[j] = columns[dim].to_numpy(zero_copy_only=False)[rows]
        if not np.isfinite(anima[j]).all():
            i = int(rows[np.argmin(np.isfinite(anima[j]))])
            raise InputError(f"{where(i)}: {dim} is {reals[j][i]}, not finite; mend or delete it")
    usable = columns["timestamp"].filter(pa.array(whole))
    t = parse_times(usable, lambda k: where(int(rows[k])))
    moved, t, (states,) = in_time_order(t, anima.T)
    report = Report(
        rows=len(ids),
        null_rows=len(ids) - len(rows),
        moved=moved,
        clamped=int(((anima < 0) | (anima > 1)).sum()),
    )
    X = anima_to_eisv(np.asfortranarray(states))
    return Series(t, X, None, source="anima", agent="lumen"), report


def _expressions(db: sqlite3.Connection, path: str | os.PathLike[str]) -> Expressions:
    ids, times, tokens = _columns(db, path, "primitive_history", ("id", "timestamp", "tokens"))
    rows = [i for i in range(len(ids)) if times[i] is not None and tokens[i] is not None]

    def where(i: int) -> str:
        return f"{path}, primitive_history, id {ids[i]}"

    spoken = []
    for i in rows:
        for name, value in (("timestamp", times[i]), ("tokens", tokens[i])):
            if not isinstance(value, str):
                raise InputError(f"{where(i)}: {name} is {value!r}, not a text; mend that row")
        words = tuple(word.strip() for word in tokens[i].split(","))
        unknown = [word for word in words if word not in PRIMITIVES]
        if unknown:
            raise InputError(
                f"{where(i)}: {unknown[0]!r} is none of Lumen's primitives; "
                f"use {', '.join(PRIMITIVES)}, separated by commas"
            )
        spoken.append(words)
    t = parse_times([times[i] for i in rows], lambda k: where(rows[k]))
    order = np.argsort(t, kind="stable")
    return Expressions(t[order], [spoken[k] for k in order])
