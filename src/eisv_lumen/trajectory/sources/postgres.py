"""Governance rows from PostgreSQL, table `core.agent_state` (`reference/eisv.md` §1)."""

from __future__ import annotations

import re
from typing import Any

from ...core.errors import InputError
from ...core.secrets import Address, mask
from ...eisv import EISV_DIMS
from .assemble import Part, assemble
from .common import Source
from .governance import MIN_UPDATES, Updates, drift_of, number, part_of_updates, time_of
from .options import DEFAULT, ReadOptions

__all__ = ["is_postgres", "parts_of_postgres", "read_postgres"]

_SCHEMES = ("postgres", "postgresql")
_KEYS = ", ".join(
    f"coalesce(state_json -> '{dim}', state_json -> '{dim.lower()}')" for dim in EISV_DIMS
)
# Rows of one time are told apart by what they hold: where a row lies changes with each UPDATE.
_QUERY = f"""
SELECT identity_id::text, extract(epoch FROM recorded_at)::float8, {_KEYS},
       state_json -> 'ethical_drift'
FROM core.agent_state
ORDER BY identity_id, recorded_at, state_json::text
"""
_ROWS_A_TRIP = 10_000
_DRIVER = re.compile(r"(?<=^postgres)\+\w+(?=://)|(?<=^postgresql)\+\w+(?=://)")
"""SQLAlchemy names a driver in the scheme, as in postgresql+psycopg2://; libpq knows none."""


def is_postgres(source: object) -> bool:
    """Whether a source is the address of a PostgreSQL database."""
    scheme, found, _ = str(source).partition("://")
    return bool(found) and scheme.split("+")[0] in _SCHEMES


def read_postgres(url: str, options: ReadOptions = DEFAULT) -> Source:
    """Read the governance rows of a PostgreSQL database, one series an identity.

    The rows come through a server-side cursor of a read-only transaction, in the order of time,
    so that beside the states themselves only a few thousand rows are in memory. A row without a
    time, an identity or one of the four values is skipped and counted; values outside [0, 1] are
    clamped and counted; identities with fewer than 3 rows are dropped and counted.

    Parameters
    ----------
    url
        `postgresql://user@host:port/database`; the password may stand in it, in `PGPASSWORD`, or
        in `~/.pgpass`.

    Raises
    ------
    InputError
        psycopg is not installed, the database cannot be reached, the table or a column is not
        there, or a value is not a number.
    """
    return assemble(parts_of_postgres(url, options), options, fewest=MIN_UPDATES)


def parts_of_postgres(url: str, options: ReadOptions = DEFAULT) -> list[Part]:
    """Read the rows as they stand in the database, one part an identity."""
    try:
        import psycopg
    except ImportError as error:
        raise InputError(
            "reading from PostgreSQL needs psycopg: pip install 'eisv-lumen[postgres]'"
        ) from error

    address = Address(url)
    name = str(address)
    agents: dict[str, Updates] = {}
    rows = null_rows = nameless = 0
    try:
        with psycopg.connect(_DRIVER.sub("", address.full), connect_timeout=10) as connection:
            connection.read_only = True
            with connection.cursor(name="eisv_lumen") as cursor:
                cursor.itersize = _ROWS_A_TRIP
                cursor.execute(_QUERY)
                for identity, time, *values, drift in cursor:
                    rows += 1
                    nameless += identity is None
                    if identity is None or time is None or any(v is None for v in values):
                        null_rows += 1
                        continue
                    place = f"{name}, core.agent_state, identity {identity}, time {time}"
                    mine = agents.setdefault(identity, Updates())
                    mine.t.append(time_of(time, "recorded_at", place))
                    mine.states.extend(_numbers(values, place))
                    mine.drift.append(drift_of(drift, place))
    except psycopg.Error as error:
        raise InputError(f"{name}: {mask(_mend(error))}") from None
    notes = (f"{nameless:,} of these have no identity_id",) if nameless else ()
    return part_of_updates(agents, rows, null_rows, f"{name}, core.agent_state", options, notes)


def _numbers(values: list[Any], place: str) -> list[float]:
    pairs = zip(values, EISV_DIMS, strict=True)
    return [number(value, f"state_json.{dim}", place) for value, dim in pairs]


def _mend(error: Exception) -> str:
    from psycopg import errors

    text = " ".join(str(error).split("\n")[0].split())
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName):
        return "no table core.agent_state; is this the governance database?"
    if isinstance(error, errors.UndefinedColumn):
        return f"table core.agent_state: {text}"
    if isinstance(error, errors.InsufficientPrivilege):
        return f"{text}; grant SELECT on core.agent_state"
    return f"PostgreSQL says: {text}"
