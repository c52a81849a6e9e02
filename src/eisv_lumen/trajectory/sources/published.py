"""The published dataset, whose columns hold JSON in strings: read, never written.

Columns: `shape` (a name), `eisv_states` (JSON: a list of states), `derivatives` (not read: they
follow from the states), `t_start`, `t_end`, `provenance`, `tokens` (JSON: a list of expressions,
each a list of tokens), `n_expressions`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from ...expression.vocabulary import strip_tildes
from .common import parse_times
from .governance import drift_of, number, time_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["STATES_COLUMN", "typed_from_published"]

STATES_COLUMN = "eisv_states"
"""A table with this column is in the published schema."""
_LUMEN = "lumen"


def typed_from_published(
    table: pa.Table, name: str, names: Sequence[str] | None = None
) -> pa.Table:
    """Turn the published schema into the typed one (`trajectory.dataset.SCHEMA`).

    A state is an object with E, I, S, V and `t` (seconds) or `timestamp` (ISO-8601), in either
    case of letters; a drift may stand in it. The published labels are kept as they are. Lumen's
    own windows (provenance `lumen_real`) are of the agent `lumen`; any others have no name for
    whose they are, so that windows that overlap in equal states are taken for one series, which
    is called after its first row.

    Parameters
    ----------
    table
        With the columns `shape` and `eisv_states`; `provenance` and `tokens` may lack.
    name
        What messages call the table.
    names
        The class names that a card gives to codes.

    Raises
    ------
    InputError
        A column is missing, or a row cannot be read; the message names row and field.
    """
    import pyarrow as pa

    from ..dataset.labels import class_names, shape_codes
    from ..dataset.schema import SCHEMA, typed

    for column in ("shape", STATES_COLUMN):
        if column not in table.column_names:
            raise InputError(f"{name}: no column {column!r}; it has {table.column_names}")
    rows = table.num_rows
    states, provenance, tokens = (
        _texts(table, column, name) for column in (STATES_COLUMN, "provenance", "tokens")
    )
    fields = [field for field in SCHEMA if field.name != "shape_name"]
    codes = shape_codes(table["shape"], names or class_names(table.schema), name)
    out: dict[str, Any] = {field.name: [] for field in fields}
    for i in range(rows):
        place = f"{name}, row {i}"
        t, values, drift = _window(_json(states[i], STATES_COLUMN, place), place)
        out["t"].append(t)
        for j, dim in enumerate(EISV_DIMS):
            out[dim].append([v[j] for v in values])
        out["ethical_drift"].append(drift)
        out["source"].append(provenance[i] or "published")
        out["agent"].append(_LUMEN if provenance[i] == "lumen_real" else f"row-{i}")
        out["t_start"].append(t[0])
        out["t_end"].append(t[-1])
        out["tokens"].append(_expressions(_json(tokens[i] or "[]", "tokens", place), place))
    out["shape"] = codes
    read = pa.table(out, schema=pa.schema(fields, metadata=SCHEMA.metadata))
    return typed(_with_owners(read), name)


def _with_owners(table: pa.Table) -> pa.Table:
    """Name windows that overlap in equal states after the first of them: they are one series."""
    import pyarrow as pa

    from ..dataset.splits import owners

    agent = np.asarray(table["agent"].to_pylist(), object)
    # Those that have a name come first: theirs is the one that stays.
    order = np.argsort(agent != _LUMEN, kind="stable")
    owner = owners(table)
    _, first, which = np.unique(owner[order], return_index=True, return_inverse=True)
    named = agent.copy()
    named[order] = agent[order][first][which]
    column = table.column_names.index("agent")
    return table.set_column(column, "agent", pa.array(named.tolist(), pa.string()))


def _texts(table: pa.Table, column: str, name: str) -> list[Any]:
    """Return a column's texts; None for each row where the table has no such column."""
    from pyarrow import types

    if column not in table.column_names:
        return [None] * table.num_rows
    kind = table[column].type
    value = kind.value_type if types.is_dictionary(kind) else kind
    if not (types.is_string(value) or types.is_large_string(value) or types.is_null(value)):
        raise InputError(f"{name}: column {column!r} holds {kind}; give text")
    return list(table[column].to_pylist())


def _json(text: Any, field: str, place: str) -> list[Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{place}: {field} is not JSON in a string ({error})") from None
    if not isinstance(value, list):
        raise InputError(f"{place}: {field} is not a list")
    return value


def _window(states: list[Any], place: str) -> tuple[list[float], list[list[float]], list[float]]:
    """Return times, states and drifts of a window, in the order of time."""
    if len(states) < 2:
        raise InputError(f"{place}: {len(states)} states; a window needs at least 2")
    window = []
    for k, state in enumerate(states):
        where = f"{place}, state {k}"
        if not isinstance(state, dict):
            raise InputError(f"{where}: not an object with t, E, I, S, V")
        values = [number(_either_case(state, dim, where), dim, where) for dim in EISV_DIMS]
        drift = drift_of(state.get("ethical_drift"), where)
        window.append((_time(state, where), values, 0.0 if math.isnan(drift) else drift))
    window.sort(key=lambda row: row[0])
    return [w[0] for w in window], [w[1] for w in window], [w[2] for w in window]


def _either_case(state: dict[str, Any], dim: str, where: str) -> Any:
    for key in (dim, dim.lower()):
        if key in state:
            return state[key]
    raise InputError(f"{where}: field {dim} is missing; it has {', '.join(map(str, state))}")


def _time(state: dict[str, Any], where: str) -> float:
    for key in ("t", "timestamp", "time"):
        value = state.get(key)
        if isinstance(value, str):
            return float(parse_times([value], lambda _: where)[0])
        if value is not None:
            return time_of(value, key, where)
    raise InputError(f"{where}: neither t nor timestamp; it has {', '.join(map(str, state))}")


def _expressions(value: list[Any], place: str) -> list[list[str]]:
    if value and all(isinstance(token, str) for token in value):
        value = [value]  # one expression, not wrapped in a list of them
    if not all(isinstance(e, list) and all(isinstance(x, str) for x in e) for e in value):
        raise InputError(f"{place}: tokens is not a list of lists of texts")
    return [[strip_tildes(token) for token in expression] for expression in value]
