"""One series of states from a file: what travels as examples, and what a visitor brings."""

from __future__ import annotations

from pathlib import Path

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
        found = read_source(file)
    except InputError as error:  # the folder of an upload says nothing to a visitor
        raise InputError(str(error).replace(str(file), file.name)) from error
    series = max(found.series, key=len)
    if len(series) < 2:
        raise InputError(f"{file.name}: {len(series)} states; a series needs at least 2")
    if len(series) > MOST_STATES:
        raise InputError(
            f"{file.name}: {len(series):,} states; upload at most {MOST_STATES:,} of them"
        )
    said = list(found.report.lines())
    if len(found.series) > 1:
        said.append(f"shown is the longest, {series.agent}, with {len(series):,} states")
    return series, f"{file.name}: {'; '.join(said)}."


def _check_rows(file: Path) -> None:
    """Refuse a small Parquet file that says it unfolds into more rows than a visitor may bring."""
    if file.suffix.lower() == ".parquet":
        rows = row_count(file)
        if rows > MOST_ROWS:
            raise InputError(f"{file}: {rows:,} rows; upload at most {MOST_ROWS:,}")
