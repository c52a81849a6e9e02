"""Parquet shards that say what they hold without being read, and how they are written.

A shard's footer tells, owner by owner, how many windows there are, from when to when, and a digest
of the last one's states: so a growth knows where to go on from some kilobytes, however long the
dataset is. Chunks follow the content and pages are indexed, as the Hub's storage and viewer like.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["OwnerFacts", "digest", "owner_facts", "said_facts", "write_shard"]

_KEY: Final = b"eisv_lumen_owners"
_MOST_OWNERS: Final = 4096
"""Of more (synthetic windows are each an owner of their own), nothing is said."""
_ROW_GROUP: Final = 1 << 14
"""Rows: some MB of states, so that one can be fetched alone."""
_NEEDED: Final = ("t", "E", "I", "S", "V", "agent", "t_start", "t_end")
_COMPARED: Final = ["agent", "t_start", "t_end", "source", "shape"]


@dataclass(frozen=True, slots=True)
class OwnerFacts:
    """The windows of one owner in one shard.

    Attributes
    ----------
    windows
        How many there are.
    first, last
        The earliest and the latest time at which one starts [s].
    last_end
        When that latest one ends [s].
    reach
        The latest time that any holds [s].
    digest
        Of the states of the latest one; None where the footer does not say.
    """

    windows: int
    first: float
    last: float
    last_end: float
    reach: float
    digest: str | None = None

    def joined(self, other: OwnerFacts) -> OwnerFacts:
        """Return the facts of both shards together."""
        late = max(self, other, key=lambda one: (one.last, one.last_end))
        return OwnerFacts(
            self.windows + other.windows,
            min(self.first, other.first),
            late.last,
            late.last_end,
            max(self.reach, other.reach),
            late.digest,
        )


def digest(t: npt.NDArray[np.float64], X: npt.NDArray[np.float64]) -> str:
    """Return a short name for the states of one window.

    Parameters
    ----------
    t : ndarray, shape (w,)
    X : ndarray, shape (w, 4)
    """
    hashed = hashlib.sha256(np.ascontiguousarray(t, "<f8").tobytes())
    hashed.update(np.ascontiguousarray(X, "<f8").tobytes())
    return hashed.hexdigest()[:16]


def owner_facts(table: pa.Table) -> dict[str, OwnerFacts]:
    """Return what a table holds, owner by owner; states need not be among its columns."""
    if not len(table):
        return {}
    agents = table["agent"].combine_chunks().cast(pa.string()).dictionary_encode()
    code = np.asarray(agents.indices.fill_null(-1))
    start, end = (np.asarray(table[name], np.float64) for name in ("t_start", "t_end"))
    order = np.lexsort((end, start, code))
    own, begin, stop = code[order], start[order], end[order]
    cuts = np.flatnonzero(np.diff(own)) + 1
    heads, tails = np.r_[0, cuts], np.r_[cuts, len(own)] - 1
    reach = np.maximum.reduceat(stop, heads)
    has_states = set(_NEEDED) <= set(table.column_names)
    found = {}
    for head, tail, far in zip(heads.tolist(), tails.tolist(), reach.tolist(), strict=True):
        if own[head] < 0:
            continue
        found[str(agents.dictionary[int(own[head])].as_py())] = OwnerFacts(
            tail - head + 1, float(begin[head]), float(begin[tail]), float(stop[tail]), far,
            _digest_of(table, int(order[tail])) if has_states else None,
        )  # fmt: skip
    return found


def _digest_of(table: pa.Table, row: int) -> str | None:
    t, *X = (table[name][row].as_py() for name in ("t", "E", "I", "S", "V"))
    if t is None or any(x is None or len(x) != len(t) for x in X):
        return None
    return digest(np.array(t), np.stack([np.array(x, np.float64) for x in X], axis=1))


def write_shard(table: pa.Table, stream: IO[bytes] | pa.NativeFile) -> None:
    """Write a table as one Parquet file; the same table gives the same bytes."""
    from pyarrow import parquet

    table = table.combine_chunks()
    told = set(_NEEDED) <= set(table.column_names)
    listed = [name for name in _COMPARED if name in table.column_names]
    with parquet.ParquetWriter(
        stream, table.schema, compression="zstd", write_statistics=listed if told else True,
        use_content_defined_chunking=True, write_page_index=True,
    ) as writer:  # fmt: skip
        writer.write_table(table, row_group_size=_ROW_GROUP)
        facts = owner_facts(table) if told else {}
        if told and len(facts) <= _MOST_OWNERS:
            owners = {agent: astuple(one) for agent, one in facts.items()}
            said = json.dumps({"rows": len(table), "owners": owners}, separators=(",", ":"))
            writer.add_key_value_metadata({_KEY: said.encode()})


def said_facts(metadata: Mapping[bytes, bytes] | None, rows: int) -> dict[str, OwnerFacts] | None:
    """Return what a Parquet footer says of its owners, None where it says nothing that fits.

    Parameters
    ----------
    metadata
        The footer's keys and values.
    rows
        Of the file: a footer that speaks of another number was copied from another file.
    """
    try:
        said: Any = json.loads((metadata or {})[_KEY])
        if said["rows"] != rows:
            return None
        found = {str(agent): OwnerFacts(*one) for agent, one in said["owners"].items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return found if sum(one.windows for one in found.values()) == rows else None
