"""What a visitor reads: dimensions and shapes in plain words, with the rules' own thresholds."""

from __future__ import annotations

from eisv_lumen.expression.shapes import ENTRIES
from eisv_lumen.trajectory.rules.thresholds import NAMED

__all__ = ["DIMENSIONS", "SHAPE_MEANS", "plain", "shape_colors"]

DIMENSIONS = {
    "E": ("Energy", "how much there is to act with; Lumen's warmth"),
    "I": ("Information integrity", "how clear its signals are; Lumen's clarity"),
    "S": ("Entropy", "how unsettled it is; 1 − stability"),
    "V": ("Void", "how far from present; (1 − presence) × 0.3"),
}

SHAPE_MEANS = {entry.name: entry.means.format(**NAMED) for entry in ENTRIES}


def shape_colors() -> str:
    """Return the style sheet's colour of each shape, on a light and on a dark page."""
    blocks = []
    for selector, which in ((":root", 0), (".dark", 1)):
        lines = "".join(f"  --{entry.name}: {entry.colors[which]};\n" for entry in ENTRIES)
        blocks.append(f"{selector} {{\n{lines}}}\n")
    return "".join(blocks)


_NAMES = {"an_hour_like_lumens": "an hour of a log like Lumen’s"}


def plain(name: str) -> str:
    """Return the name of a shape, a word or an example as prose shows it.

    Examples
    --------
    >>> plain("void_rising")
    'void rising'
    """
    return _NAMES.get(name, name.replace("_", " "))
