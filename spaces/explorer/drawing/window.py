"""A window in its series, drawn: the four dimensions, their derivatives, the shapes along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drawing.charts import Line, chart, overview, strip
from drawing.parts import cards, figure, legend
from drawing.words import DIMENSIONS, plain
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.rules.explain import Explanation, derivatives, explain
from eisv_lumen.trajectory.rules.thresholds import RATE_LIMIT
from eisv_lumen.trajectory.series import Series
from eisv_lumen.trajectory.windows import STRIDE, WINDOW, classify

__all__ = ["View", "dimensions", "opening", "place", "shapes_along", "show_shape", "whole"]

_CONTEXT = 2  # windows of context on either side


@dataclass(frozen=True)
class View:
    """What a visitor looks at: a series, and the window in it."""

    series: Series
    start: int = 0
    window: int = WINDOW

    @property
    def at(self) -> slice:
        """The window's states."""
        return slice(self.start, self.start + self.window)

    def explanation(self) -> Explanation:
        """Return the rules of the window."""
        s, drift = self.series, self.series.ethical_drift
        return explain(s.t[self.at], s.X[self.at], None if drift is None else drift[self.at])


def place(series: Series, start: float | None, window: float | None) -> View:
    """Return a view with the window inside the series, whatever was asked for, or nothing."""
    start, window = start or 0, WINDOW if window is None else window
    size = int(min(max(window, 2), len(series)))
    return View(series, int(min(max(start, 0), len(series) - size)), size)


def opening(series: Series) -> int:
    """Return where a visitor's first look falls: on the first window that is not quiet."""
    quiet = ("settled_presence", "convergence")
    starts = range(0, len(series) - WINDOW + 1)
    return next((k for k in starts if View(series, k).explanation().shape not in quiet), 0)


def show_shape(series: Series, shape: str) -> int:
    """Return where the default window shows a shape: in the middle of where it does."""
    starts = range(0, len(series) - WINDOW + 1)
    found = [k for k in starts if View(series, k).explanation().shape == shape]
    return found[len(found) // 2] if found else 0


def _context(view: View) -> slice:
    """States around the window: at most two windows on either side, in states and in time."""
    t, first, last = view.series.t, view.start, view.start + view.window - 1
    reach = _CONTEXT * max(t[last] - t[first], 1.0)
    lo = max(first - _CONTEXT * view.window, int(np.searchsorted(t, t[first] - reach)))
    hi = min(last + _CONTEXT * view.window, int(np.searchsorted(t, t[last] + reach, "right")) - 1)
    return slice(min(lo, first), max(hi, last) + 1)


def dimensions(view: View) -> str:
    """Draw each dimension with its first and second derivative, the window shaded."""
    t, X = view.series.t, view.series.X
    around = _context(view)
    zero = t[view.start]
    inside = derivatives(t[view.at], X[view.at])
    outside = derivatives(t[around], X[around])
    span = (float(t[around][0] - zero), float(t[around][-1] - zero))
    band = (0.0, float(t[view.at][-1] - zero))
    shared = {"x_range": span, "band": band}
    out = []
    for j, (dim, (name, meaning)) in enumerate(DIMENSIONS.items()):
        color = f"var(--dim-{dim})"
        state = chart(
            f"{name} over time",
            [
                Line(t[around] - zero, X[around, j], color, name, 1.2, opacity=0.45),
                Line(t[view.at] - zero, X[view.at, j], color, name, 2.4),
            ],
            y_range=_room(X[around, j], 0.05 if dim == "V" else 0.12),
            **shared,
        )
        rows = [figure(f"{dim} · {name}", state, meaning)]
        for title, unit, times, rates, all_times, all_rates in (
            ("first derivative", "1/s", inside.t1, inside.first, outside.t1, outside.first),
            ("second derivative", "1/s²", inside.t2, inside.second, outside.t2, outside.second),
        ):
            most = 1.15 * max(float(np.abs(rates[:, j]).max(initial=0)), 1.2 * RATE_LIMIT)
            drawn = chart(
                f"{title} of {name}",
                [
                    Line(
                        all_times - zero,
                        np.clip(all_rates[:, j], -most, most),
                        color,
                        "",
                        1,
                        opacity=0.3,
                    ),
                    Line(times - zero, rates[:, j], color, title, 1.8),
                ],
                y_range=(-most, most),
                levels=[(RATE_LIMIT, ""), (-RATE_LIMIT, "")],
                height=120,
                x_label="seconds from the window's start" if unit == "1/s²" else "",
                **shared,
            )
            rows.append(figure(f"d{'²' if unit == '1/s²' else ''}{dim} [{unit}]", drawn))
        out.append(f'<div class="card">{"".join(rows)}</div>')
    return cards(out, 270)


def _room(values: np.ndarray, least: float) -> tuple[float, float]:
    """Return a range that holds the values with some air, and is at least `least` wide."""
    low, high = float(values.min()), float(values.max())
    air = max(0.08 * (high - low), (least - (high - low)) / 2)
    return max(0.0, low - air), min(1.0, high + air)


def whole(view: View) -> str:
    """Draw the whole series with the window marked."""
    t, X = view.series.t, view.series.X
    columns = [(X[:, j], f"var(--dim-{dim})") for j, dim in enumerate(DIMENSIONS)]
    ends = (float(t[view.at][0]), float(t[view.at][-1]))
    keys = [(f"var(--dim-{dim})", name) for dim, (name, _) in DIMENSIONS.items()]
    length = _duration(float(t[-1] - t[0]))
    text = f"{len(t):,} states in {length}, from 0 (bottom) to 1 (top); the window is marked"
    return figure("The whole series", overview(t, columns, ends) + legend(keys), text)


def _duration(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"


def shapes_along(view: View) -> str:
    """Colour the whole series by the shape of the window that starts there, and count shapes."""
    s, window = view.series, view.window
    stride = max(1, (len(s) - window) // 600)
    codes = classify(s.t, s.X, window=window, stride=stride, ethical_drift=s.ethical_drift)
    change = np.flatnonzero(np.diff(codes, prepend=-1))
    span = max(float(s.t[-1] - s.t[0]), 1e-9)
    starts = [float(s.t[k * stride] - s.t[0]) / span for k in change]
    end = float(s.t[len(s) - window] - s.t[0]) / span
    colors = [f"var(--{SHAPES[c]})" for c in codes[change]]
    counted = classify(s.t, s.X, window=window, stride=STRIDE, ethical_drift=s.ethical_drift)
    share = np.bincount(counted, minlength=len(SHAPES)) / len(counted)
    present = [
        (f"var(--{n})", f"{plain(n)} {share[i]:.0%}") for i, n in enumerate(SHAPES) if share[i]
    ]
    return figure(
        "Shapes along it",
        strip(starts, colors, max(end, starts[-1])) + legend(present),
        f"of the window of {window} states that starts there; shares with stride {STRIDE}",
    )
