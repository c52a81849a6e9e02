"""A larger run on paper: what it takes at the rates that a smaller one was measured to have."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, fields
from typing import Any

from ..core.errors import InputError
from ..core.files import read_json

__all__ = ["Plan", "Rates", "plan_run", "rates", "read_rates"]


@dataclass(frozen=True)
class Rates:
    """What a run took for each state.

    Attributes
    ----------
    core_s
        Seconds of a core: the time from begin to end times the workers, so that what workers wait
        for is in it.
    cpu_s
        Seconds of it in which a core computed.
    bytes_in, bytes_scratch, bytes_out
        Bytes read first, written in between, and written at last.
    windows
        Windows.
    memory
        Bytes that a worker had resident at most; it does not grow with the states.
    """

    core_s: float
    cpu_s: float
    bytes_in: float
    bytes_scratch: float
    bytes_out: float
    windows: float
    memory: int


@dataclass(frozen=True)
class Plan:
    """A run on paper.

    `core_hours` are paid for, `cpu_hours` of them computed; `wall_s` [s]; bytes, `memory` of a
    worker; `cost` in the currency of the `price` of a core-hour, which is given, not measured.
    """

    states: int
    windows: int
    cores: int
    core_hours: float
    cpu_hours: float
    wall_s: float
    price: float
    cost: float
    bytes_in: int
    bytes_scratch: int
    bytes_out: int
    memory: int


def rates(built: dict[str, Any]) -> Rates:
    """Return the rates of a run, from what `cluster windows --json` prints."""
    n = built["states"]
    return Rates(
        core_s=sum(built["wall_s"].values()) * built["workers"] / n,
        cpu_s=sum(built["cpu_s"].values()) / n,
        bytes_in=built["bytes_in"] / n,
        bytes_scratch=built["bytes_scratch"] / n,
        bytes_out=built["bytes_out"] / n,
        windows=built["windows"] / n,
        memory=built["peak_memory"],
    )


def read_rates(path: str | os.PathLike[str], *, ordered: bool = False) -> Rates:
    """Read the rates of a results file of `benchmarks.bench_cluster`, or of one run.

    Parameters
    ----------
    path
        The file: under `runs`, what was built of states in order and of interleaved agents; or
        what `cluster windows --json` printed.
    ordered
        Which of the two; one run alone must then have found its states in order.

    Raises
    ------
    InputError
        The file is not there, or not such a one.
    """
    raw = read_json(path)
    wanted = "ordered" if ordered else "interleaved"
    try:
        if "runs" in raw:
            runs = [run["built"] for run in raw["runs"] if run["layout"] == wanted]
            # As many workers as were measured: what they share, they shared then.
            raw = max(runs, key=lambda built: int(built["workers"]))
        elif ordered and raw["bytes_scratch"]:
            raise InputError(f"{path}: its states were not in order; leave out --ordered")
        found = rates(raw)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(
            f"{path}: not what `cluster windows --json` printed, and not a results file of "
            f"benchmarks.bench_cluster with a run {wanted!r}"
        ) from error
    if not all(math.isfinite(getattr(found, field.name)) for field in fields(found)):
        raise InputError(f"{path}: a rate is not finite")
    return found


def plan_run(rates: Rates, states: int, cores: int, price: float) -> Plan:
    """Plan a run of so many states.

    Rates are taken to hold: tasks do not wait for one another, and each reads and writes files of
    its own. What the plan leaves out is a storage that is slower, for so many cores at once, than
    the measured disk was for its few.

    Parameters
    ----------
    rates
        What a state takes.
    states
        How many.
    cores
        Workers, one a core.
    price
        What a core costs an hour.

    Raises
    ------
    InputError
        A number is so large that a figure of the plan is none.
    """
    try:
        found = _plan(rates, states, cores, price)
    except OverflowError:  # of a whole number that no float can be
        found = None
    if found is None or not all(map(math.isfinite, (found.core_hours, found.cost))):
        raise InputError("so many states or cores, or such a price, cannot be planned; give less")
    return found


def _plan(rates: Rates, states: int, cores: int, price: float) -> Plan:
    core_s = rates.core_s * states
    return Plan(
        states=states,
        windows=round(rates.windows * states),
        cores=cores,
        core_hours=core_s / 3600,
        cpu_hours=rates.cpu_s * states / 3600,
        wall_s=core_s / cores,
        price=price,
        cost=core_s / 3600 * price,
        bytes_in=round(rates.bytes_in * states),
        bytes_scratch=round(rates.bytes_scratch * states),
        bytes_out=round(rates.bytes_out * states),
        memory=rates.memory,
    )
