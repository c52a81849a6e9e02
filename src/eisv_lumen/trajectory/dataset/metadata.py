"""How windows were cut and split: window, stride and seed, in the metadata of their own schema.

They travel with every shard, so that a card can state them and a later growth can go on alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

import pyarrow as pa

__all__ = ["agreed", "cut_facts", "joined", "with_cut_facts"]

_KEY: Final = b"eisv_lumen"
_NAMES: Final = ("window", "stride", "seed")


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
