"""Charts as SVG text: colours come from the page's CSS, so one drawing serves light and dark.

A chart is 360 units wide and scales with its column; on a phone it fills the width with text that
stays readable. A redraw costs a millisecond, so that charts follow a slider.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["Dot", "Line", "chart", "overview", "strip", "thin"]

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 360, 46, 12, 10, 30
_ROOM = 13  # units from a label to the one below it, at least

Scaled = Callable[[npt.ArrayLike], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Line:
    """A line through points."""

    x: npt.ArrayLike
    y: npt.ArrayLike
    color: str
    name: str = ""
    width: float = 2.0
    dash: str = ""
    opacity: float = 1.0


@dataclass(frozen=True)
class Dot:
    """A point with a name to hover, an interval and a label where they are given."""

    x: float
    y: float
    color: str
    name: str
    label: str = ""
    low: float | None = None
    high: float | None = None
    square: bool = False


def chart(
    title: str,
    lines: Sequence[Line],
    dots: Sequence[Dot] = (),
    *,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    x_label: str = "",
    band: tuple[float, float] | None = None,
    cursor: float | None = None,
    levels: Sequence[tuple[float, str]] = (),
    height: int = 190,
) -> str:
    """Draw one chart.

    Parameters
    ----------
    title
        Its name, for the heading above it and for who cannot see it.
    lines, dots
        What is drawn, later ones on top.
    x_range, y_range
        What the axes cover.
    x_label
        Stands under the axis.
    band
        A stretch of x that is shaded.
    cursor
        An x where a vertical line stands.
    levels
        (y, label) of dashed horizontal lines.
    height
        In units of which the chart is 360 wide.
    """
    x0, x1 = x_range if x_range[1] > x_range[0] else (x_range[0] - 0.5, x_range[0] + 0.5)
    y0, y1 = y_range
    bottom = height - BOTTOM + (0 if x_label else 12)

    def px(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return LEFT + (np.asarray(x, float) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def py(y: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return bottom - (np.asarray(y, float) - y0) / (y1 - y0) * (bottom - TOP)

    out = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">']
    if band is not None:
        a, b = float(px(band[0])), float(px(band[1]))
        out.append(
            f'<rect class="band" x="{a:.1f}" y="{TOP}" width="{max(b - a, 2):.1f}" '
            f'height="{bottom - TOP:.1f}"/>'
        )
    for y in _ticks(y0, y1, 5):
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py(y):.1f}" '
                   f'y2="{py(y):.1f}"/>')  # fmt: skip
        out.append(f'<text class="tick" x="{LEFT - 6}" y="{py(y) + 4:.1f}" text-anchor="end">'
                   f"{_number(y)}</text>")  # fmt: skip
    for x in _ticks(x0, x1, 5):
        out.append(f'<text class="tick" x="{px(x):.1f}" y="{bottom + 14:.1f}" '
                   f'text-anchor="middle">{_number(x)}</text>')  # fmt: skip
    if x_label:
        out.append(f'<text class="axis" x="{WIDTH - RIGHT}" y="{height - 3}" text-anchor="end">'
                   f"{escape(x_label)}</text>")  # fmt: skip
    for y, label in levels:
        if y0 <= y <= y1:
            out.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py(y):.1f}" '
                       f'y2="{py(y):.1f}"/><text class="tick" x="{WIDTH - RIGHT - 2}" '
                       f'y="{py(y) - 3:.1f}" text-anchor="end">{escape(label)}</text>')  # fmt: skip
    out += [_path(line, px, py) for line in lines if len(np.atleast_1d(line.x))]
    if cursor is not None:
        out.append(f'<line class="cursor" x1="{px(cursor):.1f}" x2="{px(cursor):.1f}" y1="{TOP}" '
                   f'y2="{bottom}"/>')  # fmt: skip
    out += _dots(dots, px, py)
    return "".join([*out, "</svg>"])


def overview(
    t: npt.NDArray[np.float64], columns: Sequence[tuple[npt.NDArray[np.float64], str]],
    window: tuple[float, float] | None, top: float = 1.0,
) -> str:  # fmt: skip
    """Draw a series in a wide strip, with a window marked if given; columns of (values, colour)."""
    span = max(float(t[-1] - t[0]), 1e-9)
    out = ['<svg viewBox="0 0 1000 100" preserveAspectRatio="none" class="wide" role="img" '
           'aria-label="the whole series">']  # fmt: skip
    for values, color in columns:
        x, y = thin(t, values)
        points = _points(1000 * (x - t[0]) / span, 97 - 94 * np.clip(y / top, 0, 1))
        out.append(f'<path d="{points}" fill="none" stroke="{color}" stroke-width="1.3" '
                   'vector-effect="non-scaling-stroke"/>')  # fmt: skip
    if window is None:
        return "".join([*out, "</svg>"])
    a, b = (1000 * (w - t[0]) / span for w in window)
    out.append(f'<rect class="band edge" x="{a:.1f}" y="0" width="{max(b - a, 4):.1f}" '
               'height="100"/></svg>')  # fmt: skip
    return "".join(out)


def strip(starts: Sequence[float], colors: Sequence[str], end: float) -> str:
    """Draw stretches of colour side by side: each from its start (0 to 1) to the next."""
    edges = [*starts, end]
    rows = [
        f'<rect x="{1000 * a:.2f}" width="{1000 * (b - a) + 0.3:.2f}" y="0" height="12" '
        f'fill="{color}"/>'
        for a, b, color in zip(edges[:-1], edges[1:], colors, strict=True)
    ]
    return (
        '<svg viewBox="0 0 1000 12" preserveAspectRatio="none" class="strip" role="img" '
        f'aria-label="shapes of the whole series">{"".join(rows)}</svg>'
    )


def thin(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], most: int = 600
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Keep the least and the greatest value of each of `most` stretches: what a screen can show."""
    n = len(x)
    if n <= 2 * most:
        return x, y
    edges = np.linspace(0, n, most + 1).astype(int)
    at = np.concatenate(
        [
            sorted((a + int(np.argmin(y[a:b])), a + int(np.argmax(y[a:b]))))
            for a, b in pairwise(edges)
        ]
    )
    return x[at], y[at]


def _path(line: Line, px: Scaled, py: Scaled) -> str:
    dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
    return (
        f'<path d="{_points(px(line.x), py(line.y))}" fill="none" stroke="{line.color}" '
        f'stroke-width="{line.width}" opacity="{line.opacity}" stroke-linejoin="round"{dash}>'
        f"<title>{escape(line.name)}</title></path>"
    )


def _points(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> str:
    points = (f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return "M" + "L".join(points)


def _dots(dots: Sequence[Dot], px: Scaled, py: Scaled) -> list[str]:
    out = []
    placed: list[float] = []
    for dot in sorted(dots, key=lambda d: -d.y):
        x, y = float(px(dot.x)), float(py(dot.y))
        if dot.low is not None and dot.high is not None:
            ends = f'y1="{py(dot.low):.1f}" y2="{py(dot.high):.1f}"'
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" {ends} stroke="{dot.color}"/>')
        mark = (
            f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" transform="rotate(45 '
            f'{x:.1f} {y:.1f})"'
            if dot.square
            else f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"'
        )
        out.append(f'{mark} fill="{dot.color}" class="dot"><title>{escape(dot.name)}</title>'
                   f"</{'rect' if dot.square else 'circle'}>")  # fmt: skip
        if dot.label:
            at = max([y, *(p + _ROOM for p in placed[-1:])])  # below the label above it
            placed.append(at)
            out.append(f'<text class="mark" x="{x + 9:.1f}" y="{at + 4:.1f}" fill="{dot.color}">'
                       f"{escape(dot.label)}</text>")  # fmt: skip
    return out


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between `low` and `high`: steps of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / about
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = np.ceil(low / step - 1e-9)
    return [float(k * step) for k in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def _number(x: float) -> str:
    return f"{round(x, 9) + 0.0:g}".replace("-", "−")
