"""Stages of a training run: each trained from its last checkpoint, or taken as it was left."""

# transformers and parts of torch are not annotated throughout.
# mypy: allow-untyped-calls

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...core.errors import InputError
from ...core.files import read_json, write_json
from ...core.runs import CHECKPOINTS, MODEL, STATE, is_first, last_checkpoint
from ..data.sequences import SequenceSet
from ..data.window_tensors import WindowTable
from ..models import VectorModel
from .checkpoints import say, take_saved
from .curriculum import Attempt, attempts, shortfalls, top_share
from .early_stopping import Stops, is_over, kept_step, verdict
from .recipe import Recipe
from .trainer import LvmTrainer, Progress, ScheduledInputs, training_arguments
from .validation import mini_test

__all__ = ["StagedRun"]

_ATTEMPT: Final = "attempt.json"
_GATES: Final = "gates_5cat"


@dataclass(frozen=True)
class StagedRun:
    """The training of a model, stage after stage, in place.

    Attributes
    ----------
    recipe, training, validation, folder, seed, device
        As for `train.train`; `folder` is its `out`.
    model
        Untrained; it ends with the weights of the last attempt.
    """

    recipe: Recipe
    model: VectorModel
    training: SequenceSet
    validation: SequenceSet
    folder: Path
    seed: int
    device: str | None

    def train(self) -> tuple[list[dict[str, Any]], str]:
        """Train to the end, or until a stage is killed or falls short of its gate.

        Returns
        -------
        done : list of dict
            What each attempt found.
        outcome : str
            How training ended: finished, killed or short of a gate, and why.

        Raises
        ------
        InputError
            A loss is not finite, or the recipe asks for less than an epoch.
        """
        done: list[dict[str, Any]] = []
        for number, tries in enumerate(attempts(self.recipe), 1):
            for attempt in tries:
                done.append(self._attempt(attempt))
                if done[-1]["killed"]:
                    return done, done[-1]["killed"]
                if not done[-1]["short"]:
                    break
            if short := done[-1]["short"]:
                why = f"stage {number} of the curriculum fell short: {', '.join(short)}"
                return done, f"ended: {why}"
        return done, "finished"

    def _attempt(self, attempt: Attempt) -> dict[str, Any]:
        """Train one attempt of a stage; where it is done already, take its weights."""
        from transformers import PrinterCallback

        recipe, model = self.recipe, self.model
        place = self.folder / CHECKPOINTS / attempt.name
        if (place / _ATTEMPT).exists():
            take_saved(model, place / MODEL)
            found: dict[str, Any] = read_json(place / _ATTEMPT)
            return found
        offset = int(recipe.model.get("offset", 0))
        chosen = WindowTable.of(top_share(self.training, recipe.curriculum, attempt.share), offset)
        held = WindowTable.of(self.validation, offset)
        trainer = LvmTrainer(
            recipe,
            attempt,
            chosen,
            held,
            model=model,
            args=training_arguments(
                recipe, place, self.seed, self.device, num_train_epochs=attempt.epochs
            ),
            callbacks=[ScheduledInputs(recipe, attempt), Progress(), Stops(recipe)],
        )
        trainer.remove_callback(PrinterCallback)
        last = before = last_checkpoint(place)
        if before:
            say(f"resuming from {attempt.name}/{before.name}")
        if before is None or not is_over(recipe, read_json(before / STATE)):
            trainer.train(resume_from_checkpoint=str(before) if before else None)
            trainer.accelerator.wait_for_everyone()
            last = last_checkpoint(place)
        if last is None:  # each epoch ends with one
            raise InputError(f"{recipe.where}, training: not one epoch; ask for more")
        # From the files, where training ended a moment ago, too: so both ways are one.
        state = read_json(last / STATE)
        take_saved(model, place / f"checkpoint-{kept_step(recipe, state)}")
        readings = mini_test(model, held.to(model.device))
        gate = recipe.curriculum.gate if recipe.curriculum else {}
        if _GATES in gate:
            readings[_GATES] = _published_gates(model, self.validation)
        found = {
            "stage": attempt.stage,
            "retry": attempt.retry,
            "windows": len(chosen),
            "epochs": state["epoch"],
            "steps": state["global_step"],
            "resumed_from": before.name if before else None,
            "killed": verdict(recipe.kill, state["log_history"]),
            "short": shortfalls(readings, gate),
            "readings": readings,
            "log": state["log_history"],
        }
        if is_first():
            model.save_pretrained(place / MODEL)
            write_json(place / _ATTEMPT, found)
        return found


def _published_gates(model: VectorModel, validation: SequenceSet) -> int:
    """How many of the published tests A to D hold; E compares with another corpus."""
    from ..alignment.five_cat import published_tests
    from ..alignment.predictions import articles_of, ask
    from ..predictors.load import wrap

    model.eval()
    asked = wrap(model, "stage")
    articles = articles_of(validation, asked.ahead)
    said = ask(asked, articles)
    assert said.vectors is not None
    tests = published_tests(articles, said.vectors, ablated=said.ablated, rollout=said.rollout)
    return sum(test.passed for test in tests)
