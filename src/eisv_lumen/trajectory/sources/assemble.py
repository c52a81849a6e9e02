"""From what was read to series: one an owner, in the order of time, whatever the files were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputError
from ..series import Series
from .columns import by_agent
from .common import Expressions, Report, Source, counted
from .options import DEFAULT, ReadOptions
from .ordering import check_spacing, in_order, spacing_notes
from .values import check_share

__all__ = ["Part", "assemble", "joined_expressions"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """States as they stand in one file, or in one table of it.

    Attributes
    ----------
    place
        What messages call it.
    t : ndarray, shape (N,)
        Times [s since the epoch], in the order of the file.
    X : ndarray, shape (N, 4)
        E, I, S, V, within [0, 1].
    drift : ndarray, shape (N,), or None
    agents : ndarray of str, shape (N,), or str
        Whose each row is, or all are.
    source
        What its windows say of where they come from (provenance, never identity).
    rows, null_rows, clamped
        As in `Report`.
    limited
        How many of the values may not be clamped beyond `ReadOptions.share`, and how many were.
    notes
        Sentences for the report.
    """

    place: str
    t: Floats
    X: Floats
    drift: Floats | None
    agents: Any
    source: str
    rows: int = 0
    null_rows: int = 0
    clamped: int = 0
    limited: tuple[int, int] | None = None
    notes: tuple[str, ...] = field(default=())


def assemble(
    parts: Sequence[Part],
    options: ReadOptions = DEFAULT,
    *,
    expressions: Expressions | None = None,
    fewest: int = 1,
    more_nulls: int = 0,
) -> Source:
    """Join parts by owner, and put each owner's rows in the order of time.

    A state belongs to its agent and its time; in which file it stood is of no account. So a log
    in daily files is one series, and one that was exported twice is read once.

    Parameters
    ----------
    parts
        What was read.
    options
        `agent` overrides what parts say; the rest as in `ordering` and `values`.
    expressions
        What was uttered.
    fewest
        Owners with fewer rows are dropped and counted.

    Raises
    ------
    InputError
        No owner has enough usable rows, or as for `in_order`, `check_spacing` and `check_share`.
    """
    series: list[Series] = []
    dropped = moved = repeated = same_time = 0
    steps: list[Floats] = []
    owners = _by_owner(parts, options)
    for agent, mine in owners.items():
        t, X, drift = _concatenated(parts, mine)
        if len(t) < fewest:
            dropped += 1
            continue
        places = sorted({parts[k].place for k, _ in mine})
        place = places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"
        place += f", agent {agent}" if len(owners) > 1 else ""
        found = in_order(t, X, drift, place, options)
        moved, repeated = moved + found.moved, repeated + found.repeated
        same_time += found.same_time
        t, X = t[found.rows], np.asfortranarray(X[found.rows])
        check_spacing(t, place)
        steps.append(np.diff(t))
        mended = None if drift is None else drift[found.rows]
        series.append(Series(t, X, mended, source=parts[mine[0][0]].source, agent=agent))
    rows, nulls = sum(p.rows for p in parts), sum(p.null_rows for p in parts)
    if not series:
        place = parts[0].place if parts else "the source"
        raise InputError(
            f"{place}: holds no usable state ({counted(rows, 'row')}, {nulls:,} with a NULL)"
            if fewest == 1
            else f"{place}: none of its {counted(len(owners), 'agent')} has {fewest} usable "
            f"updates, in {rows:,} rows ({nulls:,} with a NULL)"
        )
    for part in parts:
        values, outside = part.limited or (part.X.size, part.clamped)
        check_share(outside, values, part.place, options)
    return Source(
        series,
        Report(
            rows=rows,
            null_rows=nulls,
            moved=moved,
            clamped=sum(p.clamped for p in parts),
            agents=len(series),
            agents_dropped=dropped,
            repeated=repeated,
            same_time=same_time,
            notes=(
                *dict.fromkeys(note for part in parts for note in part.notes),
                *spacing_notes(np.concatenate(steps), options),
            ),
        ),
        expressions or Expressions(),
        options.max_gap,
    )


def _by_owner(parts: Sequence[Part], options: ReadOptions) -> dict[str, list[tuple[int, Any]]]:
    """Return the rows of each owner, by part, in the order in which owners appear."""
    owners: dict[str, list[tuple[int, Any]]] = {}
    for k, part in enumerate(parts):
        given = options.agent if options.agent is not None else part.agents
        if isinstance(given, str):
            if len(part.t):
                owners.setdefault(given, []).append((k, slice(None)))
            continue
        for agent, rows in by_agent(given):
            owners.setdefault(agent, []).append((k, rows))
    return owners


def _concatenated(
    parts: Sequence[Part], mine: Iterable[tuple[int, Any]]
) -> tuple[Floats, Floats, Floats | None]:
    chosen = [(parts[k], rows) for k, rows in mine]
    drift = None
    if any(part.drift is not None for part, _ in chosen):
        drift = np.concatenate(
            [
                np.zeros(len(part.t))[rows] if part.drift is None else part.drift[rows]
                for part, rows in chosen
            ]
        )
    if len(chosen) == 1 and isinstance(chosen[0][1], slice):
        return chosen[0][0].t, chosen[0][0].X, drift
    return (
        np.concatenate([part.t[rows] for part, rows in chosen]),
        np.concatenate([part.X[rows].T for part, rows in chosen], axis=1).T,
        drift,
    )


def joined_expressions(parts: Iterable[Expressions]) -> Expressions:
    """Put what was uttered in the order of time; the same words at the same time stand once."""
    ordered = sorted(
        {said for part in parts for said in zip(part.t.tolist(), part.tokens, strict=True)}
    )
    return Expressions(np.array([t for t, _ in ordered]), [words for _, words in ordered])
