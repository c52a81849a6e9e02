"""Series of states from files: what travels as examples, and what a visitor brings."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from eisv_lumen.eisv import ANIMA_DIMS, EISV_DIMS, anima_to_eisv
from eisv_lumen.errors import InputError
from eisv_lumen.trajectory.series import Series

__all__ = ["MOST_STATES", "read_series"]

MOST_STATES = 500_000
_TIMES = ("t", "timestamp", "time")
_NEEDS = (
    "the columns t (seconds) or timestamp (ISO 8601), and E, I, S, V or warmth, clarity, "
    "stability, presence"
)


def read_series(path: str | Path) -> tuple[Series, str]:
    """Read a series of states.

    Parameters
    ----------
    path
        A CSV or Parquet file with the columns `t` [s] or `timestamp` (ISO 8601), `E`, `I`, `S`,
        `V` (or `warmth`, `clarity`, `stability`, `presence`) and optionally `ethical_drift`; or an
        `anima.db`. Which of them it is, its first bytes say, not its name.

    Returns
    -------
    series : Series
        In the order of time, with every value in [0, 1].
    note : str
        What had to be left out, moved or clamped; "" if nothing had to.

    Raises
    ------
    InputError
        It is none of these, or a value cannot be used; the message names column and row.
    """
    file = Path(path)
    frame = _table(file)
    frame.columns = [str(name).strip() for name in frame.columns]
    time = next((name for name in _TIMES if name in frame), None)
    dims = next((d for d in (EISV_DIMS, ANIMA_DIMS) if set(d) <= set(frame)), None)
    if time is None or dims is None:
        found = ", ".join(map(str, frame.columns[:8])) or "none"
        raise InputError(f"{file.name}: needs {_NEEDS}; its columns are {found}.")
    if len(frame) > MOST_STATES:
        raise InputError(f"{file.name}: {len(frame):,} rows; upload at most {MOST_STATES:,}.")
    t = _times(file.name, frame[time])
    states = np.column_stack([_numbers(file.name, frame[name]) for name in dims])
    drift = (
        _numbers(file.name, frame["ethical_drift"])
        if "ethical_drift" in frame
        else np.zeros(len(t))
    )
    whole = np.isfinite(t) & np.isfinite(states).all(1) & np.isfinite(drift)
    t, states, drift = t[whole], states[whole], drift[whole]
    if len(t) < 2:
        raise InputError(f"{file.name}: {len(t)} usable states; a series needs at least 2.")
    outside = int(((states < 0) | (states > 1)).any(1).sum())
    X = anima_to_eisv(states) if dims is ANIMA_DIMS else np.clip(states, 0, 1)
    order = np.argsort(t, kind="stable")
    counts = {
        "left out: a value is missing": int((~whole).sum()),
        "clamped to [0, 1]": outside,
        "moved into the order of time": int((np.diff(t) < 0).sum()),
    }
    note = "; ".join(f"{n:,} rows {what}" for what, n in counts.items() if n)
    series = Series(t[order], X[order], drift[order] if drift.any() else None, source=file.name)
    return series, f"{file.name}: {note}." if note else ""


def _table(file: Path) -> Any:
    import pandas as pd

    with file.open("rb") as stream:
        head = stream.read(16)
    try:
        if head.startswith(b"SQLite format 3\0"):
            return _state_history(file)
        if head.startswith(b"PAR1"):
            return pd.read_parquet(file)
        return pd.read_csv(file, nrows=MOST_STATES + 1)
    except (ValueError, OSError, sqlite3.Error) as error:  # each library's own errors are of these
        raise InputError(
            f"{file.name}: cannot be read as CSV, Parquet or anima.db ({_first_line(error)})."
        ) from error


def _state_history(file: Path) -> Any:
    """Read Lumen's states from an `anima.db`, opened so that nothing can be written to it."""
    import pandas as pd

    columns = ["timestamp", *ANIMA_DIMS]
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as log:
        rows = log.execute(
            f"SELECT {', '.join(columns)} FROM state_history ORDER BY id LIMIT {MOST_STATES + 1}"
        ).fetchall()
    return pd.DataFrame(rows, columns=columns)


def _times(name: str, column: Any) -> np.ndarray:
    """Return times [s since the epoch]; a time without a zone is UTC."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(float, na_value=np.nan)
    try:
        stamps = pd.to_datetime(column, utc=True, format="ISO8601")
    except ValueError as error:
        raise InputError(
            f"{name}, {column.name}: not seconds and not ISO 8601 ({_first_line(error)})."
        ) from error
    microseconds = (stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(1, "us")
    return microseconds.to_numpy(float, na_value=np.nan) / 1e6


def _numbers(name: str, column: Any) -> np.ndarray:
    import pandas as pd

    found = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)
    bad = np.isnan(found) & column.notna().to_numpy()
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{name}, row {row + 1}, {column.name}: {str(column.iloc[row])[:40]!r} is not a number."
        )
    return found


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160].rstrip(".")
