"""Governance agents' updates (`reference/eisv.md` §1): JSON lines, one series an agent."""

from __future__ import annotations

import json
import math
import os
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from ..validation import check_seconds
from .assemble import Part, assemble
from .common import Source, parse_times, text_lines
from .options import DEFAULT, ReadOptions
from .values import GOVERNANCE, readings

__all__ = [
    "MIN_UPDATES",
    "Updates",
    "drift_of",
    "number",
    "part_of_updates",
    "parts_of_governance",
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


def read_governance(path: str | os.PathLike[str], options: ReadOptions = DEFAULT) -> Source:
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
    return assemble(parts_of_governance(path, options), options, fewest=MIN_UPDATES)


def parts_of_governance(path: str | os.PathLike[str], options: ReadOptions = DEFAULT) -> list[Part]:
    """Read updates as they stand in a file, one part an agent."""
    found = read_updates(text_lines(path), str(path), options)
    return part_of_updates(*found, str(path), options)


def read_updates(
    lines: Iterable[tuple[int, str]], name: str, options: ReadOptions = DEFAULT
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
        if not eisv.keys() >= set(EISV_DIMS):  # keys in lower case are the same keys
            eisv = {str(key).upper(): value for key, value in eisv.items()}
        values = [_get(eisv, dim, place, "eisv.") for dim in EISV_DIMS]
        agent = _get(update, "agent_id", place)
        if not isinstance(agent, str | int) or isinstance(agent, bool):
            raise InputError(f"{place}: agent_id is {agent!r}, not a name")
        if isinstance(agent, str) and not agent.isascii():
            _check_text(agent, place)
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
    t = parse_times(texts, lambda i: f"{name}, line {numbers[i]}, timestamp", options.zone)
    for (mine, at), seconds in zip(waiting, t.tolist(), strict=True):
        mine.t[at] = seconds
    return agents, rows, null_rows


def _check_text(agent: str, place: str) -> None:
    """Refuse half of a character (a lone surrogate), which JSON can spell and no file can hold."""
    try:
        agent.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"{place}: agent_id {agent!a} holds half a character; mend that name"
        ) from None


def part_of_updates(
    agents: dict[str, Updates],
    rows: int,
    null_rows: int,
    name: str,
    options: ReadOptions = DEFAULT,
    notes: tuple[str, ...] = (),
) -> list[Part]:
    """Turn updates into parts, one an agent; the first one carries the counts of rows.

    S may reach 2 and V run from −2 to 2 (§1): these are clamped and counted, however many.
    """
    parts: list[Part] = []
    for agent, updates in agents.items():
        raw = np.frombuffer(updates.states).reshape(-1, 4)
        place = f"{name}, agent {agent}"
        X, present = readings(raw, _places(place), options, GOVERNANCE)
        t, drift = np.frombuffer(updates.t)[present], np.frombuffer(updates.drift)[present]
        X = X[present]
        outside = (X < 0) | (X > 1)
        missing = np.isnan(drift)
        parts.append(
            Part(
                place,
                t,
                np.clip(X, 0.0, 1.0),
                None if missing.all() else np.where(missing, 0.0, drift),
                agent,
                "governance",
                rows if not parts else 0,
                int((~present).sum()) + (null_rows if not parts else 0),
                int(outside.sum()),
                (2 * len(X), int(outside[:, :2].sum())),
                notes if not parts else (),
            )
        )
    return parts or [
        Part(name, np.empty(0), np.empty((0, 4)), None, "", "governance", rows, null_rows)
    ]


def _places(agent: str) -> Callable[[int], str]:
    return lambda i: f"{agent}, update {i}"


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
