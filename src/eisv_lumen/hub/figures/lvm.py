"""The figures of the post on latent vectors, drawn from results files alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .style import FLOOR, INK, LAW, MUTED, NUCLEUS, OURS, STUDY, canvas

__all__ = ["between", "cosine_against_bits", "known_margins", "lvm_thumbnail"]

Reports = Mapping[str, Mapping[str, Any]]
"""Corpus to model to report."""

_MARKS: Final = {"wiki": ("o", LAW), "kjv": ("s", STUDY), "pydoc": ("^", NUCLEUS)}
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
    with canvas(8.8, 3.4, len(corpora)) as (_, panels, buffer):
        for i, (axes, (corpus, reports)) in enumerate(zip(panels, corpora.items(), strict=True)):
            for name, label in rows.items():
                at = _cosine(reports[name]), _first(reports[name])["value"]
                axes.plot(*at, "o", ms=4, color=FLOOR if name in _UNTAUGHT else OURS)
                axes.annotate(
                    label, at, xytext=(3, 3), textcoords="offset points", fontsize=6.5, color=MUTED
                )
            axes.set_title(corpus, fontsize=9)
            axes.set_xlabel("mean cosine with the next chunk")
            axes.margins(x=0.2)
            if i == 0:
                axes.set_ylabel("bits of the next chunk")
    return bytes(buffer.getvalue())


def lvm_thumbnail(margins: Mapping[str, Any], names: Sequence[str]) -> bytes:
    """Draw the post's thumbnail: margins of an oracle, −c₄ and a model (PNG, 1300 × 650)."""
    found = margins["corpora"]["wiki"]["predictors"]
    with canvas(13, 6.5, kind="png") as (figure, axes, buffer):
        values = [found[name]["direction"] for name in names]
        axes.bar(range(len(names)), values, color=[LAW, OURS, MUTED, FLOOR][: len(names)])
        axes.axhline(0, color=INK, lw=1)
        axes.set_xticks(range(len(names)), names, fontsize=20)
        axes.set_yticks([])
        figure.suptitle("A test that perfection shares with its opposite", fontsize=32)
    return bytes(buffer.getvalue())


_UNTAUGHT: Final = ("copy-last", "context-mean")


def _first(report: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(gate for gate in report["gates"] if gate["name"] == "G1")


def _cosine(report: Mapping[str, Any]) -> float:
    return float(next(g for g in report["gates"] if g["name"] == "G2")["also"]["cosine"])
