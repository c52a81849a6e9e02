"""Numbers that change with the epoch: constant, by steps, or along straight lines."""

from __future__ import annotations

from bisect import bisect_right
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = ["Schedule", "Scheduled"]


class Scheduled(BaseModel):
    """A number as a function of the epochs done.

    `step`: {first epoch, from 1: value}, held until the next; 0 before the first.
    `linear`: {epochs done: value}, straight between, level outside.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: dict[int, float] = Field({}, description="first epoch -> value")
    linear: dict[float, float] = Field({}, description="epochs done -> value")

    @model_validator(mode="after")
    def _one_of_both(self) -> Scheduled:
        if bool(self.step) == bool(self.linear):
            raise ValueError("a schedule is a number, or has either `step` or `linear`")
        return self

    def at(self, epoch: float) -> float:
        """Return the value once `epoch` epochs are done; 0.5 is the middle of the first."""
        if self.step:
            firsts = sorted(self.step)
            place = bisect_right(firsts, int(epoch) + 1)
            return self.step[firsts[place - 1]] if place else 0.0
        at, values = zip(*sorted(self.linear.items()), strict=True)
        return float(np.interp(epoch, at, values))


def _from_number(value: Any) -> Any:
    return {"step": {1: value}} if isinstance(value, int | float) else value


Schedule = Annotated[Scheduled, BeforeValidator(_from_number)]
"""A field of a recipe that takes a number or a schedule."""
