"""Reports as rows of text: one model gate by gate, or models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .calibrated_gates import Gate
from .five_cat import PublishedTest
from .report import AlignmentReport

__all__ = [
    "COMPARED",
    "GATES",
    "PUBLISHED",
    "compare_rows",
    "gate_rows",
    "interval",
    "published_rows",
    "verdict",
]

GATES: Final = ("gate", "reads", "value", "floor", "ceiling", "over the floor", "place", "verdict")
PUBLISHED: Final = ("test", "reads", "found", "threshold", "verdict")
COMPARED: Final = (
    "model", "cosine", "R@1", "R@5", "MRR", "bits", "floor", "ceiling", "over the floor",
    "skill over nulls", "order", "arrow", "rollout", "gates", "published",
)  # fmt: skip
_NONE = "–"


def verdict(passed: bool | None) -> str:
    """Say whether a gate was passed."""
    return {True: "passed", False: "failed", None: "reported"}[passed]


def interval(value: float, low: float, high: float, digits: int = 3, *, sign: bool = False) -> str:
    """Write a value with its interval."""
    form = f"{'+' if sign else ''}.{digits}f"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def gate_rows(report: AlignmentReport) -> list[tuple[str, ...]]:
    """Return a row for each calibrated gate, columns as in `GATES`."""
    return [
        (
            f"{g.name} {g.title}",
            g.unit,
            interval(g.value, g.low, g.high),
            f"{g.floor:.3f} ({g.floor_name})",
            f"{g.ceiling:.3f} ({g.ceiling_name})",
            _margin(g),
            f"{g.place:.1%}",
            verdict(g.passed),
        )
        for g in report.gates
    ]


def published_rows(tests: Sequence[PublishedTest]) -> list[tuple[str, ...]]:
    """Return a row for each number of the published tests, columns as in `PUBLISHED`."""
    return [
        (
            f"{test.letter} {test.title}" if i == 0 else "",
            check.name.replace("_", " "),
            f"{check.found:.3f}",
            f"{'≥' if check.at_least else '≤'} {check.bound:g}",
            verdict(check.passed),
        )
        for test in tests
        for i, check in enumerate(test.checks)
    ]


def compare_rows(reports: Sequence[AlignmentReport]) -> list[tuple[str, ...]]:
    """Return a row for each report, columns as in `COMPARED`; – where a test was not run."""
    return [_compared(report) for report in reports]


def _compared(report: AlignmentReport) -> tuple[str, ...]:
    g1, g2 = report.gate("G1"), report.gate("G2")
    assert g1 is not None
    decided = [gate for gate in report.gates if gate.passed is not None]
    published = report.published
    return (
        report.name,
        f"{g2.also['cosine']:.3f}" if g2 else _NONE,
        *(f"{g1.also[name]:.3f}" for name in ("recall_1", "recall_5", "reciprocal")),
        interval(g1.value, g1.low, g1.high),
        f"{g1.floor:.3f}",
        f"{g1.ceiling:.3f}",
        _margin(g1),
        _margin(g2) if g2 else _NONE,
        *(
            f"{gate.value:.3f}" if (gate := report.gate(name)) else _NONE
            for name in ("G3", "G4", "G5")
        ),
        f"{sum(bool(gate.passed) for gate in decided)} of {len(decided)}",
        f"{sum(t.passed for t in published.inside)} of {len(published.inside)}"
        if published
        else _NONE,
    )


def _margin(gate: Gate) -> str:
    return interval(gate.margin, gate.margin_low, gate.margin_high, sign=True)
