"""Governance agents' updates (`reference/eisv.md` §1): JSON lines, one series an agent."""

from __future__ import annotations

import json
import math
import os
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from ..series import Series
from ..validation import check_seconds
from .common import Report, Source, in_time_order, parse_times, text_lines

__all__ = [
    "MIN_UPDATES",
    "Updates",
    "assemble",
    "drift_of",
    "number",
    "read_governance",
    "read_updates",
    "time_of",
]

MIN_UPDATES = 3
"""Agents with fewer updates are dropped (§1)."""


@dataclass(slots=True)
class Updates:
    """The updates of one agent as they come in."""

    t: array[float] = field(default_factory=lambda: array("d"))
    states: array[float] = field(default_factory=lambda: array("d"))
    drift: array[float] = field(default_factory=lambda: array("d"))


def read_governance(path: str | os.PathLike[str]) -> Source:
    """Read governance updates, one JSON object a line.

    A line has `agent_id`, `timestamp` (ISO-8601, naive is UTC, or seconds since the epoch) and
    `eisv` {E, I, S, V}; `ethical_drift` may be a number or a vector, whose Euclidean norm stands
    for it; whatever else it has is left alone. Values outside [0, 1] are clamped and counted
    (drift is not clamped). A line in which one of the four is null is skipped and counted.

    Raises
    ------
    InputError
        The file is missing, a line is not such an update (the message names line and field), or
        no agent has enough updates.
    """
    return assemble(*read_updates(text_lines(path), str(path)), str(path))


def read_updates(
    lines: Iterable[tuple[int, str]], name: str
) -> tuple[dict[str, Updates], int, int]:
    """Read numbered lines of updates; return each agent's, in their order, rows, and NULL rows.

    Raises
    ------
    InputError
        A line is not such an update; the message names `name`, line and field.
    """
    agents: dict[str, Updates] = {}
    numbers: list[int] = []
    texts: list[str] = []
    waiting: list[tuple[Updates, int]] = []  # updates whose time is a text: read all at once
    rows = null_rows = 0
    for line_number, line in lines:
        rows += 1
        place = f"{name}, line {line_number}"
        update = _object(line, place)
        eisv = _get(update, "eisv", place)
        if not isinstance(eisv, dict):
            raise InputError(f"{place}: eisv is not an object with E, I, S, V")
        values = [_get(eisv, dim, place, "eisv.") for dim in EISV_DIMS]
        agent = _get(update, "agent_id", place)
        if not isinstance(agent, str | int) or isinstance(agent, bool):
            raise InputError(f"{place}: agent_id is {agent!r}, not a name")
        time = _get(update, "timestamp", place)
        if any(value is None for value in values):
            null_rows += 1
            continue
        mine = agents.setdefault(str(agent), Updates())
        if isinstance(time, str):
            waiting.append((mine, len(mine.t)))
            texts.append(time)
            numbers.append(line_number)
            mine.t.append(0.0)
        else:
            mine.t.append(time_of(time, "timestamp", place))
        names = [f"eisv.{dim}" for dim in EISV_DIMS]
        mine.states.extend(number(v, n, place) for v, n in zip(values, names, strict=True))
        mine.drift.append(drift_of(update.get("ethical_drift"), place))
    t = parse_times(texts, lambda i: f"{name}, line {numbers[i]}, timestamp")
    for (mine, at), seconds in zip(waiting, t.tolist(), strict=True):
        mine.t[at] = seconds
    return agents, rows, null_rows


def assemble(agents: dict[str, Updates], rows: int, null_rows: int, name: str) -> Source:
    """Turn updates into series: sorted by time, clamped, agents with too few dropped."""
    series = []
    clamped = moved = 0
    for agent, updates in agents.items():
        if len(updates.t) < MIN_UPDATES:
            continue
        raw = np.frombuffer(updates.states).reshape(-1, 4)
        clamped += int(((raw < 0) | (raw > 1)).sum())
        drift = np.frombuffer(updates.drift)
        missing = np.isnan(drift)
        found = None if missing.all() else np.where(missing, 0.0, drift)
        n, t, (X, found) = in_time_order(
            np.frombuffer(updates.t), np.asfortranarray(np.clip(raw, 0.0, 1.0)), found
        )
        moved += n
        series.append(Series(t, X, found, source="governance", agent=agent))
    if not series:
        raise InputError(
            f"{name}: none of its {len(agents)} agents has {MIN_UPDATES} usable updates, in "
            f"{rows} rows ({null_rows} with a NULL)"
        )
    dropped = len(agents) - len(series)
    return Source(series, Report(rows, null_rows, moved, clamped, len(series), dropped))


def number(value: Any, field_name: str, place: str) -> float:
    """Return a finite number, or refuse it by its place and field."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            x = float(value)
        except OverflowError:
            x = math.inf
        if math.isfinite(x):
            return x
    raise InputError(f"{place}: {field_name} is {value!r}, not a finite number")


def time_of(value: Any, field_name: str, place: str) -> float:
    """Return a time [s since the epoch], or refuse what is none, milliseconds too."""
    time = number(value, field_name, place)
    check_seconds(time, f"{place}, {field_name}")
    return time


def drift_of(value: Any, place: str) -> float:
    """Return a drift: a number, the Euclidean norm of a vector, or NaN where there is none."""
    if value is None:
        return math.nan
    if isinstance(value, list):
        return math.hypot(*(number(x, "ethical_drift", place) for x in value))
    return number(value, "ethical_drift", place)


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        update = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "too deeply nested"
        raise InputError(f"{place}: not JSON ({reason})") from None
    except ValueError:
        raise InputError(f"{place}: holds a number too long to be read") from None
    if not isinstance(update, dict):
        raise InputError(f"{place}: not a JSON object")
    return update


def _get(record: dict[str, Any], key: str, place: str, prefix: str = "") -> Any:
    if key not in record:
        raise InputError(f"{place}: field {prefix}{key} is missing")
    return record[key]
