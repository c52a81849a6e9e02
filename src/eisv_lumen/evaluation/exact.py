"""What the law alone says: coherence as a thermometer, to the last digit (§7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..expression.law import COHERENCE, ExpressionLaw
from ..expression.vocabulary import REAL_MIX, SHAPES
from .baselines import feedback, ignorant, initial, oracle, prompt_conditioned, random_speaker
from .gates import go_no_go
from .report import DecodedResult, Decoding, EvalReport, Metric, provenance
from .scoring import DECODINGS, INHERITED

__all__ = ["FINE_TEMPERATURES", "exact_reports", "exact_result"]

FINE_TEMPERATURES = tuple(round(0.05 * k, 2) for k in range(25))
"""0, 0.05 … 1.2: the grid of the curves."""


def exact_result(
    speaker: Sequence[ExpressionLaw], decoding: Decoding, target: Sequence[ExpressionLaw]
) -> DecodedResult:
    """Return a speaker's exact scores under one decoding.

    `coherence` is over the published mix of shapes, `macro_coherence` over balanced shapes;
    `macro_excess_nats` is at T = 1 against `target`, elsewhere against `target` decoded alike.
    """
    mix = np.array([REAL_MIX[shape] for shape in SHAPES])
    mix /= mix.sum()

    def decode(laws: Sequence[ExpressionLaw]) -> list[ExpressionLaw]:
        top_k, top_p = decoding.top_k or 0, decoding.top_p or 1.0
        return [law.tempered(decoding.temperature, top_k=top_k, top_p=top_p) for law in laws]

    def coherences(laws: Sequence[ExpressionLaw]) -> np.ndarray:
        return np.array([law.pmf @ c for law, c in zip(laws, COHERENCE, strict=True)])

    spoken, wanted = decode(speaker), decode(target)
    found, best, worst = coherences(spoken), coherences(wanted), coherences(random_speaker())
    metrics = {
        "coherence": Metric(
            value=float(found @ mix),
            floor=float(worst @ mix),
            perfect=float(best @ mix),
            ceiling=1.0,
        ),
        "macro_coherence": Metric(
            value=float(found.mean()),
            floor=float(worst.mean()),
            perfect=float(best.mean()),
            ceiling=1.0,
        ),
        "valid_rate": Metric(value=1.0, floor=1.0, perfect=1.0, ceiling=1.0),
        "diversity": Metric(
            value=ExpressionLaw.mixture(spoken).diversity(),
            floor=0.0,
            perfect=ExpressionLaw.mixture(wanted).diversity(),
            ceiling=float(np.log(15)),
        ),
    }
    excess = np.mean([law.divergence(said) for law, said in zip(wanted, spoken, strict=True)])
    if np.isfinite(excess):
        nothing = np.mean([a.divergence(b) for a, b in zip(wanted, ignorant(wanted), strict=True)])
        metrics["macro_excess_nats"] = Metric(
            value=float(excess), floor=float(nothing), perfect=0.0
        )
    per_shape = {
        shape: {
            "coherence": Metric(
                value=float(found[i]), floor=float(worst[i]), perfect=float(best[i]), ceiling=1.0
            ),
            "entropy": Metric(value=spoken[i].entropy(), perfect=wanted[i].entropy()),
        }
        for i, shape in enumerate(SHAPES)
    }
    return DecodedResult(decoding=decoding, n=0, metrics=metrics, per_shape=per_shape)


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
