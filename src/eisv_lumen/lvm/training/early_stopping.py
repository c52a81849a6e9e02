"""When training ends before its last epoch, and which epoch is kept.

All of it is read from the trainer's state and log, which a checkpoint holds: a run that goes on
from one decides as a run that was never interrupted, and nothing has to be remembered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

from .curriculum import shortfalls
from .recipe import Recipe
from .recipe_schema import EarlyStopping, Kill

__all__ = ["Stops", "is_over", "kept_step", "lost_patience", "verdict"]

Log = Sequence[Mapping[str, Any]]
"""The trainer's: entries of the mini test hold `eval_` and the reading's name."""


def verdict(kill: Kill | None, log: Log) -> str:
    """Return why a run is killed, in words; empty where it is not, or not yet."""
    if kill is None:
        return ""
    for entry in log:
        tested = any(name.startswith("eval_") for name in entry)
        if tested and round(entry["epoch"]) == kill.after_epoch:
            readings = {name.removeprefix("eval_"): value for name, value in entry.items()}
            if short := shortfalls(readings, kill.least):
                return f"killed after epoch {kill.after_epoch}: {', '.join(short)}"
    return ""


def lost_patience(stop: EarlyStopping | None, log: Log) -> bool:
    """Whether the last `patience` readings all lie no higher than one before them."""
    if stop is None:
        return False
    best, waited = float("-inf"), 0
    for entry in log:
        if (value := entry.get(f"eval_{stop.reading}")) is not None:
            best, waited = (value, 0) if value > best else (best, waited + 1)
    return waited >= stop.patience


def is_over(recipe: Recipe, state: Mapping[str, Any]) -> bool:
    """Whether a run at a checkpoint takes no further step; `state` is the trainer's there."""
    log = state["log_history"]
    return bool(
        state["global_step"] >= state["max_steps"]
        or verdict(recipe.kill, log)
        or lost_patience(recipe.early_stopping, log)
    )


def kept_step(recipe: Recipe, state: Mapping[str, Any]) -> int:
    """Return the step whose weights a run ends with: the last, or the best where it may stop."""
    best = state["best_global_step"] if recipe.early_stopping else None
    return int(best or state["global_step"])


class Stops(TrainerCallback):
    """Ends training where the log says so."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log: an entry that began before a checkpoint could not be finished after it."""
        control.should_log = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Judge each mini test."""
        log = state.log_history
        if verdict(self.recipe.kill, log) or lost_patience(self.recipe.early_stopping, log):
            control.should_training_stop = True
