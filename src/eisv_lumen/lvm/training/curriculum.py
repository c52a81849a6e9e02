"""Stages of a training run: which windows, for how long, and what must hold to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..data.diagnostics import distinctness_scores
from ..data.sequences import SequenceSet
from .recipe import Recipe
from .recipe_schema import Curriculum

__all__ = ["Attempt", "attempts", "shortfalls", "top_share"]


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
    """

    stage: int
    retry: int
    share: float
    epochs: float
    epochs_before: float
    position_more: float = 0.0
    bias_more: float = 0.0

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
            )
            for retry in range(plan.retries + 1)
        ]
        before += stage.epochs


def top_share(training: SequenceSet, plan: Curriculum | None, share: float) -> SequenceSet:
    """Return the most forward-distinct share of the windows, by the plan's score."""
    if plan is None or share == 1:
        return training
    published, corrected = distinctness_scores(training)
    scores = published if plan.score == "published" else corrected
    best = np.argsort(-scores, kind="stable")[: max(1, round(share * len(training)))]
    return replace(training, starts=training.starts[np.sort(best)])


def shortfalls(readings: Mapping[str, float], least: Mapping[str, float]) -> list[str]:
    """Return what lies below its least value, in words; a reading that is not there does too."""
    return [
        f"{name} {readings.get(name, float('nan')):.3f} < {value:g}"
        for name, value in least.items()
        if not readings.get(name, float("nan")) >= value
    ]
