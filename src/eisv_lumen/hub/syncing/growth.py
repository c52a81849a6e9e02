"""Which windows a published dataset lacks: pure functions on tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...core.errors import InputError
from ...trajectory.dataset.metadata import cut_facts
from ...trajectory.dataset.schema import SCHEMA, build
from ...trajectory.series import Series
from ...trajectory.sources.common import Source

__all__ = [
    "continuation",
    "new_windows",
    "parquet_bytes",
    "reserved_until",
    "stride_of",
    "window_length",
    "without_repetition",
]

_KEY = ("source", "agent", "t_start", "t_end")
Key = tuple[str, str, float, float]
Owner = tuple[str, str]
"""Source and agent."""


@dataclass(frozen=True)
class _Last:
    """The last published window of an agent."""

    t: npt.NDArray[np.float64]
    X: npt.NDArray[np.float64]
    ethical_drift: npt.NDArray[np.float64]


def reserved_until(tables: Iterable[pa.Table]) -> dict[Owner, float]:
    """Return until when windows hold states, by whose they are.

    Parameters
    ----------
    tables
        The windows of all splits but the one that grows, of every length: a new window that
        begins by then would share a state with one of them.
    """
    joined = pa.concat_tables([SCHEMA.empty_table(), *tables])
    last = joined.group_by(["source", "agent"]).aggregate([("t_end", "max")])
    columns = (last[name].to_pylist() for name in ("source", "agent", "t_end_max"))
    return {(source, agent): end for source, agent, end in zip(*columns, strict=True)}


def new_windows(
    published: Iterable[pa.Table],
    source: Source,
    *,
    reserved: Mapping[Owner, float],
    window: int,
    stride: int,
) -> pa.Table:
    """Cut the windows that come after the published ones, on the same grid.

    Parameters
    ----------
    published
        The windows of this length, of all splits.
    source
        Series, one an agent: all its states, or any later part that begins where the published
        windows end or before; and what was uttered.
    reserved
        As `reserved_until` gives it; a window that begins by then is left out.
    window, stride
        As for `classify`; stride as the published windows were cut.

    Returns
    -------
    pa.Table
        Rows of the dataset's schema, perhaps none.
    """
    tables = []
    known = list(published)
    for one in source.series:
        last = _last_window(known, one)
        rest = (
            one if last is None else continuation(one, last.t, last.X, last.ethical_drift, stride)
        )
        if len(rest) < window:
            continue
        table = build(replace(source, series=[rest]), window, stride)
        border = reserved.get((one.source, one.agent), -np.inf)
        tables.append(table.filter(pc.greater(table["t_start"], border)))
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()


def continuation(
    series: Series,
    t: npt.NDArray[np.float64],
    X: npt.NDArray[np.float64],
    ethical_drift: npt.NDArray[np.float64],
    stride: int,
) -> Series:
    """Return the states from the next window's first one on.

    Parameters
    ----------
    series
        States of the agent, from before or just after the last published window on.
    t, X, ethical_drift : ndarray, shape (w,), (w, 4), (w,)
        The last published window.
    stride
        From one window's first state to the next's.
    """
    start = _after(series, t, X)
    drift = np.zeros(len(series)) if series.ethical_drift is None else series.ethical_drift
    return Series(
        t=np.concatenate([t, series.t[start:]])[stride:],
        X=np.concatenate([X, series.X[start:]])[stride:],
        ethical_drift=np.concatenate([ethical_drift, drift[start:]])[stride:],
        source=series.source,
        agent=series.agent,
    )


def _after(series: Series, t: npt.NDArray[np.float64], X: npt.NDArray[np.float64]) -> int:
    """Return the position of the first state after a window."""
    w = len(t)
    first = np.searchsorted(series.t, t[0], side="left")
    for i in range(int(first), int(np.searchsorted(series.t, t[0], side="right"))):
        if np.array_equal(series.t[i : i + w], t) and np.array_equal(series.X[i : i + w], X):
            return i + w
    # The log begins after the window did: of the states at its last time, it holds so many.
    start, stop = (int(np.searchsorted(series.t, t[-1], side=side)) for side in ("left", "right"))
    return min(start + int((t == t[-1]).sum()), stop)


def without_repetition(table: pa.Table, seen: set[Key]) -> pa.Table:
    """Drop the windows that are in `seen` or stand in the table already; add the rest to `seen`.

    A window is known by whose it is and its first and last time.
    """
    fresh = []
    for key in zip(*(table[name].to_pylist() for name in _KEY), strict=True):
        fresh.append(key not in seen)
        seen.add(key)
    return table if all(fresh) else table.filter(pa.array(fresh, pa.bool_()))


def window_length(table: pa.Table) -> int | None:
    """Return how many states the windows of a table have, None where there are none."""
    return len(table["t"][0]) if len(table) else None


def stride_of(published: Iterable[pa.Table], given: int | None, what: str) -> int:
    """Return the stride that published windows say, or the given one where they say none.

    Raises
    ------
    InputError
        They say another one than is given, or several; or nobody says any.
    """
    said = {facts["stride"] for table in published if "stride" in (facts := cut_facts(table))}
    if len(said | {given} - {None}) > 1:
        mend = "leave --stride out" if len(said) == 1 else "publish it again"
        raise InputError(f"{what} was cut with stride {', '.join(map(str, sorted(said)))}; {mend}")
    stride = next(iter(said), given)
    if stride is None:
        raise InputError(
            f"{what} does not say with which stride it was cut; give it with --stride (the "
            "study's is 10)"
        )
    return stride


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as Parquet; the same table gives the same bytes."""
    from pyarrow import parquet

    buffer = pa.BufferOutputStream()
    parquet.write_table(table.combine_chunks(), buffer, compression="zstd")
    return bytes(buffer.getvalue().to_pybytes())


def _last_window(published: Iterable[pa.Table], one: Series) -> _Last | None:
    last: tuple[float, float, pa.Table] | None = None
    for table in published:
        own = pc.and_(pc.equal(table["source"], one.source), pc.equal(table["agent"], one.agent))
        rows = np.flatnonzero(own.to_numpy(zero_copy_only=False))
        if rows.size == 0:
            continue
        start = table["t_start"].to_numpy()[rows]
        end = table["t_end"].to_numpy()[rows]
        k = np.lexsort((end, start))[-1]
        if last is None or (start[k], end[k]) > last[:2]:
            last = (start[k], end[k], table.slice(rows[k], 1))
    if last is None:
        return None
    columns = {n: np.array(last[2][n][0].as_py()) for n in ("t", "E", "I", "S", "V")}
    X = np.stack([columns[name] for name in "EISV"], axis=1)
    return _Last(columns["t"], X, np.array(last[2]["ethical_drift"][0].as_py()))
