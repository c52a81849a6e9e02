"""The mini test of each epoch: small, batched by article, on validation alone."""

# transformers and parts of torch are not annotated throughout.
# mypy: allow-untyped-calls

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.window_tensors import WindowTable
from ..models import VectorModel
from .objective import article_scores

__all__ = ["mini_test"]

_ROLLOUT = 5


@torch.no_grad()
def mini_test(model: VectorModel, table: WindowTable) -> dict[str, float]:
    """Read a model on all windows of a table.

    Returns
    -------
    dict of str to float
        `cosine`: mean cos(ŷ, y). `margin`: that minus mean cos(ŷ, c_last). `r1_six`, `r5_six`: the
        target among itself and its context, by cosine (chance 1/6 and 5/6). `rollout`: mean cosine
        of up to five steps from the model's own predictions. `r1_article`, `r5_article`, `mrr`:
        the target among its article's chunks, the context left out; ties share their places.
        `bits`: over a uniform guess among those, for models whose scores are logits.
    """
    training = model.training
    model.eval()
    parts = [_article(model, table, windows) for windows in table.articles()]
    model.train(training)
    sums = {name: sum(float(part[name].sum()) for part in parts) for name in parts[0]}
    readings = {name: total / len(table) for name, total in sums.items()}
    steps = readings.pop("rollout_steps", 0)
    if steps:
        readings["rollout"] /= steps
    return readings


def _article(model: VectorModel, table: WindowTable, windows: Tensor) -> dict[str, Tensor]:
    contexts, target = table.contexts(windows), table.targets(windows)
    said = F.normalize(model(contexts).prediction, dim=-1)
    pos = (said * target).sum(-1)
    own = torch.einsum("nd,nkd->nk", said, contexts)
    above = (own > pos[:, None]).sum(-1)
    scores, place, candidates = article_scores(model, table, windows)
    truth = scores.gather(1, place[:, None])
    rank = (scores > truth).sum(-1) + 0.5 * ((scores == truth).sum(-1) - 1)
    found = {
        "cosine": pos,
        "margin": pos - own[:, -1],
        "r1_six": above < 1,
        "r5_six": above < 5,
        "r1_article": rank < 1,
        "r5_article": rank < 5,
        "mrr": 1 / (1 + rank),
    }
    if model.scores_are_logits:
        nats = F.cross_entropy(scores, place, reduction="none")
        found["bits"] = (candidates.log() - nats) / math.log(2)
    if table.offset == 0:
        found["rollout"], found["rollout_steps"] = _rollout(model, table, windows, contexts)
    return found


def _rollout(
    model: VectorModel, table: WindowTable, windows: Tensor, contexts: Tensor
) -> tuple[Tensor, Tensor]:
    """(n,) sums of the cosines of steps 0 to 4, and how many of them the article has."""
    truth, present = table.after(windows, tuple(range(_ROLLOUT)))
    steps = []
    for _ in range(_ROLLOUT):
        steps.append(F.normalize(model(contexts).prediction, dim=-1))
        contexts = torch.cat([contexts[:, 1:], steps[-1][:, None]], dim=1)
    cosines = torch.einsum("nfd,nfd->nf", torch.stack(steps, dim=1), truth) * present
    return cosines.sum(-1), present.sum(-1)
