"""Figures, drawn from results files alone; the same results give the same bytes (SVG)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ...evaluation.metrics import listed
from ...evaluation.report import EvalReport, Metric
from ...expression.vocabulary import SHAPES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["by_shape", "by_temperature", "canvas", "halves", "progression", "thermometer"]

INK, MUTED, GRID = "#22313f", "#7f8c9a", "#e3e8ed"
LAW, NUCLEUS, OURS, STUDY, FLOOR = "#1f77b4", "#9467bd", "#d62728", "#2c7a5b", "#b0b7bf"


@contextmanager
def canvas(
    width: float = 7.2, height: float = 4.2, columns: int = 1, *, kind: str = "svg"
) -> Iterator[Any]:
    """Yield (figure, axes, buffer); the buffer holds the picture (svg or png) afterwards.

    Parameters
    ----------
    width, height
        In inches; a PNG has 100 pixels to the inch.
    columns
        Axes beside each other; they share nothing.
    """
    import matplotlib as mpl

    with mpl.rc_context(
        {
            "svg.hashsalt": "eisv-lumen", "svg.fonttype": "path", "font.family": "DejaVu Sans",
            "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
            "axes.edgecolor": MUTED, "axes.labelcolor": INK, "axes.grid": True,
            "grid.color": GRID, "axes.axisbelow": True, "text.color": INK, "xtick.color": INK,
            "ytick.color": INK, "legend.frameon": False, "figure.facecolor": "white",
        }
    ):  # fmt: skip
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, columns)
        buffer = io.BytesIO()
        yield figure, axes, buffer
        _write(figure, buffer, kind)


def _write(figure: Figure, buffer: io.BytesIO, kind: str) -> None:
    silent = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, metadata=silent, dpi=100)


def thermometer(
    imitator: EvalReport, published: Mapping[str, EvalReport], ours: Sequence[EvalReport] = ()
) -> bytes:
    """Draw coherence against temperature: perfect imitation, with the study's runs upon it.

    Parameters
    ----------
    imitator
        The exact report of the perfect imitator, over a grid of temperatures.
    published
        The study's reports; those over balanced (synthetic) windows are marked.
    ours
        Our own reports; their macro coherence is drawn with its interval.
    """
    with canvas() as (_, axes, buffer):
        for nucleus, color, label in (
            (False, LAW, "perfect imitator, top-k and top-p off"),
            (True, NUCLEUS, "perfect imitator, top-k 20, top-p 0.95"),
        ):
            rows = sorted(
                (r.decoding.temperature, r.metrics["macro_coherence"].value)
                for r in imitator.results
                if (r.decoding.top_k == 20) == nucleus
            )
            axes.plot(*zip(*rows, strict=True), color=color, label=label)
        floor = imitator.at(1.0).metrics["macro_coherence"].floor
        axes.axhline(floor, color=FLOOR, ls="--", lw=1, label="random tokens")
        runs = [r for name, r in published.items() if not name.endswith("-real")]
        for label, value in _labels(runs):
            axes.annotate(
                label, (0.3, value), xytext=(-8, 0), textcoords="offset points", va="center",
                ha="right", fontsize=8, color=STUDY,
            )  # fmt: skip
        axes.plot([0.3] * len(runs), [_macro(r) for r in runs], "D", color=STUDY, ms=5)
        axes.plot([], [], "D", color=STUDY, ms=5, label="V1–V6 (nucleus on)")
        for report, marker in zip(ours, "os^v", strict=False):
            points = [r for r in report.results if r.decoding.top_k == 0]
            x = [r.decoding.temperature for r in points]
            _errorbar(axes, x, [r.metrics["macro_coherence"] for r in points], OURS, marker, report)
        axes.set(
            xlabel="decoding temperature", ylabel="coherence, mean over shapes", ylim=(0, 1.04)
        )
        axes.legend(loc="lower left", fontsize=8)
    return bytes(buffer.getvalue())


def by_temperature(report: EvalReport) -> bytes:
    """Draw a report's coherence, excess nats and `listed` metrics at each temperature."""
    panels = [
        ("macro_coherence", "coherence, mean over shapes", "random tokens"),
        ("macro_excess_nats", "excess nats, mean over shapes", "reads nothing"),
        *((name, title, "floor") for name, title in listed().items()),
    ]
    width = 4.2 * len(panels)
    with canvas(columns=len(panels), width=width, height=3.6) as (figure, axes, buffer):
        points = sorted(
            (r for r in report.results if r.decoding.top_k == 0),
            key=lambda r: r.decoding.temperature,
        )
        for axis, (name, title, floor) in zip(axes, panels, strict=True):
            axis.set_xlabel("decoding temperature")
            scored = [r for r in points if name in r.metrics]
            x = [r.decoding.temperature for r in scored]
            metrics = [r.metrics[name] for r in scored]
            if scored:
                _errorbar(axis, x, metrics, OURS, "o", report)
                for part, style, color, label in (
                    ("perfect", "-", LAW, "perfect imitator"), ("floor", "--", FLOOR, floor),
                ):  # fmt: skip
                    drawn = [getattr(m, part) for m in metrics]
                    if None not in drawn:
                        axis.plot(x, drawn, style, color=color, label=label)
                axis.legend(fontsize=8)
            axis.set(ylabel=title)
        axes[0].set(ylim=(0, 1.05))
        figure.suptitle(report.title, fontsize=10)
    return bytes(buffer.getvalue())


def by_shape(report: EvalReport, temperature: float = 0.3, metric: str = "coherence") -> bytes:
    """Draw one metric of each shape, with its interval, between floor and perfection."""
    result = report.at(temperature)
    shapes = [shape for shape in SHAPES if shape in result.per_shape]
    with canvas(height=3.4) as (_, axes, buffer):
        y = np.arange(len(shapes))
        metrics = [result.per_shape[shape][metric] for shape in shapes]
        axes.errorbar(
            [m.value for m in metrics], y, xerr=halves(metrics), fmt="o", color=OURS, ms=4,
            label=report.title,
        )  # fmt: skip
        for name, color, label in (
            ("perfect", LAW, "perfect imitator"),
            ("floor", FLOOR, "random tokens" if metric == "coherence" else "reads nothing"),
        ):
            axes.plot(
                [getattr(m, name) for m in metrics], y, "|", color=color, ms=14, mew=2, label=label
            )
        axes.set_yticks(y, shapes)
        axes.invert_yaxis()
        axes.set_xlabel(f"{metric.replace('_', ' ')}, {result.decoding.label}")
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return bytes(buffer.getvalue())


def progression(
    published: Mapping[str, EvalReport], ours: Mapping[str, EvalReport], ceiling: EvalReport
) -> bytes:
    """Draw the study's progression and ours at T = 0.3, with perfection under either nucleus."""
    with canvas(height=3.6) as (_, axes, buffer):
        runs = [r for name, r in published.items() if not name.endswith("-real")]
        axes.plot(
            [r.title for r in runs],
            [_macro(r) for r in runs],
            "D-",
            color=STUDY,
            label="V1–V6 (Qwen3-4B, nucleus on)",
        )
        found = [ours[name].at(0.3).metrics["macro_coherence"] for name in ours]
        axes.errorbar(
            [name.upper() for name in ours], [m.value for m in found], yerr=halves(found),
            fmt="o-", color=OURS, label="ours (tiny)",
        )  # fmt: skip
        for nucleus, color in ((0, LAW), (20, NUCLEUS)):
            perfect = ceiling.at(0.3, top_k=nucleus, top_p=0.95 if nucleus else 1.0)
            value = perfect.metrics["macro_coherence"].value
            label = f"perfect imitator{', inherited nucleus' if nucleus else ''}"
            axes.axhline(value, color=color, lw=1, label=label)
        axes.set(ylabel="coherence, mean over shapes, T = 0.3", ylim=(0, 1.03))
        axes.legend(fontsize=8, loc="lower right")
    return bytes(buffer.getvalue())


def _labels(runs: Sequence[EvalReport], near: float = 0.03) -> list[tuple[str, float]]:
    """Titles of runs at their values; runs too near to be told apart share one label."""
    groups: list[list[EvalReport]] = []
    for run in sorted(runs, key=_macro):
        if groups and _macro(run) - _macro(groups[-1][-1]) < near:
            groups[-1].append(run)
        else:
            groups.append([run])
    return [
        (", ".join(sorted(r.title for r in g)), float(np.mean([_macro(r) for r in g])))
        for g in groups
    ]


def _macro(report: EvalReport) -> float:
    """Mean over shapes; V5's published mean is over an oversampled test set, so it is another."""
    shapes = report.results[0].per_shape.values()
    return float(np.mean([metrics["coherence"].value for metrics in shapes]))


def halves(metrics: Sequence[Metric]) -> list[list[float]]:
    """Return how far each interval reaches below and above its value, as error bars want it."""
    low = [m.value - (m.value if m.low is None else m.low) for m in metrics]
    high = [(m.value if m.high is None else m.high) - m.value for m in metrics]
    return [[max(0.0, x) for x in low], [max(0.0, x) for x in high]]


def _errorbar(
    axes: Axes, x: Sequence[float], metrics: Sequence[Metric], color: str, marker: str,
    report: EvalReport,
) -> None:  # fmt: skip
    axes.errorbar(
        x, [m.value for m in metrics], yerr=halves(metrics), fmt=marker, color=color, ms=4,
        lw=1, label=report.title,
    )  # fmt: skip
