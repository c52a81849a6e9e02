"""The sections of a recipe, field by field; `recipe` reads them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .schedule import Schedule

__all__ = [
    "Contrast",
    "Curriculum",
    "Directional",
    "EarlyStopping",
    "Inputs",
    "Kill",
    "Listwise",
    "Objective",
    "PrevRepel",
    "Rollout",
    "Section",
    "Stage",
]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hinge(Section):
    """A margin [cosine] and its weight."""

    margin: float
    weight: Schedule


class RhoControl(Section):
    """The weight of the directional term is such that it is a share ρ of the MSE (`rho_weight`)."""

    target: Schedule
    cap: Schedule = Field(default=1e9, validate_default=True)
    low: float = Field(1e-4, ge=0)
    high: float = Field(0.02, gt=0)


class Directional(Section):
    """Nearer to the target than to `prev`.

    `form`: `margin`, `smooth` or `scale_aware`. The weight is a schedule, or is found by `control`.
    `gate`: `batch` leaves the term out of confused batches, `confident` scales it by the batch's
    mean cosine. `min_signal`: samples with cos(c_last, y) - cos(c_0, y) below it do not count.
    `adaptive`: P4's scale, larger the nearer target and newest chunk are.
    """

    form: Literal["margin", "smooth", "scale_aware"] = "margin"
    margin: Schedule
    margin_ratio: float = 0.05
    gamma: float = Field(4.0, gt=0)
    weight: Schedule | None = None
    control: RhoControl | None = None
    gate: Literal["none", "batch", "confident"] = "none"
    min_signal: float | None = None
    adaptive: bool = False


class Floor(Section):
    """Positive floor: relu(tau - cos(ŷ, y))²."""

    tau: float
    weight: Schedule


class MicroRanking(Section):
    """softplus(gamma (margin - gap))."""

    margin: float
    gamma: float = Field(5.0, gt=0)
    weight: Schedule


class Rollout(Section):
    """So many steps from one's own predictions; a step that stands still is penalised."""

    steps: int = Field(3, ge=2)
    weight: Schedule


class Contrast(Section):
    """InfoNCE among the batch's targets at temperature tau."""

    tau: float = Field(0.07, gt=0)
    weight: Schedule


class PrevRepel(Section):
    """Margin over the newest chunk.

    With `gate_below`, a sample counts `gate_weight` where
    cos(c_last, y) - cos(c_last, c_{last-1}) lies below it.
    """

    margin: float
    weight: Schedule
    gate_below: float | None = None
    gate_weight: float = 0.25


class TeacherPull(Section):
    """1 - cos(ŷ, y) where that cosine lies below `below`."""

    below: float = 0.20
    weight: Schedule


class Listwise(Section):
    """The next chunk among {next, newest, same-article distractors, others of the batch}."""

    tau: float = Field(0.07, gt=0)
    weight: Schedule
    distractors: int = Field(4, ge=0)
    in_batch: int = Field(4, ge=0)


class OrderVerifier(Section):
    """Which of two chunks comes later."""

    weight: Schedule


class OverArticle(Section):
    """The next chunk among all chunks of its article, the context left out; scores / tau.

    Batches are then articles, and no other term is used.
    """

    tau: float = Field(1.0, gt=0)


class Objective(Section):
    """A weighted sum of losses (`losses.py`). `prev` is the slot that the gap is taken from."""

    mse: float = 1.0
    prev: int = Field(4, ge=0)
    directional: Directional | None = None
    positive_floor: Floor | None = None
    norm: float = 0.0
    orthogonality: float = 0.0
    anti_copy: Hinge | None = None
    future: Hinge | None = None
    micro_ranking: MicroRanking | None = None
    rollout: Rollout | None = None
    info_nce: Contrast | None = None
    prev_repel: PrevRepel | None = None
    teacher_pull: TeacherPull | None = None
    listwise: Listwise | None = None
    order: OrderVerifier | None = None
    over_article: OverArticle | None = None


class Inputs(Section):
    """What is done to contexts in training alone, and two scheduled fields of the model.

    Attributes
    ----------
    drop
        Probability that the newest chunk becomes a random unit vector.
    noise, noise_sigma
        Probability that it gets Gaussian noise of this standard deviation a component, and is
        scaled back to length 1.
    swap
        Probability that it changes places with the chunk before it.
    position_scale, last_slot_bias
        Schedules of the fields of the model's configuration of that name.
    """

    drop: float = Field(0.0, ge=0, le=1)
    noise: float = Field(0.0, ge=0, le=1)
    noise_sigma: float = Field(0.03, ge=0)
    swap: float = Field(0.0, ge=0, le=1)
    position_scale: Schedule | None = None
    last_slot_bias: Schedule | None = None


class Stage(Section):
    """The most forward-distinct share of the windows, for so many epochs."""

    share: float = Field(gt=0, le=1)
    epochs: int = Field(gt=0)


class Curriculum(Section):
    """Stages, each left only where its gate holds.

    `score`: `published` is 1 - cos(y, c_last); `corrected` is cos(y, c_last) - max cos(y, other c).
    `gate`: readings of the mini test (and `gates_5cat`, of the published test) and their least
    values. A stage that fails is repeated at most `retries` times, each time with
    `retry_position` and `retry_bias` more; then training ends.
    """

    score: Literal["published", "corrected"] = "published"
    stages: list[Stage] = Field(min_length=1)
    gate: dict[str, float]
    retries: int = Field(2, ge=0)
    retry_position: float = 0.05
    retry_bias: float = 0.2


class Kill(Section):
    """Stop after an epoch where a reading of the mini test lies below its least value."""

    after_epoch: int = Field(gt=0)
    least: dict[str, float]


class EarlyStopping(Section):
    """Keep the weights of the best epoch by one reading of the mini test; stop after `patience`."""

    reading: str
    patience: int = Field(gt=0)
