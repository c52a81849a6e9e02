"""The end of a long log: what came since a time, without reading the rest."""

from __future__ import annotations

import sqlite3
from typing import Final

from ...core.errors import InputError
from .common import parse_times

__all__ = ["only_since"]

_BLOCK: Final = 4096
"""Rows that are looked at together, and read beyond the first that is needed."""
_LOGS: Final = ("state_history", "primitive_history")


def only_since(db: sqlite3.Connection, since: float) -> None:
    """Let a connection to Lumen's log see its later rows alone.

    Rows are walked back by `id`, block by block, until a whole block lies before the time: what
    the clock has set back by less than a block of rows is seen, too.

    Parameters
    ----------
    db
        Read-only connection; its temporary views take the tables' names.
    since
        [s since the epoch]
    """
    for table in _LOGS:
        kind = db.execute("SELECT type FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        columns = {row[1] for row in db.execute(f"PRAGMA main.table_info({table})")}
        if kind != ("table",) or not {"id", "timestamp"} <= columns:
            continue  # the reader says what is wrong with it
        first = _first_id(db, table, since)
        # A temporary view hides the table of its name: whoever reads it sees these rows.
        db.execute(
            f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} WHERE id >= {int(first)}"
        )


def _first_id(db: sqlite3.Connection, table: str, since: float) -> int:
    before = 1 << 62
    while True:
        rows = db.execute(
            f"SELECT id, timestamp FROM main.{table} WHERE id < ? ORDER BY id DESC LIMIT ?",
            (before, _BLOCK),
        ).fetchall()
        if not rows:
            return before if before < 1 << 62 else 0
        before = rows[-1][0]
        times = [time for _, time in rows if isinstance(time, str)]
        try:
            seen = parse_times(times, str)
        except InputError:
            continue  # the reader names the row
        if len(seen) and seen.max() < since:
            return int(before)
