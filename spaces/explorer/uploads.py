"""One series of states from a file: what travels as examples, and what a visitor brings."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from eisv_lumen.core.errors import InputError
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.sources import read_source
from eisv_lumen.trajectory.sources.parquet import row_count

__all__ = ["FILE_TYPES", "MOST_STATES", "read_series"]

FILE_TYPES = [".csv", ".parquet", ".db", ".sqlite", ".jsonl"]
MOST_STATES = 250_000
"""A visitor's series stays in memory while the page is open; a year of Lumen's log fits."""
MOST_ROWS = 4 * MOST_STATES
"""Rows that a file may say it holds, of all agents together."""


def read_series(path: str | Path) -> tuple[Series, str]:
    """Read a series of states; of a file with several agents, the longest.

    Parameters
    ----------
    path
        States in CSV or Parquet (`t` or `timestamp`, `E`, `I`, `S`, `V`, optionally `agent` and
        `ethical_drift`), Lumen's `anima.db`, or governance updates (`.jsonl`).

    Returns
    -------
    series : Series
    note : str
        What reading it met with, in one sentence.

    Raises
    ------
    InputError
        It is none of these, or a value cannot be used; the message names file, row and column.
    """
    file = Path(path)
    try:
        _check_rows(file)
        with _usual_columns(file) as (readable, renamed):
            found = read_source(readable)
    except InputError as error:  # the folder of an upload says nothing to a visitor
        said = str(error).replace(str(file), file.name)
        raise InputError(re.sub(rf"\S*/{re.escape(file.name)}", file.name, said)) from error
    series = max(found.series, key=len)
    if len(series) < 2:
        raise InputError(f"{file.name}: {len(series)} states; a series needs at least 2")
    if len(series) > MOST_STATES:
        raise InputError(
            f"{file.name}: {len(series):,} states; upload at most {MOST_STATES:,} of them"
        )
    said = [*found.report.lines(), *renamed]
    if len(found.series) > 1:
        said.append(f"shown is the longest, {series.agent}, with {len(series):,} states")
    return series, f"{file.name}: {'; '.join(said)}."


_USUAL = {
    "e": "E", "energy": "E", "i": "I", "integrity": "I", "information integrity": "I",
    "s": "S", "entropy": "S", "v": "V", "void": "V", "seconds": "t", "t": "t", "time": "t",
    "timestamp": "timestamp", "datetime": "timestamp", "date": "timestamp",
    "ethical drift": "ethical_drift", "drift": "ethical_drift", "agent": "agent",
    "agent id": "agent",
}  # fmt: skip
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


@contextmanager
def _usual_columns(file: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield a CSV file with our column names, and what was renamed; another file as it is.

    Column names count without regard to case, as words or letters; columns may be separated by
    semicolons or tabs, with decimal commas.
    """
    rows = _rows(file) if file.suffix.lower() == ".csv" else None
    if not rows or not rows[0]:
        yield file, []
        return
    head, delimiter = rows[0], rows[1]
    names = [_USUAL.get(re.sub(r"[\s_-]+", " ", h.strip().lower()), h.strip()) for h in head]
    body = rows[2]
    if "timestamp" not in names and "t" in names and body and len(body[0]) > names.index("t"):
        cell = body[0][names.index("t")].replace(",", ".")
        if not re.fullmatch(r"\s*-?[\d.]+(e[+-]?\d+)?\s*", cell, re.IGNORECASE):
            names[names.index("t")] = "timestamp"
    if (names == head and delimiter == ",") or len(set(names)) < len(names):
        yield file, []
        return
    commas = delimiter != "," and any(_DECIMAL_COMMA.fullmatch(x) for row in body for x in row)
    if commas:
        body = [
            [x.replace(",", ".") if _DECIMAL_COMMA.fullmatch(x) else x for x in r] for r in body
        ]
    said = [f"{a} read as {b}" for a, b in zip(head, names, strict=True) if a != b]
    said += ["decimal commas read as points"] * commas
    with TemporaryDirectory() as folder:
        path = Path(folder) / file.name
        with path.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([names, *body])
        yield path, said


def _pointed(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def _rows(file: Path) -> tuple[list[str], str, list[list[str]]] | None:
    """Return header, delimiter and rows of a CSV file; None where it is no text."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = list(csv.reader(text.splitlines(), delimiter=delimiter))
    return (rows[0], delimiter, rows[1:]) if rows else None


def _check_rows(file: Path) -> None:
    """Refuse a small Parquet file that says it unfolds into more rows than a visitor may bring."""
    if file.suffix.lower() == ".parquet":
        rows = row_count(file)
        if rows > MOST_ROWS:
            raise InputError(f"{file}: {rows:,} rows; upload at most {MOST_ROWS:,}")
