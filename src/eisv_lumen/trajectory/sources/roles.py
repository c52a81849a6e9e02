"""Which column of a table is which: names in any case and spelling, or as the caller says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Final

from ...core.errors import InputError
from ...eisv import ANIMA_DIMS, EISV_DIMS

__all__ = [
    "ANIMA",
    "agent_of_path",
    "has_energy",
    "ignored_columns",
    "names_an_owner",
    "owner_column",
    "resolve",
]

_ALIASES: Final = {
    "t": (
        "t", "time", "timestamp", "ts", "datetime", "date_time", "recorded_at", "created_at",
        "logged_at", "epoch", "unix", "unix_time", "time_s", "t_s", "date",
    ),
    "E": ("e", "energy", "eisv_e", "eisv.e"),
    "I": ("i", "integrity", "information_integrity", "info_integrity", "eisv_i", "eisv.i"),
    "S": ("s", "entropy", "eisv_s", "eisv.s"),
    "V": ("v", "void", "eisv_v", "eisv.v"),
    "ethical_drift": ("ethical_drift", "drift", "ethicaldrift"),
    "agent": (
        "agent", "agent_id", "agentid", "agent_name", "identity", "identity_id", "creature",
        "creature_id", "robot", "robot_id", "device", "device_id", "node", "node_id", "unit",
        "unit_id", "host", "hostname", "owner", "owner_id", "sensor", "sensor_id", "subject",
        "subject_id", "series", "series_id",
    ),
}  # fmt: skip
_ROLE_OF: Final = {alias: role for role, names in _ALIASES.items() for alias in names}
_LABELS: Final = re.compile(r"(^|_)(id|uid|uuid|guid|name|serial|mac)$")
ANIMA: Final = tuple(ANIMA_DIMS)
"""Columns of Lumen's anima state, from which E, I, S, V follow."""


def plain(name: str) -> str:
    """Return a column's name without case, blanks and hyphens."""
    return re.sub(r"[\s\-]+", "_", name.strip().lstrip("\ufeff").casefold())


def resolve(
    names: Sequence[str], place: str, given: Mapping[str, str], agent: str | None = None
) -> dict[str, str]:
    """Return our name to the table's own, for the columns of states that it has; time first.

    Parameters
    ----------
    names
        The table's columns.
    place
        What messages call the table.
    given
        What the caller says (`ReadOptions.columns`).
    agent
        Whose all states are, where the caller says so: no column is then taken for it.

    Raises
    ------
    InputError
        A column is missing, stands there twice, or two could be the same.

    Examples
    --------
    >>> resolve(["Timestamp", "energy", "I", "S", "V", "robot"], "x", {})
    {'t': 'Timestamp', 'E': 'energy', 'I': 'I', 'S': 'S', 'V': 'V', 'agent': 'robot'}
    """
    roles: dict[str, str] = {}
    for role, name in given.items():
        if name not in names:
            raise InputError(
                f"{place}: no column {name!r} for {role}; it has {', '.join(names) or 'none'}"
            )
        roles[role] = name
    for name in names:
        role = _ROLE_OF.get(plain(name), "")
        if not role or role in given or name in given.values():
            continue
        if role == "agent" and agent is not None:
            continue
        if role in roles:
            _refuse_two(role, roles[role], name, place)
        roles[role] = name
    for role, name in roles.items():
        if list(names).count(name) > 1:
            raise InputError(
                f"{place}: column {name} ({role}) stands there twice; name each column once"
            )
    anima = {dim: name for name in names for dim in ANIMA if plain(name) == dim}
    if len(anima) == len(ANIMA) and not any(dim in roles for dim in EISV_DIMS):
        roles |= anima
    wanted = ANIMA if anima.keys() <= roles.keys() and anima else EISV_DIMS
    missing = ["t (or timestamp)"] * ("t" not in roles) + [d for d in wanted if d not in roles]
    if missing:
        raise InputError(
            f"{place}: no column {missing[0]}; it has {', '.join(names) or 'none'}. Say which is "
            "which: --columns t=...,E=...,I=...,S=...,V=..."
        )
    order = ("t", *wanted, "ethical_drift", "agent")
    return {role: roles[role] for role in order if role in roles}


def owner_column(
    names: Sequence[str], place: str, given: Mapping[str, str], agent: str | None = None
) -> str | None:
    """Return the column that says whose a row is, None where there is none or none is wanted.

    Raises
    ------
    InputError
        Two could be it, or the one that is given is not there.
    """
    if agent is not None:
        return None
    if "agent" in given:
        if given["agent"] not in names:
            raise InputError(f"{place}: no column {given['agent']!r}; it has {', '.join(names)}")
        return given["agent"]
    found = [name for name in names if _ROLE_OF.get(plain(name)) == "agent"]
    if len(found) > 1:
        _refuse_two("agent", found[0], found[1], place)
    return found[0] if found else None


def _refuse_two(role: str, one: str, other: str, place: str) -> None:
    what = "the time" if role == "t" else "whose a row is" if role == "agent" else role
    mend = f"--columns {role}={other}" if role != "agent" else f"--agent-column {other}"
    raise InputError(
        f"{place}: columns {one!r} and {other!r} could both be {what}; choose one: {mend}"
    )


def ignored_columns(names: Sequence[str], roles: Mapping[str, str]) -> list[str]:
    """Return the columns that are not read."""
    return [name for name in names if name not in roles.values()]


def has_energy(names: Iterable[str]) -> bool:
    """Whether some names are those of a table of states: one of them is that of E."""
    return any(_ROLE_OF.get(plain(str(name))) == "E" for name in names)


def names_an_owner(name: str) -> bool:
    """Whether a column that is not read looks as if it told rows of several owners apart."""
    return bool(_LABELS.search(plain(name)))


def agent_of_path(path: PurePath, given: Mapping[str, str]) -> str | None:
    """Return the agent that a key in a path names, as in `agent=ada/part-0.parquet`.

    Examples
    --------
    >>> agent_of_path(PurePath("log/agent=ada/day=1/part-0.parquet"), {})
    'ada'
    """
    from urllib.parse import unquote

    for part in path.parts[:-1]:
        key, equals, value = part.partition("=")
        if equals and (key == given.get("agent") or _ROLE_OF.get(plain(key)) == "agent"):
            return unquote(value)
    return None
