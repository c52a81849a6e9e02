"""Lumen's log, `anima.db` (`reference/eisv.md` §1): states and expressions, read only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from ...core.errors import InputError
from ...eisv import ANIMA_DIMS, anima_to_eisv
from ...expression.vocabulary import PRIMITIVES
from ..validation import check_seconds
from .assemble import Part, assemble
from .common import Expressions, Source, counted, parse_times
from .options import DEFAULT, ReadOptions
from .roles import owner_column
from .since import only_since
from .values import readings

__all__ = ["is_sqlite", "part_of_anima", "read_anima"]

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


def read_anima(
    path: str | os.PathLike[str], options: ReadOptions = DEFAULT, *, since: float | None = None
) -> Source:
    """Read Lumen's states and expressions from its log.

    The file is opened read-only; nothing is created where it is missing. Rows with a NULL among
    what is needed are skipped and counted. Times without an offset are UTC. Anima values outside
    [0, 1] are clamped by the mapping (§1) and counted.

    Parameters
    ----------
    path
        Of the log.
    since
        Only rows from about this time on are needed [s]; what came before is not read.

    Parameters
    ----------
    path, options
        Of the log, and how it is to be read.
    since
        Only rows from about this time on are needed [s]; what came before is not read.

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
    part, spoken = part_of_anima(path, options, since)
    return assemble([part], options, expressions=spoken)


def part_of_anima(
    path: str | os.PathLike[str], options: ReadOptions = DEFAULT, since: float | None = None
) -> tuple[Part, Expressions]:
    """Read a log as it stands: states in the order of `id`, and what was uttered."""
    alone = _left_behind(Path(path))  # before SQLite makes the file that is missing
    with _opened(path) as db:
        if since is not None:
            only_since(db, since)
        part = _states(db, path, options)
        spoken, notes = _expressions(db, path, options)
    return replace(part, notes=(*part.notes, *notes, *alone)), spoken


def _left_behind(path: Path) -> tuple[str, ...]:
    """Say that a log in write-ahead mode came without the file that holds its latest rows."""
    if not is_sqlite(path):
        return ()
    with path.open("rb") as stream:
        mode = stream.read(20)[18:20]
    if mode != b"\2\2" or path.with_name(path.name + "-wal").exists():
        return ()
    return (
        f"{path.name} writes ahead, and there is no {path.name}-wal next to it: if the log was "
        "copied while Lumen ran, its latest rows are missing; copy both files, or use "
        "sqlite3 LOG '.backup COPY'",
    )


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


def _names(db: sqlite3.Connection, path: str | os.PathLike[str], table: str) -> list[str]:
    """Return the columns of a table, none where there is no such table.

    A view, or a virtual table, could compute rows without end: only what is stored is read.
    """
    kind = db.execute("SELECT type, sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if kind and (kind[0] != "table" or str(kind[1]).upper().startswith("CREATE VIRTUAL")):
        raise InputError(f"{path}: {table!r} is no plain table; is this Lumen's anima.db?")
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def _columns(
    db: sqlite3.Connection, path: str | os.PathLike[str], table: str, wanted: tuple[str, ...]
) -> list[list[Any]]:
    """Return the wanted columns of a table, in the order of `id`."""
    there = _names(db, path, table)
    if not there:
        raise InputError(f"{path}: no table {table!r}; is this Lumen's anima.db?")
    for column in wanted:
        if column not in there:
            raise InputError(f"{path}: table {table!r} has no column {column!r}")
    quoted = ", ".join('"' + column.replace('"', '""') + '"' for column in wanted)
    rows = db.execute(f"SELECT {quoted} FROM {table} ORDER BY id")
    out: list[list[Any]] = [[] for _ in wanted]
    while part := rows.fetchmany(_ROWS_A_FETCH):
        for values, more in zip(out, zip(*part, strict=True), strict=True):
            values.extend(more)
    return out


def _states(db: sqlite3.Connection, path: str | os.PathLike[str], options: ReadOptions) -> Part:
    names = _names(db, path, "state_history")
    owner = owner_column(names, f"{path}, state_history", options.columns, options.agent)
    wanted = ("id", "timestamp", *ANIMA_DIMS, *((owner,) if owner else ()))
    ids, times, *reals = _columns(db, path, "state_history", wanted)
    owners = reals.pop() if owner else None

    def where(i: int) -> str:
        return f"{path}, state_history, id {ids[i]}"

    columns = {"timestamp": _time_column(times, where)}
    for dim, values in zip(ANIMA_DIMS, reals, strict=True):
        columns[dim] = _array(values, pa.float64(), dim, "a number", where)
    whole = np.logical_and.reduce([np.asarray(c.is_valid()) for c in columns.values()])
    rows = np.flatnonzero(whole)

    def place(k: int) -> str:
        return where(int(rows[k]))

    anima = np.empty((4, len(rows)))
    for j, dim in enumerate(ANIMA_DIMS):
        anima[j] = columns[dim].to_numpy(zero_copy_only=False)[rows]
        if not np.isfinite(anima[j]).all():
            i = int(rows[np.argmin(np.isfinite(anima[j]))])
            raise InputError(f"{where(i)}: {dim} is {reals[j][i]}, not finite; mend or delete it")
    scaled, present = readings(anima.T, place, options)
    anima = np.asfortranarray(scaled)[present]
    t = _seconds(columns["timestamp"].filter(pa.array(whole)), place, options)[present]
    notes = []
    ignored = [name for name in names if name not in {*wanted, "sensors"}]
    if ignored:
        notes.append(f"{counted(len(ignored), 'column')} of state_history not read: "
                     f"{', '.join(ignored)}")  # fmt: skip
    return Part(
        str(path),
        t,
        anima_to_eisv(anima),
        None,
        "lumen" if owners is None else _owners(owners, rows[present], where),
        "anima",
        rows=len(ids),
        null_rows=len(ids) - len(t),
        clamped=int(((anima < 0) | (anima > 1)).sum()),
        notes=tuple(notes),
    )


def _array(
    values: list[Any], kind: pa.DataType, name: str, noun: str, where: Callable[[int], str]
) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        allowed = (str,) if kind == pa.string() else (float, int)
        i = next(k for k, v in enumerate(values) if v is not None and not isinstance(v, allowed))
        raise InputError(
            f"{where(i)}: {name} is {values[i]!r}, not {noun}; mend or delete that row"
        ) from None


def _time_column(times: list[Any], where: Callable[[int], str]) -> pa.Array:
    """Return times as texts, or as numbers where all are numbers."""
    numbers = all(isinstance(time, int | float) for time in times if time is not None)
    kind, noun = (pa.float64(), "a number") if numbers and times else (pa.string(), "a text")
    return _array(times, kind, "timestamp", noun, where)


def _seconds(times: pa.Array, place: Callable[[int], str], options: ReadOptions) -> Any:
    if pa.types.is_string(times.type):
        return parse_times(times, place, options.zone)
    t = np.asarray(times.to_numpy(zero_copy_only=False), np.float64)
    for i in (int(np.argmax(t)), int(np.argmin(t))) if len(t) else ():
        check_seconds(float(t[i]), place(i))
    return t


def _owners(values: list[Any], rows: Any, where: Callable[[int], str]) -> Any:
    names = []
    for i in rows.tolist():
        name = "" if values[i] is None else str(values[i]).strip()
        if not name:
            raise InputError(
                f"{where(i)}: the row names nobody; mend or delete it, or say with --agent NAME "
                "whose all rows are"
            )
        names.append(name)
    return np.array(names, dtype=np.str_)


def _expressions(
    db: sqlite3.Connection, path: str | os.PathLike[str], options: ReadOptions
) -> tuple[Expressions, tuple[str, ...]]:
    """Return what was uttered; what is not in Lumen's words is left out and counted."""
    if not _names(db, path, "primitive_history"):
        return Expressions(), ("no table primitive_history: states alone",)
    ids, times, tokens = _columns(db, path, "primitive_history", ("id", "timestamp", "tokens"))
    rows, spoken, unknown = [], [], {}
    for i, words in enumerate(tokens):
        if times[i] is None or words is None:
            continue
        said = tuple(word.strip() for word in str(words).split(","))
        foreign = next((word for word in said if word not in PRIMITIVES), None)
        if foreign is None:
            rows.append(i)
            spoken.append(said)
        else:
            unknown[i] = foreign
    notes: tuple[str, ...] = ()
    if unknown:
        i, word = next(iter(unknown.items()))
        notes = (
            f"{counted(len(unknown), 'utterance')} left out, the first of id {ids[i]}: {word!r} is "
            "none of Lumen's primitives",
        )

    def where(k: int) -> str:
        return f"{path}, primitive_history, id {ids[rows[k]]}"

    t = _seconds(_time_column([times[i] for i in rows], where), where, options)
    order = np.argsort(t, kind="stable")
    return Expressions(t[order], [spoken[k] for k in order]), notes
