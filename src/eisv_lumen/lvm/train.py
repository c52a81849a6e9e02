"""Training a recipe: stage by stage, resumable at any moment, recorded whole."""

# transformers and parts of torch are not annotated throughout.
# mypy: allow-untyped-calls

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub.errors import StrictDataclassError

from ..errors import InputError
from ..evaluation.report import installed_versions
from ..files import read_json, write_json
from .curriculum import Attempt, attempts, shortfalls, top_share
from .mini import mini_test
from .models import MODELS, VectorModel
from .recipe import Recipe, check_recipe
from .runs import (
    CHECKPOINTS,
    MODEL,
    RECORD,
    STATE,
    claim,
    digest,
    is_main,
    last_checkpoint,
    remove,
    save_model,
    say,
    take_saved,
)
from .sequences import SequenceSet
from .splits import check_disjoint
from .stopping import Stops, is_over, kept_step, verdict
from .table import WindowTable
from .trainer import LvmTrainer, Progress, ScheduledInputs

__all__ = ["build_model", "train", "training_arguments"]

_ATTEMPT: Final = "attempt.json"
_GATES: Final = "gates_5cat"


def train(
    recipe: Recipe,
    training: SequenceSet,
    validation: SequenceSet,
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    resume: bool = True,
    device: str | None = None,
) -> dict[str, Any]:
    """Train a model of the line.

    Parameters
    ----------
    recipe
        What to train, and how.
    training, validation
        Windows of different articles; the mini test, gates and stopping look at validation alone.
    out
        Folder to write: `model/` (safetensors and config), `training.json`, and `checkpoints/`
        while training runs.
    seed
        Of the weights, the order of the batches and all draws.
    resume
        Go on from the last whole checkpoint of the same run, with the same outcome as if it had
        not been interrupted; a finished run is not repeated. Otherwise begin anew.
    device
        `cpu` to stay there; by default what accelerate finds.

    Returns
    -------
    dict
        The content of `training.json`.

    Raises
    ------
    InputError
        The recipe has a field that cannot be used, the sets do not fit together, or `out` holds
        another run. Nothing is written then.
    """
    _keep_to_ourselves()
    check_recipe(recipe)
    _check_sets(training, validation)
    folder = Path(out)
    offset = int(recipe.model.get("offset", 0))
    table, held = WindowTable.of(training, offset), WindowTable.of(validation, offset)
    torch.manual_seed(seed)
    model = build_model(recipe, training.dim, training.context_length)
    training_arguments(recipe, folder, seed, device)
    run = {
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "data": {
            name: {
                "sha256": digest(part),
                "articles": len(part.article_ids),
                "windows": len(windows),
                "encoder": part.encoder,
            }
            for name, part, windows in (
                ("train", training, table),
                ("validation", validation, held),
            )
        },
    }
    done = claim(folder, run, resume)
    if done is not None:
        return done
    parameters = sum(p.numel() for p in model.parameters())
    say(f"{recipe.name}: {parameters} parameters, {len(table)} windows, {len(held)} to test on")

    started = time.perf_counter(), time.process_time()
    stages, outcome = _stages(recipe, model, training, validation, folder, seed, device)
    record = run | {
        "outcome": outcome,
        "parameters": parameters,
        "versions": installed_versions() | {"python": sys.version.split()[0]},
        "device": str(next(model.parameters()).device),
        "steps": sum(stage["steps"] for stage in stages),
        "resumed_from": next((s["resumed_from"] for s in stages if s["resumed_from"]), None),
        "wall_s": round(time.perf_counter() - started[0], 3),
        "cpu_s": round(time.process_time() - started[1], 3),
        "readings": mini_test(model.eval(), held.to(model.device)),
        "stages": stages,
    }
    if is_main():
        save_model(model, folder / MODEL)
        write_json(folder / RECORD, record)
        remove(folder / CHECKPOINTS)
    return record


def build_model(recipe: Recipe, dim: int, context_length: int) -> VectorModel:
    """Make an untrained model of a recipe; torch's global seed decides the weights.

    Raises
    ------
    InputError
        A field of `model` has an unusable value.
    """
    model_class = MODELS[recipe.model["type"]]
    config_class: Any = model_class.config_class
    fields = {name: value for name, value in recipe.model.items() if name != "type"}
    try:
        config = config_class(dim=dim, context_length=context_length, **fields)
    except (TypeError, ValueError, StrictDataclassError) as error:
        raise InputError(f"recipe {recipe.name}, model: {' '.join(str(error).split())}") from error
    if recipe.inputs.position_scale:
        config.position_scale = 0.0
    return model_class(config)


def training_arguments(
    recipe: Recipe, folder: Path, seed: int, device: str | None, **ours: Any
) -> Any:
    """Build transformers' arguments of a recipe.

    Raises
    ------
    InputError
        A field has an unusable value.
    """
    from transformers import TrainingArguments

    # A loss that is not finite is to be seen in the log, not to be averaged away.
    defaults = {"logging_steps": 200, "logging_nan_inf_filter": False}
    stop = recipe.early_stopping
    best = {"metric_for_best_model": stop.reading, "greater_is_better": True} if stop else {}
    try:
        return TrainingArguments(
            **{
                **defaults,
                **recipe.training,
                **best,
                "load_best_model_at_end": False,  # taken from its checkpoint, resumed or not
                "save_total_limit": 2,  # the last, and the best
                "output_dir": str(folder),
                "seed": seed,
                "use_cpu": device == "cpu",
                "bf16": False,
                "eval_strategy": "epoch",
                "save_strategy": "epoch",
                "dataloader_pin_memory": False,
                "remove_unused_columns": False,
                "report_to": "none",
                "disable_tqdm": True,
                "log_level": "error",
                **ours,
            }
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"recipe {recipe.name}, training: {error}") from error


def _stages(
    recipe: Recipe,
    model: VectorModel,
    training: SequenceSet,
    validation: SequenceSet,
    folder: Path,
    seed: int,
    device: str | None,
) -> tuple[list[dict[str, Any]], str]:
    """Train stage after stage, in place; return what each attempt found, and how it ended."""
    done: list[dict[str, Any]] = []
    for number, tries in enumerate(attempts(recipe), 1):
        for attempt in tries:
            done.append(
                _attempt(recipe, attempt, model, training, validation, folder, seed, device)
            )
            if done[-1]["killed"]:
                return done, done[-1]["killed"]
            if not done[-1]["short"]:
                break
        if short := done[-1]["short"]:
            return done, f"ended: stage {number} of the curriculum fell short: {', '.join(short)}"
    return done, "finished"


def _attempt(
    recipe: Recipe,
    attempt: Attempt,
    model: VectorModel,
    training: SequenceSet,
    validation: SequenceSet,
    folder: Path,
    seed: int,
    device: str | None,
) -> dict[str, Any]:
    """Train one attempt of a stage, in place; where it is done already, take its weights."""
    from transformers import PrinterCallback

    place = folder / CHECKPOINTS / attempt.name
    if (place / _ATTEMPT).exists():
        take_saved(model, place / MODEL)
        found: dict[str, Any] = read_json(place / _ATTEMPT)
        return found
    offset = int(recipe.model.get("offset", 0))
    chosen = WindowTable.of(top_share(training, recipe.curriculum, attempt.share), offset)
    held = WindowTable.of(validation, offset)
    trainer = LvmTrainer(
        recipe,
        attempt,
        chosen,
        held,
        model=model,
        args=training_arguments(recipe, place, seed, device, num_train_epochs=attempt.epochs),
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
        raise InputError(f"recipe {recipe.name}, training: not one epoch; ask for more")
    # From the files, where training ended a moment ago, too: so both ways are one.
    state = read_json(last / STATE)
    take_saved(model, place / f"checkpoint-{kept_step(recipe, state)}")
    readings = mini_test(model, held.to(model.device))
    gate = recipe.curriculum.gate if recipe.curriculum else {}
    if _GATES in gate:
        readings[_GATES] = _published_gates(model, validation)
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
    if is_main():
        model.save_pretrained(place / MODEL)
        write_json(place / _ATTEMPT, found)
    return found


def _published_gates(model: VectorModel, validation: SequenceSet) -> int:
    """How many of the published tests A to D hold; E compares with another corpus."""
    from .alignment.answers import articles_of, ask
    from .alignment.published import published_tests
    from .model_files import wrap

    model.eval()
    asked = wrap(model, "stage")
    articles = articles_of(validation, asked.ahead)
    said = ask(asked, articles)
    assert said.vectors is not None
    tests = published_tests(articles, said.vectors, ablated=said.ablated, rollout=said.rollout)
    return sum(test.passed for test in tests)


def _check_sets(training: SequenceSet, validation: SequenceSet) -> None:
    check_disjoint({"training": training, "validation": validation})
    for name in ("dim", "context_length", "encoder"):
        first, second = getattr(training, name), getattr(validation, name)
        if first != second:
            raise InputError(
                f"{name}: {first!r} in training, {second!r} in validation; embed both alike"
            )
    for part, found in (("training", training), ("validation", validation)):
        if not len(found):
            raise InputError(f"{part}: no windows; give longer articles")


def _keep_to_ourselves() -> None:
    from transformers.utils import logging

    logging.disable_progress_bar()
