"""What the law alone says: coherence as a thermometer, to the last digit (§7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..expression.law import ExpressionLaw
from ..expression.vocabulary import REAL_MIX, SHAPES
from .baselines import feedback, ignorant, initial, oracle, prompt_conditioned, random_speaker
from .gates import go_no_go
from .metrics import law_rows
from .report import DecodedResult, Decoding, EvalReport, provenance
from .scoring import DECODINGS, INHERITED, score_laws

__all__ = ["FINE_TEMPERATURES", "exact_reports", "exact_result"]

FINE_TEMPERATURES = tuple(round(0.05 * k, 2) for k in range(25))
"""0, 0.05 … 1.2: the grid of the curves."""


def exact_result(
    speaker: Sequence[ExpressionLaw], decoding: Decoding, target: Sequence[ExpressionLaw]
) -> DecodedResult:
    """Return a speaker's exact scores under one decoding.

    Means are over the published mix of shapes, `macro_…` over shapes; excess nats are against
    `target` decoded alike.
    """
    mix = np.array([REAL_MIX[shape] for shape in SHAPES])
    return score_laws(
        law_rows(speaker), np.arange(len(SHAPES)).astype(np.int8), target, decoding, mix=mix
    )


def exact_reports(seed: int = 0) -> dict[str, EvalReport]:
    """Return the exact reports of the baselines, and of the perfect imitator of either target."""
    law, learned = initial(), feedback(seed)
    speakers = {
        "random": ("random tokens", random_speaker(), law, "initial"),
        "ignorant": ("reads nothing (mixture of the laws)", ignorant(law), law, "initial"),
        "imitator": ("perfect imitator of the initial law", law, law, "initial"),
        "prompt-conditioned": ("70 % affine, 30 % any", prompt_conditioned(), law, "initial"),
        "oracle": ("affine tokens alone", oracle(), law, "initial"),
        "feedback": ("perfect imitator of the voice after feedback", learned, learned, "feedback"),
    }
    fine = [Decoding(temperature=t, top_k=0, top_p=1.0) for t in FINE_TEMPERATURES]
    nucleus = [
        Decoding(temperature=t, top_k=INHERITED.top_k, top_p=INHERITED.top_p)
        for t in FINE_TEMPERATURES
    ]
    reports = {}
    for name, (title, speaker, target, target_name) in speakers.items():
        decodings = [*DECODINGS, INHERITED]
        if name in ("imitator", "feedback", "ignorant"):
            decodings += [d for d in fine + nucleus if d not in decodings]
        reports[name] = EvalReport(
            kind="exact",
            name=name,
            title=title,
            target=target_name,
            note="Computed from the law by enumeration; nothing is sampled."
            + (" The voice's own feedback was simulated." if target_name == "feedback" else ""),
            results=[exact_result(speaker, decoding, target) for decoding in decodings],
            gates=go_no_go(learned, len(SHAPES) - 1) if name == "feedback" else [],
            provenance=provenance("eisv-lumen evaluate law", seed=seed),
        )
    return reports
