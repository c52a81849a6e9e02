"""A series and its labelled windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ...core.errors import InputError
from ...eisv import EISV_DIMS
from ...expression.vocabulary import SHAPES
from ...trajectory.series import Series
from .style import canvas

__all__ = ["draw_labels"]

_MOST = 2_000
"""States drawn of a series; of a longer one every k-th."""


def draw_labels(series: Sequence[Series], table: pa.Table, kind: str = "svg") -> bytes:
    """Draw E, I, S, V of the agent with the most windows over time, and each window's shape below.

    Parameters
    ----------
    series, table
        As `trajectory.labels.label_table` returns them.
    kind
        svg or png.
    """
    agents = table["agent"].to_pylist()
    agent = max(dict.fromkeys(agents), key=agents.count)
    one = next((s for s in series if s.agent == agent), None)
    if one is None:
        raise InputError(f"no series of agent {agent}")
    rows = [row for row in table.to_pylist() if row["agent"] == agent]
    keep = slice(None, None, max(1, len(one) // _MOST))
    hours = (one.t - one.t[0]) / 3600
    with canvas(10, 4, kind=kind) as (figure, axes, buffer):
        for i, name in enumerate(EISV_DIMS):
            axes.plot(hours[keep], one.X[keep, i], linewidth=0.8, label=name)
        present = [shape for shape in SHAPES if any(r["shape"] == shape for r in rows)]
        for row in rows:
            level = -0.06 * (1 + present.index(row["shape"]))
            span = (np.array([row["t_start"], row["t_end"]]) - one.t[0]) / 3600
            axes.plot(span, [level, level], linewidth=3, solid_capstyle="butt",
                      color=f"C{4 + SHAPES.index(row['shape']) % 6}")  # fmt: skip
        levels = [-0.06 * (1 + i) for i in range(len(present))]
        axes.set_yticks([*levels, 0, 0.5, 1], [*present, "0", "0.5", "1"], fontsize=7)
        axes.set_xlabel("hours since the first state")
        axes.legend(ncols=4, loc="upper right", fontsize=7)
        figure.suptitle(f"{len(rows)} windows{f' of agent {agent}' if agent else ''}", fontsize=9)
    return bytes(buffer.getvalue())
