"""The losses of the line P1 to P8, as pure functions of cosines (`lvm.md` §1).

Throughout, with unit vectors: `pos` = cos(ŷ, y), `neg` = cos(ŷ, prev), gap = pos - neg. A function
gives one value a sample; who trains takes the mean. None of these knows the model.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "adaptive_scale",
    "anti_copy",
    "batch_gate",
    "confidence",
    "cosine",
    "directional_margin",
    "directional_scale_aware",
    "directional_smooth",
    "future_margin",
    "gap_ratio",
    "info_nce",
    "listwise",
    "micro_ranking",
    "norm_penalty",
    "order_loss",
    "orthogonality",
    "positive_floor",
    "rho_weight",
    "rollout_repeats",
    "teacher_pull",
    "without_copies",
]

_TINY = 1e-6
_SAME = 1 - 1e-6
"""Cosine from which on two texts are one: the same numbers may differ by rounding."""


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine over the last axis; the others broadcast."""
    return (F.normalize(a, dim=-1) * F.normalize(b, dim=-1)).sum(dim=-1)


def directional_margin(pos: Tensor, neg: Tensor, margin: float) -> Tensor:
    """relu(margin - gap): 0 once the target is nearer than `prev` by the margin.

    With `prev` the newest chunk and margin 0.07 it is the prev-repel loss of P7 and P8.
    """
    return F.relu(margin - (pos - neg))


def directional_smooth(pos: Tensor, neg: Tensor, margin: float, gamma: float) -> Tensor:
    """softplus(γ (margin - gap)) / γ: the margin loss without its corner."""
    return F.softplus(gamma * (margin - (pos - neg))) / gamma


def gap_ratio(pos: Tensor, neg: Tensor) -> Tensor:
    """Gap over |pos| + |neg| + 1e-6, in [-1, 1]."""
    ratio: Tensor = (pos - neg) / (pos.abs() + neg.abs() + _TINY)
    return ratio


def directional_scale_aware(
    pos: Tensor, neg: Tensor, margin_gap: float, margin_ratio: float, gamma: float
) -> Tensor:
    """v2.1: 0.7 smooth(gap) + 0.3 smooth(ratio), so that being small is no way to pass."""
    by_ratio: Tensor = F.softplus(gamma * (margin_ratio - gap_ratio(pos, neg))) / gamma
    return 0.7 * directional_smooth(pos, neg, margin_gap, gamma) + 0.3 * by_ratio


def positive_floor(pos: Tensor, tau: float) -> Tensor:
    """relu(τ - pos)²: the target may not be left behind."""
    return F.relu(tau - pos).square()


def norm_penalty(prediction: Tensor) -> Tensor:
    """(‖ŷ‖ - 1)²."""
    length: Tensor = torch.linalg.vector_norm(prediction, dim=-1)
    return (length - 1).square()


def orthogonality(neg: Tensor) -> Tensor:
    """cos(ŷ, prev)²."""
    return neg.square()


def anti_copy(pos: Tensor, context: Tensor, margin: float) -> Tensor:
    """Mean over the context of relu(margin - (pos - cos(ŷ, c_i))).

    Parameters
    ----------
    pos : (B,)
    context : (B, K)
        cos(ŷ, c_i) for each chunk of the context.
    margin
        In cosine.
    """
    return F.relu(margin - (pos[:, None] - context)).mean(dim=-1)


def future_margin(pos: Tensor, future: Tensor, present: Tensor, margin: float) -> Tensor:
    """Mean over the later chunks that exist of relu(margin - (pos - cos(ŷ, y₊ₖ))).

    Parameters
    ----------
    pos : (B,)
    future : (B, F)
        Cosines with the chunks after the target.
    present : (B, F) bool
        Where the article goes on so far; a sample without any gives 0.
    margin
        In cosine.
    """
    hinge = F.relu(margin - (pos[:, None] - future)) * present
    return hinge.sum(dim=-1) / present.sum(dim=-1).clamp(min=1)


def micro_ranking(pos: Tensor, neg: Tensor, margin: float, gamma: float) -> Tensor:
    """P5.1: softplus(γ (margin - gap)), not divided by γ."""
    return F.softplus(gamma * (margin - (pos - neg)))


def rollout_repeats(steps: Tensor, threshold: float = 0.95, slope: float = 10.0) -> Tensor:
    """Penalty on a rollout that stands still.

    Parameters
    ----------
    steps : (H, B, D)
        Predictions, each made from the ones before it. Gradient flows through all.
    threshold, slope
        A step after the first adds slope · relu(cos(ŷ_{h-1}, ŷ_h) - threshold).

    Returns
    -------
    (H, B) tensor
        Row 0 is zero: the first step's own loss is the regression.
    """
    repeats = slope * F.relu(cosine(steps[1:], steps[:-1]) - threshold)
    return torch.cat([torch.zeros_like(repeats[:1]), repeats])


def info_nce(prediction: Tensor, target: Tensor, tau: float) -> Tensor:
    """Cross-entropy of one's own target among the batch's, at temperature τ; (B,) in nats.

    Targets of the batch that equal one's own are no wrong answers, and equal ones count once.
    """
    targets = F.normalize(target, dim=-1)
    logits = F.normalize(prediction, dim=-1) @ targets.T / tau
    same = targets @ targets.T > _SAME
    own = torch.eye(len(targets), dtype=torch.bool, device=targets.device)
    earlier = same.tril(-1).any(dim=-1)  # a copy of a target before it
    logits = logits.masked_fill(~own & (same | earlier), -torch.inf)
    return F.cross_entropy(
        logits, torch.arange(len(logits), device=logits.device), reduction="none"
    )


def teacher_pull(pos: Tensor, below: float) -> Tensor:
    """1 - pos where pos < `below`, else 0."""
    return torch.where(pos < below, 1 - pos, torch.zeros_like(pos))


def listwise(scores: Tensor, present: Tensor, tau: float) -> Tensor:
    """Cross-entropy of the first candidate among those present; (B,) in nats.

    Parameters
    ----------
    scores : (B, C)
        Candidate 0 is the true next chunk.
    present : (B, C) bool
        Candidates to count; the first always is.
    tau
        Temperature.
    """
    logits = (scores / tau).masked_fill(~present, -torch.inf)
    return logits.logsumexp(dim=-1) - logits[:, 0]


def without_copies(candidates: Tensor, present: Tensor) -> Tensor:
    """Take away candidates that equal an earlier one, (B, C) of (B, C, D) unit vectors."""
    same = torch.einsum("bcd,bed->bce", candidates, candidates) > _SAME
    same = same & present[:, None, :]
    return present & ~same.tril(-1).any(dim=-1)


def order_loss(logits: Tensor, later: Tensor) -> Tensor:
    """Binary cross-entropy of "the second comes later"; (B,) in nats."""
    return F.binary_cross_entropy_with_logits(logits, later.to(logits.dtype), reduction="none")


def batch_gate(pos: Tensor, neg: Tensor) -> Tensor:
    """v2.1: False where a batch is too confused to be given a direction.

    By the batch's means: pos < 0, or pos < 0.05 and neg < -0.05.
    """
    pos_mean, neg_mean = pos.mean(), neg.mean()
    return ~((pos_mean < 0) | ((pos_mean < 0.05) & (neg_mean < -0.05)))


def confidence(pos: Tensor, start: float = 0.30, width: float = 0.15) -> Tensor:
    """v2.3: clamp((mean pos - start) / width, 0, 1), the scale of the directional term."""
    return ((pos.detach().mean() - start) / width).clamp(0, 1)


def adaptive_scale(copy: Tensor, middle: float = 0.60, width: float = 0.05) -> Tensor:
    """P4: 1 + mean sigmoid((cos(c_last, y) - middle) / width), the scale of λ_dir."""
    return 1 + ((copy - middle) / width).sigmoid().mean()


def rho_weight(
    regression: Tensor,
    directional: Tensor,
    target: float,
    cap: float,
    low: float,
    high: float,
) -> tuple[Tensor, Tensor]:
    """Weight λ of the directional term from its share ρ = λ · L_dir / MSE of a batch.

    Parameters
    ----------
    regression, directional
        The batch's MSE and L_dir; no gradient flows through the weight.
    target, cap
        λ = target · MSE / L_dir, kept within [low, high]; then ρ ≤ cap, which wins over `low`.
    low, high
        Range of λ.

    Returns
    -------
    weight, rho
        λ and the ρ that it gives; both without gradient.

    Notes
    -----
    The study's rule "if ρ < 0.8 of the target, raise λ to it" cannot act: λ starts at the target,
    and falls short of it only where `high` holds it.
    """
    unit_share = directional.detach() / regression.detach().clamp(min=1e-12)
    share = unit_share.clamp(min=1e-12)
    weight = torch.minimum((target / share).clamp(low, high), cap / share)
    return weight, weight * unit_share
