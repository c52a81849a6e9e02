"""The figures of the post on latent vectors, drawn from results files alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .style import FLOOR, INK, LAW, MUTED, NUCLEUS, OURS, STUDY, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["between", "cosine_against_bits", "known_margins", "lvm_thumbnail"]

Reports = Mapping[str, Mapping[str, Any]]
"""Corpus to model to report."""

_MARKS: Final = {"wiki": ("o", LAW), "kjv": ("s", STUDY), "pydoc": ("^", NUCLEUS)}
_SAID: Final = {
    "oracle": "a perfect model",
    "minus-last": "minus the\nlast paragraph",
    "p1": "P1, trained",
    "copy-last": "the last\nparagraph again",
}
_ROW: Final = 0.25  # inches a model


def known_margins(margins: Mapping[str, Any], threshold: float, rows: Mapping[str, str]) -> bytes:
    """Draw the margin over the last chunk of predictors whose worth is known beforehand.

    Parameters
    ----------
    margins
        `results/lvm/margins.json`.
    threshold
        The published one.
    rows
        Predictor to its label, from the top.
    """
    processes = {
        "ar1": "the optimum, AR(1) process",
        "rotation": "the optimum, rotation process",
    }
    labels = [*rows.values(), *processes.values()]
    places = range(len(labels), 0, -1)
    with canvas(7.6, 1.1 + 0.3 * len(labels)) as (_, axes, buffer):
        for corpus, found in margins["corpora"].items():
            marker, color = _MARKS[corpus]
            x = [found["predictors"][name]["direction"] for name in rows]
            axes.plot(x, list(places)[: len(rows)], marker, color=color, ms=6, label=corpus)
        x = [margins["processes"][name]["direction"] for name in processes]
        axes.plot(x, list(places)[len(rows) :], "D", color=OURS, ms=6, label="known process")
        axes.axvline(0, color=FLOOR, lw=1)
        axes.axvline(threshold, color=MUTED, ls="--", lw=1, label="published threshold")
        axes.set_yticks(list(places), labels)
        axes.set_xlabel("mean cosine with the next chunk, less that with the last one")
        axes.legend(fontsize=8, loc="lower right")
    return bytes(buffer.getvalue())


def between(corpora: Reports, rows: Mapping[str, str]) -> bytes:
    """Draw the bits of each model of each corpus, its best floor, and say its ceiling.

    Parameters
    ----------
    corpora
        Reports of each corpus, read on the same windows.
    rows
        Model to its label, from the top.
    """
    places = list(range(len(rows), 0, -1))
    with canvas(8.8, 1.2 + _ROW * len(rows), len(corpora)) as (_, panels, buffer):
        for i, (axes, (corpus, reports)) in enumerate(zip(panels, corpora.items(), strict=True)):
            for y, name in zip(places, rows, strict=True):
                gate = _first(reports[name])
                color = LAW if gate["passed"] else OURS
                ends = [[gate["value"] - gate["low"]], [gate["high"] - gate["value"]]]
                axes.errorbar([gate["value"]], [y], xerr=ends, fmt="o", ms=4, lw=1, color=color)
                axes.plot([gate["floor"]], [y], "|", color=INK, ms=10, mew=1.5)
            axes.set_ylim(0.3, len(rows) + 0.7)
            axes.set_yticks(places, list(rows.values()) if i == 0 else [""] * len(rows))
            ceiling = next(iter(reports.values()))["gates"][0]["ceiling"]
            axes.set_title(f"{corpus} (ceiling {ceiling:.1f})", fontsize=9)
            axes.set_xlabel("bits of the next chunk")
    return bytes(buffer.getvalue())


def cosine_against_bits(corpora: Reports, rows: Mapping[str, str]) -> bytes:
    """Draw what each model identifies against its cosine with the next chunk, for each corpus."""
    with canvas(8.8, 4.2, len(corpora)) as (_, panels, buffer):
        for i, (axes, (corpus, reports)) in enumerate(zip(panels, corpora.items(), strict=True)):
            points = {n: (_cosine(reports[n]), _first(reports[n])["value"]) for n in rows}
            for name, at in points.items():
                axes.plot(*at, "o", ms=4, color=FLOOR if name in _UNTAUGHT else OURS)
            _label_column(axes, {rows[name]: at for name, at in points.items()})
            axes.set_title(corpus, fontsize=9)
            axes.set_xlabel("mean cosine with the next chunk")
            if i == 0:
                axes.set_ylabel("bits of the next chunk")
    return bytes(buffer.getvalue())


def lvm_thumbnail(margins: Mapping[str, Any], names: Sequence[str]) -> bytes:
    """Draw the post's thumbnail: margins of an oracle, −c₄ and a model (PNG, 1300 × 650)."""
    found = margins["corpora"]["wiki"]["predictors"]
    with canvas(13, 6.5, kind="png") as (_, axes, buffer):
        values = [found[name]["direction"] for name in names]
        axes.bar(
            range(len(names)), values, color=[LAW, OURS, MUTED, FLOOR][: len(names)], width=0.6
        )
        for at, value in enumerate(values):
            axes.text(
                at, value + (0.03 if value > 0 else -0.03), f"{value:+.2f}", fontsize=26,
                ha="center", va="bottom" if value > 0 else "top", weight="bold",
            )  # fmt: skip
        axes.axhline(0, color=INK, lw=1.5)
        axes.set_xticks(range(len(names)), [_SAID.get(n, n) for n in names], fontsize=22)
        axes.set_yticks([])
        axes.tick_params(length=0)
        axes.margins(y=0.2)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False)
        axes.set_title("A test that perfection shares with its opposite", fontsize=30, pad=24)
    return bytes(buffer.getvalue())


def _label_column(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Name points in a column at the right, in order of height, with a line to each."""
    order = sorted(points, key=lambda label: -points[label][1])
    right = max(x for x, _ in points.values())
    left = min(x for x, _ in points.values())
    high, low = (f(y for _, y in points.values()) for f in (max, min))
    step = (high - low) / max(len(order) - 1, 1)
    for place, label in enumerate(order):
        at = (right + 0.18 * (right - left), high - step * place)
        axes.annotate(
            label, points[label], xytext=at, fontsize=7, color=INK, va="center",
            arrowprops={"arrowstyle": "-", "color": FLOOR, "lw": 0.5, "shrinkA": 0, "shrinkB": 3},
        )  # fmt: skip
    axes.set_xlim(left - 0.06 * (right - left), right + 0.62 * (right - left))


_UNTAUGHT: Final = ("copy-last", "context-mean")


def _first(report: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(gate for gate in report["gates"] if gate["name"] == "G1")


def _cosine(report: Mapping[str, Any]) -> float:
    return float(next(g for g in report["gates"] if g["name"] == "G2")["also"]["cosine"])
