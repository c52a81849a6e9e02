"""Writes what the Lumen-like process logs as a real `anima.db`, with both of its tables (§1)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ...core.files import atomic_path
from ...expression.coherence import coherence
from ...expression.lumen import to_primitives
from ...expression.vocabulary import SHAPES
from ...expression.voice import Voice
from ..windows import STRIDE, WINDOW, classify
from .lumen_process import START, lumen_like, lumen_log

__all__ = ["write_anima_db"]

# Lumen's own categories of its primitives are not public: these are ours.
_CATEGORY: Final = {
    "warm": "thermal", "cold": "thermal", "bright": "light", "dim": "light", "quiet": "activity",
    "busy": "activity", "here": "presence", "feel": "self", "sense": "self", "you": "relation",
    "with": "relation", "why": "inquiry", "what": "inquiry", "wonder": "inquiry",
    "more": "change", "less": "change",
}  # fmt: skip

_TABLES: Final = """
CREATE TABLE state_history (
    id INTEGER PRIMARY KEY, timestamp TEXT,
    warmth REAL, clarity REAL, stability REAL, presence REAL, sensors TEXT
);
CREATE TABLE primitive_history (
    id INTEGER PRIMARY KEY, timestamp TEXT, tokens TEXT, category_pattern TEXT,
    warmth REAL, brightness REAL, stability REAL, presence REAL, score REAL, feedback_signals TEXT,
    UNIQUE (timestamp, tokens)
);
"""


def write_anima_db(
    path: str | os.PathLike[str],
    n_states: int = 214_503,
    *,
    seed: int,
    n_expressions: int = 921,
    n_null: int | None = None,
) -> int:
    """Run the Lumen-like process and write its log as an `anima.db`.

    Read back, the usable states are those of `lumen_like(n_states, seed)`, to the last bit. Lumen
    speaks at the end of windows spread over the log: what the initial voice says for the window's
    shape, in Lumen's primitives.

    Parameters
    ----------
    path
        The SQLite file to be written; it is replaced where it exists.
    n_states
        Usable states (≥ 1).
    seed
        Seed (≥ 0); equal arguments give equal bytes (with one version of SQLite).
    n_expressions
        Rows of `primitive_history`; at most one a window.
    n_null
        Further rows of `state_history` in which one of the four reals is NULL; a usable state in
        5,000 where it is not given.

    Returns
    -------
    int
        Rows of `state_history` that hold a NULL.

    Raises
    ------
    InputError
        There are fewer windows than expressions, an argument is out of range, or the file cannot
        be written.
    """
    n_null = n_states // 5000 if n_null is None else n_null
    n_windows = max(0, (n_states - WINDOW) // STRIDE + 1)
    if not 0 <= n_expressions <= n_windows or not 0 <= n_null <= n_states:
        raise InputError(
            f"n_expressions={n_expressions}, n_null={n_null}: {n_states} states hold {n_windows} "
            f"windows, so at most {n_windows} expressions, and at most {n_states} NULL rows"
        )
    interval, anima = lumen_log(n_states, seed)
    microseconds = START * 10**6 + np.cumsum(interval)
    rng = np.random.default_rng([seed, 4])
    states = _states(microseconds, anima, n_null, rng)
    spoken = _expressions(n_states, microseconds, anima, n_expressions, seed, rng)
    with atomic_path(path) as aside:
        try:
            with closing(sqlite3.connect(aside)) as db:
                db.executescript("PRAGMA journal_mode = OFF;" + _TABLES)
                db.executemany(f"INSERT INTO state_history VALUES ({_marks(7)})", states)
                db.executemany(f"INSERT INTO primitive_history VALUES ({_marks(10)})", spoken)
                db.commit()
        except sqlite3.OperationalError as error:
            raise InputError(f"{path}: cannot be written ({error}); free some space") from error
    return n_null


def _states(
    microseconds: npt.NDArray[np.int64],
    anima: npt.NDArray[np.int16],
    n_null: int,
    rng: np.random.Generator,
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `state_history`, rows with a NULL among them."""
    n = len(microseconds)
    copied = np.sort(rng.choice(n, n_null, replace=False))
    source = np.insert(np.arange(n), copied + 1, copied)  # each broken row follows the row it broke
    broken = np.zeros(len(source), bool)
    broken[copied + 1 + np.arange(n_null)] = True
    lost = rng.integers(0, 4, len(source))
    temperature = 480 + anima[0, source] // 10 + rng.integers(-9, 10, len(source))  # [0.1 °C]
    light = rng.integers(0, 400, len(source))  # [lux]
    columns = (
        np.datetime_as_string(microseconds[source].astype("datetime64[us]")).tolist(),
        (anima[:, source] / 1e3).T.tolist(),
        temperature.tolist(),
        light.tolist(),
        broken.tolist(),
        lost.tolist(),
    )
    for i, (time, reals, degrees, lux, is_broken, dim) in enumerate(zip(*columns, strict=True), 1):
        if is_broken:
            reals[dim] = None
        sensors = f'{{"cpu_temp_c": {degrees / 10}, "light_lux": {lux}}}'
        yield (i, time, *reals, sensors)


def _expressions(
    n_states: int,
    microseconds: npt.NDArray[np.int64],
    anima: npt.NDArray[np.int16],
    n_expressions: int,
    seed: int,
    rng: np.random.Generator,
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `primitive_history`."""
    if n_expressions == 0:
        return
    series = lumen_like(n_states, seed)
    shapes = classify(series.t, series.X)
    voice = Voice(seed)
    windows = np.sort(rng.choice(len(shapes), n_expressions, replace=False))
    for i, window in enumerate(windows.tolist(), 1):
        shape = SHAPES[shapes[window]]
        expression = voice.speak(shape)[0]
        score = float(coherence([expression], [shape])[0])
        primitives = to_primitives(expression)
        last = window * STRIDE + WINDOW - 1
        time = np.datetime64(int(microseconds[last]) + 50_000, "us")  # speaking takes a moment
        yield (
            i,
            str(time),
            ",".join(primitives),
            ",".join(_CATEGORY[p] for p in primitives),
            *(anima[:, last] / 1e3).tolist(),
            score,
            f'{{"coherence": {score}}}',
        )


def _marks(n: int) -> str:
    return ", ".join("?" * n)
