"""How a source is to be read, where its columns, units or owners do not speak for themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ...core.errors import InputError

__all__ = ["DEFAULT", "FEW", "ReadOptions", "parse_columns", "parse_zone"]


@dataclass(frozen=True)
class ReadOptions:
    """What a reader is told beyond the source itself; the defaults tell it nothing.

    Attributes
    ----------
    columns
        Our name (`t`, `E`, `I`, `S`, `V`, `ethical_drift`, `agent`) to the source's own.
    agent
        Whose all states are; columns and path keys are then left alone.
    zone
        Time zone of times that are written without one; None: UTC.
    missing
        Values that stand for a failed reading; rows that hold one are left out and counted.
    scale
        What a reading is divided by, as 100 for percent.
    clamp
        Whether values far outside [0, 1], or many of them, may be clamped.
    share
        Share of rows or values that may be clamped or stand at one time before it is an error.
    max_gap
        Windows with a longer step [s] between two states are left out; None: none are.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    agent: str | None = None
    zone: ZoneInfo | None = None
    missing: tuple[float, ...] = ()
    scale: float | None = None
    clamp: bool = False
    share: float = 0.01
    max_gap: float | None = None


DEFAULT: Final = ReadOptions()
FEW: Final = 10
"""Below this many, rows or values are a few whatever their share."""

_ROLES: Final = ("t", "E", "I", "S", "V", "ethical_drift", "agent")


def parse_columns(text: str, agent_column: str | None = None) -> dict[str, str]:
    """Read `t=time,E=energy`; the agent's column may be given apart.

    Raises
    ------
    InputError
        A part is no pair, or names none of our columns.

    Examples
    --------
    >>> parse_columns("t=time, E=energy")
    {'t': 'time', 'E': 'energy'}
    """
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        role, equals, name = part.partition("=")
        if not equals or not name.strip() or role.strip() not in _ROLES:
            raise InputError(
                f"--columns {part}: write OURS=YOURS, as in t=time,E=energy; ours are "
                f"{', '.join(_ROLES)}"
            )
        found[role.strip()] = name.strip()
    if agent_column is not None:
        found["agent"] = agent_column
    return found


def parse_zone(name: str) -> ZoneInfo:
    """Return a time zone by its name.

    Raises
    ------
    InputError
        There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"--tz {name}: no such time zone; write it as Europe/Berlin") from None
