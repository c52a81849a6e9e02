"""Decisions on a report: the study's gates as published, and gates that know their ceiling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..expression.law import ExpressionLaw
from ..expression.vocabulary import REAL_MIX, SHAPES
from .baselines import initial, random_speaker
from .report import DecodedResult, EvalReport, Gate

__all__ = ["calibrated_gates", "go_no_go", "published_gates"]

GATE_1_COHERENCE, GATE_1_VALID = 0.933, 0.90
GATE_2_COHERENCE = 0.90
GO_MARGIN, GO_SHAPES = 0.05, 3
EXCESS_LIMIT = 0.05
"""Excess nats at T = 1 up to which a speaker counts as an imitator."""


def published_gates(result: DecodedResult) -> list[Gate]:
    """Apply gates 1 and 2 of the study (`reference/eisv.md` §6) to a result at T = 0.3.

    They ask for coherence alone, which sharpening passes as well as learning does.
    """
    coherence = result.metrics["coherence"].value
    valid = result.metrics["valid_rate"].value
    return [
        _above(
            "gate 1, coherence", "mean coherence > 0.933", coherence, GATE_1_COHERENCE, strict=True
        ),
        _above("gate 1, valid rate", "valid rate ≥ 0.90", valid, GATE_1_VALID),
        _above("gate 2", "mean coherence ≥ 0.90", coherence, GATE_2_COHERENCE),
    ]


def calibrated_gates(report: EvalReport) -> list[Gate]:
    """Ask what coherence cannot: whether the law is imitated, and no more sharply than it is.

    Uses the result at T = 1; where excess nats were not measured, that gate is left out.
    """
    result = report.at(1.0)
    metrics = result.metrics
    gates = []
    excess = metrics.get("macro_excess_nats")
    if excess is not None and excess.high is not None:
        gates.append(
            _below(
                "imitation",
                f"upper bound of macro excess nats at T = 1 ≤ {EXCESS_LIMIT}",
                excess.high,
                EXCESS_LIMIT,
            )
        )
        if excess.floor is not None:
            gates.append(
                _below(
                    "reads",
                    "upper bound of macro excess nats at T = 1 below the best speaker that reads "
                    "nothing",
                    excess.high,
                    excess.floor,
                )
            )
    coherence = metrics["coherence"]
    if coherence.low is not None and coherence.high is not None and coherence.perfect is not None:
        half = (coherence.high - coherence.low) / 2
        gates.append(
            _below(
                "calibration",
                "coherence at T = 1 differs from the perfect imitator's by at most 0.02 beyond its "
                "interval",
                abs(coherence.value - coherence.perfect),
                half + 0.02,
            )
        )
    return gates


def go_no_go(feedback: Sequence[ExpressionLaw], shapes_observed: int) -> list[Gate]:
    """Apply the study's go/no-go to a voice after feedback, on the published mix of shapes."""
    mix = np.array([REAL_MIX[shape] for shape in SHAPES])
    mix /= mix.sum()

    def mean(laws: Sequence[ExpressionLaw]) -> float:
        return float(np.array([law.coherence() for law in laws]) @ mix)

    before = mean(initial())
    return [
        _above(
            "voice over random", "coherence beats random by > 0.05",
            before - mean(random_speaker()), GO_MARGIN, strict=True,
        ),
        _above("shapes", "at least 3 shapes observed", shapes_observed, GO_SHAPES),
        _above("feedback", "feedback does not lower coherence", mean(feedback), before),
    ]  # fmt: skip


def _above(name: str, asks: str, found: float, threshold: float, strict: bool = False) -> Gate:
    passed = found > threshold if strict else found >= threshold
    return Gate(name=name, asks=asks, found=found, threshold=threshold, passed=passed)


def _below(name: str, asks: str, found: float, threshold: float) -> Gate:
    return Gate(name=name, asks=asks, found=found, threshold=threshold, passed=found <= threshold)
