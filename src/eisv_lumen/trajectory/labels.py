"""One row per window: whose it is, when, its shape, and the rule that fired, by what margin."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from ..core.errors import InputError
from ..eisv import EISV_DIMS
from .rules.explain import Explanation, explain
from .rules.thresholds import RATE_LIMIT
from .series import Series
from .sources import read_source
from .windows import STRIDE, WINDOW

__all__ = ["LABELS", "SpacingWarning", "label", "label_series", "label_table", "series_of_frame"]

LABELS: Final = pa.schema(
    [
        ("agent", pa.string()), ("start", pa.string()), ("end", pa.string()),
        ("t_start", pa.float64()), ("t_end", pa.float64()), ("shape", pa.string()),
        ("rule", pa.int8()), ("condition", pa.string()), ("margin", pa.float64()),
    ]
)  # fmt: skip
"""Columns of a table of labels: `rule` counts from 1, `margin` is that of the condition that
was closest to failing, in the condition's unit; the last rule has none."""
_SPARSE: Final = 0.25
_DENSE: Final = 0.05
_NAMES: Final = {"energy": "E", "integrity": "I", "information_integrity": "I", "entropy": "S",
                 "void": "V", "timestamp": "t", "time": "t", "datetime": "t", "date": "t",
                 "agent_id": "agent", "identity_id": "agent"}  # fmt: skip


class SpacingWarning(UserWarning):
    """The states of a series lie too far apart, or too close, for thresholds per second."""


def label(data: Any, *, window: int = WINDOW, stride: int = STRIDE) -> Any:
    """Label the windows of a log or of a data frame.

    The thresholds of the rules are rates per second; a series that is too sparse or too dense for
    them raises a `SpacingWarning`.

    Parameters
    ----------
    data
        A data frame (pandas, polars), an Arrow table or a mapping with columns `t` (seconds, or
        datetimes), `E`, `I`, `S`, `V` and perhaps `ethical_drift` and `agent`; or the path of a
        log, as for `load_trajectories`.
    window, stride
        States in a window, and from one window's start to the next's.

    Returns
    -------
    frame
        Of the kind of `data`; of a path, a pandas frame where pandas is installed, else an Arrow
        table. Columns: agent, start, end (ISO 8601, UTC), t_start, t_end [s], shape, rule (1 to
        9), condition (the one closest to failing), margin.

    Raises
    ------
    InputError
        A column is missing, or no series is as long as a window.

    Examples
    --------
    >>> t = [float(i) for i in range(20)]
    >>> found = label({"t": t, "E": t, "I": t, "S": t, "V": [0.5] * 20}, stride=20)
    >>> found["shape"], found["rule"], found["condition"]
    (['basin_transition_up'], [2], ['mean dE/dt 1 > 0 1/s'])
    """
    path = isinstance(data, str | os.PathLike)
    series = read_source(data).series if path else series_of_frame(data)
    table = label_series(series, window=window, stride=stride)
    for text in spacing_notes(series):
        warnings.warn(text, SpacingWarning, stacklevel=2)
    return _as_kind(table, None if path else data)


def label_table(
    source: str | os.PathLike[str], *, window: int = WINDOW, stride: int = STRIDE
) -> tuple[pa.Table, list[Series], list[str]]:
    """Label a log; return the table, its series, and what is to be said of both."""
    read = read_source(source)
    table = label_series(read.series, window=window, stride=stride)
    return table, read.series, [*read.report.lines(), *spacing_notes(read.series)]


def label_series(
    series: Iterable[Series], *, window: int = WINDOW, stride: int = STRIDE
) -> pa.Table:
    """Label the windows of series; columns as in `LABELS`.

    Raises
    ------
    InputError
        No series is as long as a window.
    """
    rows = [row for one in series for row in _rows(one, window, stride)]
    if not rows:
        raise InputError(f"no series has the {window} states of a window; give a smaller --window")
    return pa.Table.from_pylist(rows, LABELS)


def _rows(series: Series, window: int, stride: int) -> Iterator[dict[str, Any]]:
    for first in range(0, len(series) - window + 1, stride):
        part = slice(first, first + window)
        drift = None if series.ethical_drift is None else series.ethical_drift[part]
        found = explain(series.t[part], series.X[part], drift)
        start, end = float(series.t[part][0]), float(series.t[part][-1])
        condition, margin = _closest(found)
        yield {
            "agent": series.agent, "start": _iso(start), "end": _iso(end), "t_start": start,
            "t_end": end, "shape": found.shape, "rule": found.fired + 1, "condition": condition,
            "margin": margin,
        }  # fmt: skip


def _closest(found: Explanation) -> tuple[str, float | None]:
    """Return the condition of the rule that fired which was closest to failing, and by how much."""
    conditions = found.rules[found.fired].conditions
    if not conditions:
        return "no other rule holds", None
    least = min(conditions, key=lambda c: c.margin / (abs(c.threshold) or 1.0))
    unit = f" {least.unit}" if least.unit else ""
    text = f"{least.quantity} {least.value:.4g} {least.relation} {least.threshold:g}{unit}"
    return text, least.margin


def _iso(t: float) -> str:
    try:
        return datetime.fromtimestamp(t, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    except (OverflowError, ValueError, OSError):
        return ""


def spacing_notes(series: Iterable[Series]) -> Iterator[str]:
    """Say of which series the spacing does not suit thresholds that are rates per second."""
    for one in series:
        if len(one) < 2:
            continue
        spacing = float(np.median(np.diff(one.t)))
        whose = f"agent {one.agent}: " if one.agent else ""
        step = RATE_LIMIT * spacing
        if step > _SPARSE:
            yield (
                f"{whose}states are {spacing:g} s apart and the rules' thresholds are per second: "
                f"a dimension would have to change by {step:.2g} in each step to count as rising "
                "or falling, so most windows fall to the last rule (convergence)"
            )
        elif 0 < spacing < _DENSE:
            yield (
                f"{whose}states are {spacing:g} s apart and the rules' thresholds are per second: "
                f"a change of {step:.2g} per step counts as rising, which noise may do"
            )


def series_of_frame(data: Any) -> list[Series]:
    """Return the series in a data frame, an Arrow table or a mapping of columns, by agent.

    Raises
    ------
    InputError
        A column is missing or its times are unusable.
    """
    columns = {str(name): data[name] for name in _names(data)}
    found = {_NAMES.get(k.strip().lower(), _canonical(k)): v for k, v in columns.items()}
    if missing := [name for name in ("t", *EISV_DIMS) if name not in found]:
        raise InputError(
            f"no column {', '.join(missing)}; there are {', '.join(columns) or 'none'}"
        )
    t = _seconds(np.asarray(found["t"]))
    X = np.column_stack([np.asarray(found[name], np.float64) for name in EISV_DIMS])
    drift = np.asarray(found["ethical_drift"], np.float64) if "ethical_drift" in found else None
    if "agent" not in found:
        return [_sorted("", t, X, drift)]
    agents = np.asarray(found["agent"]).astype(str)
    return [
        _sorted(name, t[mine], X[mine], None if drift is None else drift[mine])
        for name in dict.fromkeys(agents.tolist())
        for mine in [agents == name]
    ]


def _sorted(agent: str, t: Any, X: Any, drift: Any) -> Series:
    order = np.argsort(t, kind="stable")
    return Series(t[order], X[order], None if drift is None else drift[order], "frame", agent)


def _canonical(name: str) -> str:
    plain = name.strip()
    if plain.upper() in EISV_DIMS:
        return plain.upper()
    return plain.lower()


def _names(data: Any) -> Sequence[str]:
    if isinstance(data, Mapping):
        return list(data)
    names = getattr(data, "column_names", None) or getattr(data, "columns", None)
    if names is None:
        raise InputError(f"{type(data).__name__}: give a data frame, a table, columns, or a path")
    return list(names)


def _seconds(t: Any) -> Any:
    if t.dtype.kind == "M":
        return t.astype("datetime64[us]").astype(np.int64) / 1e6
    if t.dtype.kind in "OUS":
        try:
            times = [datetime.fromisoformat(str(text)) for text in t.tolist()]
        except ValueError as error:
            raise InputError(f"column t: {error}; give seconds or ISO 8601 times") from None
        return np.array([(x if x.tzinfo else x.replace(tzinfo=UTC)).timestamp() for x in times])
    return t.astype(np.float64)


def _as_kind(table: pa.Table, data: Any) -> Any:
    """Return a table as the kind of frame that `data` is."""
    kind = type(data).__module__.partition(".")[0]
    if kind == "polars":
        import polars

        return polars.from_arrow(table)
    if kind == "pandas" or data is None:
        try:
            return table.to_pandas()
        except ImportError:
            return table
    return table.to_pydict() if isinstance(data, Mapping) else table
