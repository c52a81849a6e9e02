"""The shards that `data sync` has added since a version was published, held against a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from ...trajectory.dataset.layouts import grown_number, layouts_of
from .client import Hub, Snapshot
from .plan import CARD, PlannedRepo, Source

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Trimmed", "clear_of_others", "not_doubled", "to_keep", "trimmed"]

Mask = npt.NDArray[np.bool_]

Trimmed = dict[str, tuple[bytes | None, int]]
"""Path to what is left of a grown shard (None: nothing), and how many windows are taken out."""

_KEYS: Final = ["agent", "t_start", "t_end"]


def trimmed(hub: Hub, repo: PlannedRepo, id: str, there: Snapshot) -> Trimmed:
    """Return the grown shards that cannot stay as they are beside a planned version.

    A grown window is taken out where the version brings it, too, in any split, and where it holds
    a time of a window of the same owner in another split, of whatever length: so no window is
    doubled and no state is in two splits, before the version gets its tag.

    Parameters
    ----------
    hub, repo, id
        The dataset as it shall be, and where.
    there
        What stands there now.

    Raises
    ------
    InputError
        A shard cannot be read.
    """
    left = [path for path in there.oids if grown_number(path) and path not in repo.files]
    if not left:
        return {}
    import pyarrow as pa

    from ...trajectory.dataset.schema import write_to

    read = layouts_of(repo.read(CARD), [*repo.files, *left], id)
    tables = {path: _table(hub, repo, id, there, path) for path in left}
    keys = {path: table for path, table in tables.items() if set(_KEYS) <= set(table.column_names)}
    planned = {
        path: table
        for layout in read
        for paths in layout.splits.values()
        for path in paths
        if path in repo.files and (table := _keys_of(repo.files[path])) is not None
    }
    found: Trimmed = {}
    for layout in read:
        for split, paths in layout.splits.items():
            grown = {path: keys[path] for path in paths if path in keys}
            others = [
                planned[path]
                for other in read
                for name, many in other.splits.items()
                if name != split
                for path in many
                if path in planned
            ]
            same = [planned[p] for many in layout.splits.values() for p in many if p in planned]
            for path, mask in to_keep(grown, same, others).items():
                if mask.all():
                    continue
                sink = pa.BufferOutputStream()
                write_to(sink, tables[path].filter(pa.array(mask)))
                kept = bytes(sink.getvalue().to_pybytes()) if mask.any() else None
                found[path] = (kept, int((~mask).sum()))
    return found


def _table(hub: Hub, repo: PlannedRepo, id: str, there: Snapshot, path: str) -> pa.Table:
    from ...trajectory.dataset.schema import read_parquet

    return read_parquet(hub.download(repo.name, id, there.sha, path))


def _keys_of(source: Source) -> pa.Table | None:
    """Return the keys of a planned shard, None where it holds no windows."""
    import pyarrow as pa
    from pyarrow import parquet

    where = pa.BufferReader(source) if isinstance(source, bytes) else source
    try:
        with parquet.ParquetFile(where) as file:
            names = set(file.schema_arrow.names)
            return file.read(_KEYS) if set(_KEYS) <= names else None
    except pa.ArrowInvalid:
        return None


def to_keep(
    grown: Mapping[str, pa.Table], same: Iterable[pa.Table], others: Iterable[pa.Table]
) -> dict[str, Mask]:
    """Say which windows of grown shards may stay.

    Parameters
    ----------
    grown
        Keys by path, of one config and split.
    same
        Keys of the other windows of that config, of all splits.
    others
        Keys of the windows of all other splits, of every config.

    Returns
    -------
    dict
        Path to a mask: False where the window stands elsewhere, or in an earlier grown shard, or
        holds a time of a window of another split and the same owner.
    """
    before, apart = list(same), list(others)
    masks = {}
    for path in sorted(grown):
        masks[path] = not_doubled(grown[path], before) & clear_of_others(grown[path], apart)
        before.append(grown[path])
    return masks


def not_doubled(keys: pa.Table, before: Iterable[pa.Table]) -> Mask:
    """Say which windows stand in none of the tables before, nor earlier in their own."""
    keep = np.ones(len(keys), bool)
    seen = [_by_owner(table) for table in before]
    for owner, (rows, start, end) in _by_owner(keys).items():
        times = start + 1j * end  # a pair as one number
        first = np.zeros(len(rows), bool)
        first[np.unique(times, return_index=True)[1]] = True
        for other in seen:
            if owner in other:
                first &= ~np.isin(times, other[owner][1] + 1j * other[owner][2])
        keep[rows] = first
    return keep


def clear_of_others(keys: pa.Table, others: Iterable[pa.Table]) -> Mask:
    """Say which windows share no time with a window of the same owner in the other tables."""
    keep = np.ones(len(keys), bool)
    mine = _by_owner(keys)
    for table in others:
        for owner, (_, start, end) in _by_owner(table).items():
            if owner not in mine:
                continue
            rows, begin, stop = mine[owner]
            order = np.argsort(start, kind="stable")
            reach = np.maximum.accumulate(end[order])
            at = np.searchsorted(start[order], stop, side="right") - 1
            keep[rows[(at >= 0) & (reach[at] >= begin)]] = False
    return keep


Times = npt.NDArray[np.float64]


def _by_owner(keys: pa.Table) -> dict[str, tuple[npt.NDArray[np.int64], Times, Times]]:
    """Return rows, first and last times of each owner's windows."""
    import pyarrow as pa

    agents = keys["agent"].combine_chunks().cast(pa.string()).fill_null("").dictionary_encode()
    code = np.asarray(agents.indices)
    start, end = (np.asarray(keys[name], np.float64) for name in ("t_start", "t_end"))
    order = np.argsort(code, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(code[order])) + 1) if len(order) else []
    return {
        str(agents.dictionary[int(code[rows[0]])].as_py()): (rows, start[rows], end[rows])
        for rows in parts
    }
