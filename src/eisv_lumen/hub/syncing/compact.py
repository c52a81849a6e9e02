"""Grown shards joined to fewer: the same rows, in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ...trajectory.dataset.layouts import grown_number
from ..publishing.client import Snapshot
from .diff import SPLIT, Change, Look, Published
from .shards import Shard

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MOST_GROWN", "compacted", "grown_shards", "to_join"]

MOST_GROWN: Final = 64
"""Of more grown shards, the newest are joined."""
_MOST_ROWS: Final = 1 << 17
"""Of a joined shard: some hundred MB of states at most."""


def grown_shards(configs: Sequence[Published]) -> dict[int, list[Shard]]:
    """Return each config's grown shards, from the oldest, by its position."""
    return {
        number: sorted(
            (s for s in config.splits.get(SPLIT, []) if grown_number(s.path)),
            key=lambda shard: grown_number(shard.path),
        )
        for number, config in enumerate(configs)
    }


def to_join(rows: Sequence[int], *, whole: bool, most: int = _MOST_ROWS) -> list[range]:
    """Return which runs of shards are to be joined.

    The newest ones are, together with each older one that is not more than twice as long as all
    of them: so shards grow longer backwards, there are few of them, and each row is sent again
    few times.

    Parameters
    ----------
    rows
        Of the shards, from the oldest.
    whole
        Join all that there are, as far as `most` allows.
    most
        Rows of a joined shard.

    Examples
    --------
    >>> to_join([9, 2, 1, 1], whole=False)
    [range(1, 4)]
    >>> to_join([9, 2, 1, 1], whole=True)
    [range(0, 4)]
    """
    runs: list[range] = []
    stop, held = len(rows), 0
    for i in range(len(rows) - 1, -2, -1):
        fits = i >= 0 and held + rows[i] <= most and (whole or not held or rows[i] <= 2 * held)
        if fits:
            held += rows[i]
            continue
        if stop - (i + 1) > 1:
            runs.append(range(i + 1, stop))
        if not whole or i < 0:
            break
        stop, held = i + 1, rows[i]
    return runs[::-1]


def compacted(
    look: Look, there: Snapshot, grown: Mapping[int, list[Shard]], *, whole: bool
) -> Change | None:
    """Return the commit that joins grown shards, None where none can be joined.

    Parameters
    ----------
    look, there
        The dataset, and the revision that is looked at.
    grown
        As `grown_shards` gives it for that revision.
    whole
        As for `to_join`.
    """
    from .growth import parquet_bytes

    configs, change, before = look.published(there), Change(), 0
    for number, shards in grown.items():
        for run in to_join([shard.rows for shard in shards], whole=whole):
            joined = [shards[i] for i in run]
            table = _joined([look.shards.whole(there, shard.path) for shard in joined])
            if table is None:
                continue
            taken = [*there.oids, *change.write]
            card = look.card(there) or b""
            path = configs[number].layout.new_shard(SPLIT, card, taken, look.id)
            change.put(path, parquet_bytes(table))
            change.delete += [shard.path for shard in joined]
            before += len(joined)
    if not change.write:
        return None
    change.message = f"Compact {before} grown shards into {len(change.write)}"
    return change


def _joined(tables: Sequence[pa.Table]) -> pa.Table | None:
    """Return all rows, by owner and time where they say those; None where columns differ."""
    from ...trajectory.dataset.metadata import joined
    from .growth import in_time
    from .shards import KEYS

    if any(not table.schema.equals(tables[0].schema) for table in tables):
        return None
    table = joined(tables)
    return in_time(table) if set(KEYS) <= set(table.column_names) else table
