"""The figure that compares latent vector models, drawn from their reports alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...lvm.alignment.calibrated_gates import Gate
from ...lvm.alignment.report import AlignmentReport
from .style import FLOOR, LAW, MUTED, OURS, canvas

__all__ = ["compare_models"]

_ROW: Final = 0.26  # inches a model
_PERFECT: Final = 0.99


def compare_models(reports: Sequence[AlignmentReport], *, kind: str = "svg") -> bytes:
    """Draw what each model knows of the next chunk beyond the best floor, and its cosine beside it.

    Parameters
    ----------
    reports
        Read on the same windows, in the order in which they are drawn from the top. An oracle is
        left out: beside it the models could not be told apart.
    kind
        svg or png.

    Returns
    -------
    bytes
        The same reports give the same bytes.
    """
    reports = [r for r in reports if _first(r).place < _PERFECT]
    gates = [_first(r) for r in reports]
    asked = "chunk after next" if any(r.ahead for r in reports) else "next chunk"
    places = range(len(reports), 0, -1)
    with canvas(8.4, 1.2 + _ROW * len(reports), 2, kind=kind) as (_, axes, buffer):
        left, right = axes
        for y, gate in zip(places, gates, strict=True):
            color = LAW if gate.passed else OURS
            ends = [[gate.margin - gate.margin_low], [gate.margin_high - gate.margin]]
            left.errorbar([gate.margin], [y], xerr=ends, fmt="o", ms=4, lw=1.2, color=color)
        left.set_ylim(0.3, len(reports) + 0.7)
        left.axvline(0, color=FLOOR, ls="--", lw=1)
        left.set_yticks(list(places), [report.name for report in reports])
        left.set_xlabel(f"bits of the true {asked}, over the best floor")
        for report, gate in zip(reports, gates, strict=True):
            regression = next((g for g in report.gates if g.name == "G2"), None)
            if regression is None:
                continue
            at = (regression.also["cosine"], gate.value)
            right.plot(*at, "o", ms=4, color=LAW if gate.passed else OURS)
            right.annotate(
                report.name, at, xytext=(4, 2), textcoords="offset points", fontsize=7, color=MUTED
            )
        right.set_xlabel(f"mean cosine with the {asked}")
        right.set_ylabel("bits over a uniform guess")
    return bytes(buffer.getvalue())


def _first(report: AlignmentReport) -> Gate:
    return next(gate for gate in report.gates if gate.name == "G1")
