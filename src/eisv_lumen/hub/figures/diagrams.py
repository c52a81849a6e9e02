"""The two pictures of the post that are drawings: the architecture, and the thumbnail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...evaluation.report import EvalReport
from .style import INK, LAW, MUTED, NUCLEUS, OURS, STUDY, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["architecture", "thumbnail"]

_LAYERS = (
    (0.5, "Lumen's log", "anima.db, governance,\nParquet", "#f4f6f8"),
    (27.3, "Layer 1: trajectories", "windows, derivatives,\nnine rules", "#e8f1f8"),
    (54.1, "Layer 2: voice", "exact law of 15 tokens,\nlearns from feedback", "#f1ebf7"),
    (80.9, "Layer 3: teacher", "language model,\npure cross-entropy", "#fbeaea"),
)
_WIDTH = 18.6


def architecture() -> bytes:
    """Draw the three layers, and the shape's name that goes round the states (SVG)."""
    with canvas(7.8, 3.3) as (_, axes, buffer):
        axes.set(xlim=(0, 100), ylim=(0, 40))
        axes.axis("off")
        for x, title, text, color in _LAYERS:
            _box(axes, x, 19, _WIDTH, 12, title, text, color)
        for (x, *_), label in zip(_LAYERS, ("states", "shape", "expressions"), strict=False):
            _arrow(axes, (x + _WIDTH, 24), (x + 26.8, 24), INK)
            axes.text(x + _WIDTH + 4.1, 25, label, ha="center", fontsize=7, color=INK)
        _arrow(axes, (36.6, 31.3), (90.2, 31.3), OURS, "arc3,rad=-0.13")
        axes.text(
            63.4, 37, "the prompt: the shape's name, and a summary of the window", ha="center",
            fontsize=8, color=OURS,
        )  # fmt: skip
        hub = "typed dataset · metric · models · cards · Space · this post"
        _box(axes, 27.3, 1, 45.4, 10, "the Hub", hub, "#f4f6f8")
        _box(axes, 80.9, 1, _WIDTH, 10, "Student", "standard library alone", "#f4f6f8")
        for x in (36.6, 63.4):
            _arrow(axes, (x, 18.8), (x, 11.3), MUTED)
        _arrow(axes, (90.2, 18.8), (90.2, 11.3), INK)
        _arrow(axes, (80.7, 6), (73, 6), MUTED)
        _arrow(axes, (84.5, 18.8), (70.5, 11.3), MUTED)
    return bytes(buffer.getvalue())


def thumbnail(imitator: EvalReport, published: Mapping[str, EvalReport]) -> bytes:
    """Draw the post's thumbnail: the thermometer, large and with little text (PNG, 1300 × 650)."""
    with canvas(13, 6.5, kind="png") as (_, axes, buffer):
        for top_k, color in ((0, LAW), (20, NUCLEUS)):
            rows = sorted(
                (r.decoding.temperature, r.metrics["macro_coherence"].value)
                for r in imitator.results
                if r.decoding.top_k == top_k
            )
            axes.plot(*zip(*rows, strict=True), color=color, lw=6, solid_capstyle="round")
        runs = [r.results[0] for name, r in published.items() if not name.endswith("-real")]
        axes.plot(
            [r.decoding.temperature for r in runs],
            [r.metrics["coherence"].value for r in runs],
            "D", color=STUDY, ms=15,
        )  # fmt: skip
        nucleus = imitator.at(0.3, top_k=20, top_p=0.95).metrics["macro_coherence"].value
        last = runs[-1].metrics["coherence"].value
        for y, text, at, color in (
            (nucleus, f"perfect imitation {nucleus:.3f}", 1.0, NUCLEUS),
            (last, f"V6 {last:.3f}, “the ceiling”", 0.9, STUDY),
        ):
            axes.annotate(
                text, (0.3, y), xytext=(0.46, at), fontsize=24, color=color, va="center",
                arrowprops={"arrowstyle": "-", "color": color, "lw": 1.5},
            )  # fmt: skip
        axes.set(ylim=(0.38, 1.06), yticks=[0.5, 1.0], xticks=[0, 0.3, 1.0])
        axes.tick_params(labelsize=20, length=0)
        axes.set_xlabel("decoding temperature", fontsize=22)
        axes.set_ylabel("coherence", fontsize=22)
        axes.set_title("Coherence is a thermometer", fontsize=34, weight="bold", pad=22)
    return bytes(buffer.getvalue())


def _box(
    axes: Axes, x: float, y: float, width: float, height: float, title: str, text: str, color: str
) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0,rounding_size=1.2"
    axes.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle=style, fc=color, ec=MUTED, lw=0.8)
    )
    middle = x + width / 2
    axes.text(middle, y + height - 3, title, ha="center", va="center", weight="bold", fontsize=8)
    axes.text(middle, y + (height - 4.2) / 2, text, ha="center", va="center", fontsize=7.5)


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    bend: str = "arc3,rad=0",
) -> None:
    from matplotlib.patches import FancyArrowPatch

    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=10, color=color, lw=1.2, shrinkA=0,
            shrinkB=0, connectionstyle=bend,
        )
    )  # fmt: skip
