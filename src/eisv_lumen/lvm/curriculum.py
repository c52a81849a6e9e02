"""Stages of a training run: which windows, for how long, and what must hold to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .recipe import Curriculum, Recipe
from .table import WindowTable

__all__ = ["Attempt", "attempts", "forward_distinct", "shortfalls"]


@dataclass(frozen=True)
class Attempt:
    """One training run of a stage.

    Attributes
    ----------
    stage, retry
        From 0.
    share
        Of the windows.
    epochs, epochs_before
        How long, and the epochs of the stages before, for schedules.
    position_more, bias_more
        Added to `position_scale` and `last_slot_bias`.
    last_retry
        Whether training ends if this one fails.
    """

    stage: int
    retry: int
    share: float
    epochs: float
    epochs_before: float
    position_more: float = 0.0
    bias_more: float = 0.0
    last_retry: bool = True

    @property
    def name(self) -> str:
        """A folder's name."""
        return f"stage-{self.stage}-{self.retry}"


def attempts(recipe: Recipe) -> Iterator[list[Attempt]]:
    """Yield, stage by stage, the attempts that it may take; one of a plain run."""
    plan = recipe.curriculum
    if plan is None:
        yield [Attempt(0, 0, 1.0, float(recipe.training.get("num_train_epochs", 3)), 0.0)]
        return
    before = 0.0
    for number, stage in enumerate(plan.stages):
        yield [
            Attempt(
                number,
                retry,
                stage.share,
                stage.epochs,
                before,
                retry * plan.retry_position,
                retry * plan.retry_bias,
                retry == plan.retries,
            )
            for retry in range(plan.retries + 1)
        ]
        before += stage.epochs


def forward_distinct(table: WindowTable, score: str) -> Tensor:
    """Score (N,) how much a target differs from a copy of the newest chunk.

    Parameters
    ----------
    table
        The windows.
    score
        `published`: 1 - cos(y, c_last), which prefers targets *unlike* the context, jumps of
        topic among them. `corrected`: cos(y, c_last) - max over the other c_i of cos(y, c_i): the
        text moves on from its newest chunk and no other.
    """
    windows = torch.arange(len(table), device=table.starts.device)
    cosines = torch.einsum("nkd,nd->nk", table.contexts(windows), table.targets(windows))
    newest = cosines[:, -1]
    if score == "published":
        return 1 - newest
    corrected: Tensor = newest - cosines[:, :-1].max(dim=-1).values
    return corrected


def top_share(table: WindowTable, plan: Curriculum | None, share: float) -> WindowTable:
    """Return the table of the highest-scored share of the windows, in their own order."""
    if plan is None or share == 1:
        return table
    scores = forward_distinct(table, plan.score)
    best = scores.argsort(descending=True, stable=True)[: max(1, round(share * len(table)))]
    return table.take(best.sort().values)


def shortfalls(readings: Mapping[str, float], least: Mapping[str, float]) -> list[str]:
    """Return what lies below its least value, in words; a reading that is not there does too."""
    return [
        f"{name} {readings.get(name, float('nan')):.3f} < {value:g}"
        for name, value in least.items()
        if not readings.get(name, float("nan")) >= value
    ]
