"""What a shard says of its windows without being read.

How they were cut and split (window, stride and seed) stands in the metadata of their own schema: it
travels with every shard, so that a card can state it and a later growth can go on alike. And a
file's footer tells, owner by owner, how many windows there are, from when to when, and a digest of
the last one's states: so a growth knows where to go on from some kilobytes, however
long a dataset is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = [
    "OwnerFacts",
    "agreed",
    "cut_facts",
    "digest",
    "footer_facts",
    "joined",
    "owner_facts",
    "said_facts",
    "with_cut_facts",
]

_KEY: Final = b"eisv_lumen"
_NAMES: Final = ("window", "stride", "seed")
_OWNERS: Final = b"eisv_lumen_owners"
_MOST_OWNERS: Final = 4096
"""Of more (synthetic windows are each an owner of their own), nothing is said."""
_NEEDED: Final = ("t", "E", "I", "S", "V", "agent", "t_start", "t_end")


def with_cut_facts(table: pa.Table, **facts: int) -> pa.Table:
    """Return a table that says how it was cut, beside what it says already.

    Parameters
    ----------
    table
        Windows.
    **facts
        Some of `window`, `stride` [states] and `seed` (of the splits).
    """
    known = {**cut_facts(table), **facts}
    if not known:
        return table
    said = json.dumps(known, sort_keys=True)
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: said})


def cut_facts(table: pa.Table) -> dict[str, int]:
    """Return what a table says of how it was cut; nothing where it does not say so legibly."""
    try:
        found = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
    except ValueError:
        return {}
    known = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in known if name in _NAMES and type(value) is int}


def agreed(tables: Iterable[pa.Table]) -> dict[str, int]:
    """Return what all of some tables say alike."""
    said = [set(cut_facts(table).items()) for table in tables]
    return dict(set.intersection(*said)) if said else {}


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables of one schema one after the other; they say together what all say alike."""
    whole = pa.concat_tables(tables)
    metadata = {k: v for k, v in (whole.schema.metadata or {}).items() if k != _KEY}
    return with_cut_facts(whole.replace_schema_metadata(metadata), **agreed(tables))


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


def footer_facts(table: pa.Table) -> dict[bytes, bytes]:
    """Return what the footer of a table's file shall say of its owners, perhaps nothing."""
    if not set(_NEEDED) <= set(table.column_names):
        return {}
    facts = owner_facts(table)
    if len(facts) > _MOST_OWNERS:
        return {}
    owners = {agent: astuple(one) for agent, one in facts.items()}
    said = json.dumps({"rows": len(table), "owners": owners}, separators=(",", ":"))
    return {_OWNERS: said.encode()}


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
        said: Any = json.loads((metadata or {})[_OWNERS])
        if said["rows"] != rows:
            return None
        found = {str(agent): OwnerFacts(*one) for agent, one in said["owners"].items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return found if sum(one.windows for one in found.values()) == rows else None
