"""Governance rows from PostgreSQL, table `core.agent_state` (`reference/eisv.md` §1)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from .common import Source
from .governance import Updates, assemble, drift_of, number, time_of

__all__ = ["is_postgres", "read_postgres"]

_SCHEMES = ("postgres", "postgresql")
_QUERY = f"""
SELECT identity_id::text, extract(epoch FROM recorded_at)::float8,
       {", ".join(f"state_json -> '{dim}'" for dim in EISV_DIMS)}, state_json -> 'ethical_drift'
FROM core.agent_state
ORDER BY identity_id, recorded_at
"""
_ROWS_A_TRIP = 10_000
_PARAMETER = re.compile(r"(?<=[?&])([^=&?]*)=[^&]*")
# As libpq reads it: any character but a slash. Up to the last @, should one not be escaped.
_USER_PASSWORD = re.compile(r"^(\w+://[^:@/?]*):(?!\d*/).*@")


def is_postgres(source: object) -> bool:
    """Whether a source is the address of a PostgreSQL database."""
    return str(source).split("://")[0] in _SCHEMES and "://" in str(source)


def read_postgres(url: str) -> Source:
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
    try:
        import psycopg
    except ImportError as error:
        raise InputError(
            "reading from PostgreSQL needs psycopg: pip install 'eisv-lumen[postgres]'"
        ) from error

    name = _without_password(url)
    agents: dict[str, Updates] = {}
    rows = null_rows = 0
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            connection.read_only = True
            with connection.cursor(name="eisv_lumen") as cursor:
                cursor.itersize = _ROWS_A_TRIP
                cursor.execute(_QUERY)
                for identity, time, *values, drift in cursor:
                    rows += 1
                    if identity is None or time is None or any(v is None for v in values):
                        null_rows += 1
                        continue
                    place = f"{name}, core.agent_state, identity {identity}, time {time}"
                    mine = agents.setdefault(identity, Updates())
                    mine.t.append(time_of(time, "recorded_at", place))
                    mine.states.extend(_numbers(values, place))
                    mine.drift.append(drift_of(drift, place))
    except psycopg.Error as error:
        raise InputError(f"{name}: {_mend(error)}") from error
    return assemble(agents, rows, null_rows, f"{name}, core.agent_state")


def _numbers(values: list[Any], place: str) -> list[float]:
    pairs = zip(values, EISV_DIMS, strict=True)
    return [number(value, f"state_json.{dim}", place) for value, dim in pairs]


def _without_password(url: str) -> str:
    """Return an address as it may be shown; libpq takes secrets in the query, too."""
    return _USER_PASSWORD.sub(r"\1@", _PARAMETER.sub(_masked, url))


def _masked(parameter: re.Match[str]) -> str:
    """Return a parameter of the query, `***` for a secret's value; names may be escaped."""
    secret = unquote(parameter[1]).lower() in ("password", "sslpassword")
    return f"{parameter[1]}=***" if secret else parameter[0]


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
