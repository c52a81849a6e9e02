"""New windows in the columns of the dataset that they join: nothing is migrated unasked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from ...expression.vocabulary import SHAPES
from ...trajectory.dataset.layouts import card_class_names

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["class_names", "in_older_columns", "in_own_columns"]

LUMEN: Final = "lumen"
REAL: Final = "lumen_real"
"""What the older schema calls Lumen's own log, whose owner is `lumen`."""


def class_names(
    said: Sequence[tuple[str, ...] | None], card: bytes | None, config: str, what: str
) -> tuple[str, ...]:
    """Return the dataset's own order of the classes of `shape`.

    Parameters
    ----------
    said
        What each shard says.
    card
        Whose `dataset_info` says it, too, if it says anything: `load_dataset` obeys it.
    config
        Which one's.
    what
        What messages call it.

    Raises
    ------
    InputError
        They do not agree, or a class that we give has no name there.
    """
    orders = {names for names in said if names is not None}
    told = card_class_names(card, config, what)
    if told is not None:
        orders.add(tuple(told))
    if len(orders) > 1:
        raise InputError(
            f"{what}: its shards and its card do not agree on the names of the classes of `shape` "
            f"({'; '.join(', '.join(names) for names in sorted(orders))}); publish it again"
        )
    names = next(iter(orders), SHAPES)
    if lacking := [name for name in SHAPES if name not in names]:
        raise InputError(
            f"{what}: the classes of its `shape` are {', '.join(names)}, without "
            f"{', '.join(lacking)}: such windows cannot be appended; publish it again"
        )
    return tuple(names)


def in_own_columns(
    table: pa.Table, schema: pa.Schema, names: Sequence[str]
) -> tuple[pa.Table, list[str]]:
    """Return windows in a published dataset's own columns, and those of it that we cannot fill.

    Parameters
    ----------
    table
        Rows of the typed schema.
    schema
        Of the shards that are there; its metadata are kept.
    names
        The dataset's order of classes.
    """
    import pyarrow as pa
    from pyarrow import types

    code = np.asarray(table["shape"])
    columns: list[Any] = []
    unfilled = []
    for field in schema:
        if field.name == "shape":
            ours = [SHAPES[c] for c in code.tolist()]
            is_text = types.is_string(field.type) or types.is_large_string(field.type)
            values = ours if is_text else [list(names).index(name) for name in ours]
            columns.append(pa.array(values, field.type))
        elif field.name in table.column_names:
            columns.append(table[field.name].cast(field.type))
        else:
            unfilled.append(field.name)
            columns.append(pa.nulls(len(table), field.type))
    return pa.table(columns, schema=schema), unfilled


def in_older_columns(table: pa.Table, schema: pa.Schema, what: str) -> tuple[pa.Table, list[str]]:
    """Return windows in the schema of the first publication, JSON in strings, all its columns.

    Raises
    ------
    InputError
        A window is not Lumen's: that schema has no column that could say whose it is.
    """
    import pyarrow as pa

    strangers = {owner for owner in table["agent"].to_pylist() if owner != LUMEN}
    if strangers:
        raise InputError(
            f"{what}: its schema, with JSON in strings, cannot say whose a window is, so only "
            f"Lumen's own log may join it, not that of {', '.join(map(repr, sorted(strangers)))}; "
            "bring it into typed columns with --migrate"
        )
    rows = [_older_row(row) for row in table.to_pylist()]
    unfilled = [name for name in schema.names if rows and name not in rows[0]]
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.table(columns, schema=schema), unfilled


def _older_row(row: Mapping[str, Any]) -> dict[str, Any]:
    from ...trajectory.rules.explain import derivatives

    X = np.stack([row[dim] for dim in EISV_DIMS], axis=1)
    rates = derivatives(row["t"], X)
    states = [
        {"t": t, **dict(zip(EISV_DIMS, x, strict=True))}
        for t, x in zip(row["t"], X.tolist(), strict=True)
    ]
    first = [
        {"t": t, **{f"d{dim}": v for dim, v in zip(EISV_DIMS, x, strict=True)}}
        for t, x in zip(rates.t1.tolist(), rates.first.tolist(), strict=True)
    ]
    return {
        "shape": SHAPES[row["shape"]],
        "eisv_states": json.dumps(states),
        "derivatives": json.dumps(first),
        "t_start": row["t_start"],
        "t_end": row["t_end"],
        "provenance": REAL,
        "tokens": json.dumps(row["tokens"]),
        "n_expressions": len(row["tokens"]),
    }
