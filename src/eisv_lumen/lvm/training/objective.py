"""From a recipe's objective and a batch of windows to one loss, and what to watch of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.window_tensors import WindowTable
from ..models import PredictorOutput
from . import losses
from .recipe_schema import Directional, Listwise, Objective, PrevRepel, Rollout

__all__ = ["article_loss", "window_loss"]

Model = Callable[..., PredictorOutput]
Readings = dict[str, Tensor]

_FUTURE = (1, 2)
"""Steps after the target that the future margin looks at: +2 and +3 from the context."""


@dataclass(frozen=True)
class _Said:
    """A batch and what the model says of it; contexts are the clean ones."""

    contexts: Tensor
    target: Tensor
    prediction: Tensor
    pos: Tensor
    context: Tensor
    """(B, K) cosines of the prediction with the context."""
    prev: int

    @property
    def neg(self) -> Tensor:
        return self.context[:, self.prev]

    @property
    def newest(self) -> Tensor:
        return self.context[:, -1]


def window_loss(
    spec: Objective,
    model: Model,
    table: WindowTable,
    windows: Tensor,
    epoch: float = 0.0,
    show: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Readings]:
    """Return the loss of a batch, and its readings without gradient.

    Parameters
    ----------
    spec
        Which terms, and how much.
    model
        Called with contexts; it may be wrapped for distributed training.
    table, windows : (B,)
        The batch.
    epoch
        Epochs done, for schedules.
    show
        What the model is shown in place of the contexts: corrupted ones.

    Returns
    -------
    loss : scalar tensor
    readings : dict of scalar tensors
        `pos`, `neg`, `gap`, `ratio`, `mse`; with a directional term `lambda_eff`, `rho`,
        `rho_target` and `skipped`, 1 where the batch was left out.
    """
    contexts, target = table.contexts(windows), table.targets(windows)
    seen = show(contexts) if show else contexts
    pair, later = _pairs(contexts, target) if spec.order else (None, None)
    output = model(seen, **({"pair": pair} if pair else {}))
    prediction = output.prediction
    direction = F.normalize(prediction, dim=-1)
    said = _Said(
        contexts,
        target,
        prediction,
        (direction * target).sum(-1),
        torch.einsum("bd,bkd->bk", direction, contexts),
        spec.prev,
    )
    regression = F.mse_loss(prediction, target)
    pos, neg = said.pos, said.neg
    readings: Readings = {
        "mse": regression,
        "pos": pos.mean(),
        "neg": neg.mean(),
        "gap": (pos - neg).mean(),
        "ratio": losses.gap_ratio(pos, neg).mean(),
    }
    loss = spec.mse * regression
    if spec.directional:
        term, watched = _directional(spec.directional, said, regression, epoch)
        loss, readings = loss + term, readings | watched
    if spec.positive_floor:
        floor = losses.positive_floor(pos, spec.positive_floor.tau).mean()
        loss = loss + spec.positive_floor.weight.at(epoch) * floor
    if spec.norm:
        loss = loss + spec.norm * losses.norm_penalty(prediction).mean()
    if spec.orthogonality:
        loss = loss + spec.orthogonality * losses.orthogonality(neg).mean()
    if spec.anti_copy and (weight := spec.anti_copy.weight.at(epoch)):
        loss = loss + weight * losses.anti_copy(pos, said.context, spec.anti_copy.margin).mean()
    if spec.future and (weight := spec.future.weight.at(epoch)):
        future, present = table.after(windows, _FUTURE)
        cosines = torch.einsum("bd,bfd->bf", direction, future)
        hinge = losses.future_margin(pos, cosines, present, spec.future.margin)
        loss = loss + weight * hinge.mean()
    if spec.micro_ranking and (weight := spec.micro_ranking.weight.at(epoch)):
        micro = spec.micro_ranking
        loss = loss + weight * losses.micro_ranking(pos, neg, micro.margin, micro.gamma).mean()
    if spec.rollout and (weight := spec.rollout.weight.at(epoch)):
        loss = loss + weight * _rollout(spec.rollout, model, seen, prediction, target)
    if spec.info_nce:
        contrast = losses.info_nce(prediction, target, spec.info_nce.tau).mean()
        loss = loss + spec.info_nce.weight.at(epoch) * contrast
    if spec.prev_repel:
        loss = loss + spec.prev_repel.weight.at(epoch) * _prev_repel(spec.prev_repel, said)
    if spec.teacher_pull and (weight := spec.teacher_pull.weight.at(epoch)):
        loss = loss + weight * losses.teacher_pull(pos, spec.teacher_pull.below).mean()
    if spec.listwise:
        listed = _listwise(spec.listwise, direction, said, table, windows)
        loss = loss + spec.listwise.weight.at(epoch) * listed
    if spec.order and output.order is not None and later is not None:
        order = losses.order_loss(output.order, later).mean()
        loss = loss + spec.order.weight.at(epoch) * order
        readings["order"] = ((output.order > 0) == later).float().mean()
    return loss, {name: value.detach() for name, value in readings.items()}


def article_loss(
    tau: float, model: Model, table: WindowTable, articles: list[Tensor]
) -> tuple[Tensor, Readings]:
    """Mean cross-entropy [nats] of the next chunk among its article's, the context left out.

    Parameters
    ----------
    tau
        Scores are divided by it.
    model
        Called with contexts and a pool.
    table
        Where windows lie.
    articles : list of (n,)
        Windows of one article each. Every window counts the same.

    Returns
    -------
    loss : scalar tensor
    readings : dict of scalar tensors
        `bits`, over a uniform guess among the candidates.
    """
    total, bits, count = torch.zeros(()), torch.zeros(()), 0
    for windows in articles:
        scores, place, candidates = article_scores(model, table, windows)
        nats = F.cross_entropy(scores / tau, place, reduction="sum")
        total = nats + total.to(nats.device)
        uniform = torch.log(candidates.float()).sum()
        bits = bits + (uniform.cpu() - nats.detach().cpu()) / torch.log(torch.tensor(2.0))
        count += len(windows)
    return total / count, {"bits": bits / count}


def article_scores(
    model: Model, table: WindowTable, windows: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores of all chunks of one article for each of its windows.

    Returns
    -------
    scores : (n, P) tensor
        What is no candidate is at -inf: the context's own chunks, and copies of another.
    place : (n,) int64 tensor
        Column of the target.
    candidates : (n,) int64 tensor
        How many each window has.
    """
    rows = table.pool(windows[0])
    pool = table.vectors[rows]
    scores = model(table.contexts(windows), pool=pool).scores
    assert scores is not None
    there = table.candidates(windows)
    place = table.target_rows(windows) - rows.start
    return scores.masked_fill(~there, -torch.inf), place, there.sum(-1)


def _directional(
    spec: Directional, said: _Said, regression: Tensor, epoch: float
) -> tuple[Tensor, Readings]:
    pos, neg, margin = said.pos, said.neg, spec.margin.at(epoch)
    if spec.form == "margin":
        each = losses.directional_margin(pos, neg, margin)
    elif spec.form == "smooth":
        each = losses.directional_smooth(pos, neg, margin, spec.gamma)
    else:
        each = losses.directional_scale_aware(pos, neg, margin, spec.margin_ratio, spec.gamma)
    counted = torch.ones_like(each, dtype=torch.bool)
    if spec.min_signal is not None:
        first, newest = said.contexts[:, 0], said.contexts[:, -1]
        counted = ((newest - first) * said.target).sum(-1) >= spec.min_signal
    term = (each * counted).sum() / counted.sum().clamp(min=1)
    target = torch.zeros(())
    if spec.control:
        goal = spec.control.target.at(epoch)
        target = torch.tensor(goal)
        cap, (low, high) = spec.control.cap.at(epoch), (spec.control.low, spec.control.high)
        weight, _ = losses.rho_weight(regression, term, goal, cap, low, high)
    else:
        weight = torch.full_like(term, spec.weight.at(epoch) if spec.weight else 0.0)
    if spec.adaptive:
        copy = (said.contexts[:, -1] * said.target).sum(-1)
        weight = weight * losses.adaptive_scale(copy)
    passed = counted.any()
    if spec.gate == "batch":
        passed = passed & losses.batch_gate(pos.detach(), neg.detach())
    if spec.gate == "confident":
        scale = losses.confidence(pos)
        weight, passed = weight * scale, passed & (scale > 0)
    weight = weight * passed
    rho = weight * term.detach() / regression.detach().clamp(min=1e-12)
    return weight * term, {
        "directional": term,
        "lambda_eff": weight,
        "rho": rho,
        "rho_target": target,
        "skipped": 1.0 - passed.float(),
    }


def _rollout(
    spec: Rollout, model: Model, seen: Tensor, prediction: Tensor, target: Tensor
) -> Tensor:
    """Mean over steps of the regression (step 1) and of standing still (later steps)."""
    steps, context = [prediction], seen
    while len(steps) < spec.steps:
        own = F.normalize(steps[-1], dim=-1)
        context = torch.cat([context[:, 1:], own[:, None]], dim=1)
        steps.append(model(context).prediction)
    repeats = losses.rollout_repeats(torch.stack(steps)).mean(dim=1)
    return (F.mse_loss(prediction, target) + repeats.sum()) / spec.steps


def _prev_repel(spec: PrevRepel, said: _Said) -> Tensor:
    each = losses.directional_margin(said.pos, said.newest, spec.margin)
    if spec.gate_below is not None:
        newest, before = said.contexts[:, -1], said.contexts[:, -2]
        delta = (newest * said.target).sum(-1) - (newest * before).sum(-1)
        each = torch.where(delta < spec.gate_below, spec.gate_weight * each, each)
    return each.mean()


def _listwise(
    spec: Listwise, direction: Tensor, said: _Said, table: WindowTable, windows: Tensor
) -> Tensor:
    """Candidates: the target, the newest chunk, distractors of the article, of the batch."""
    target, newest = table.target_rows(windows), table.context_rows(windows)[:, -1]
    others, present = table.distractors(windows, spec.distractors)
    shifts = range(1, min(spec.in_batch, len(windows) - 1) + 1)
    shifted = [target.roll(shift) for shift in shifts]
    in_batch = torch.stack(shifted, dim=1) if shifted else target.new_zeros(len(windows), 0)
    start = table.starts[windows]
    outside = (in_batch < start[:, None]) | (in_batch > target[:, None])
    rows = torch.cat([target[:, None], newest[:, None], others, in_batch], dim=1)
    always = torch.ones(len(windows), 2, dtype=torch.bool, device=rows.device)
    candidates = table.vectors[rows]
    scores = torch.einsum("bd,bcd->bc", direction, candidates)
    there = losses.without_copies(candidates, torch.cat([always, present, outside], dim=1))
    return losses.listwise(scores, there, spec.tau).mean()


def _pairs(contexts: Tensor, target: Tensor) -> tuple[Any, Tensor]:
    """Draw two distinct chunks of each window, and whether the second comes later."""
    chunks = torch.cat([contexts, target[:, None]], dim=1)
    batch, length, _ = chunks.shape
    order = torch.rand(batch, length, device=chunks.device).argsort(dim=1)
    first, second = order[:, 0], order[:, 1]
    each = torch.arange(batch, device=chunks.device)
    return (chunks[each, first], chunks[each, second]), second > first
