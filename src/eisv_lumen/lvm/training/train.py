"""Training a recipe: resumable at any moment, recorded whole."""

# transformers and parts of torch are not annotated throughout.
# mypy: allow-untyped-calls

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError

from ...core.errors import InputError
from ...core.files import write_json
from ...core.runs import CHECKPOINTS, MODEL, RECORD, begin, finished, is_first, remove
from ...evaluation.report import installed_versions
from ..data.copies import check_no_copies
from ..data.identity import check_alike
from ..data.sequences import SequenceSet
from ..data.splits import check_disjoint
from ..data.window_tensors import WindowTable
from ..models import MODELS, VectorModel
from ..predictors.learned import facts_of_set, save_sketches
from .checkpoints import save_model, say
from .recipe import Recipe, check_recipe
from .staged import StagedRun
from .trainer import training_arguments
from .validation import mini_test

__all__ = ["build_model", "train"]


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
        `cpu`, `cuda` or `mps` to insist; by default what accelerate finds.

    Returns
    -------
    dict
        The content of `training.json`.

    Raises
    ------
    InputError
        The recipe has a field that cannot be used, the sets do not fit together, the device is not
        there, or `out` holds another run. Nothing is written or removed then.
    """
    _keep_to_ourselves()
    check_recipe(recipe)
    _check_device(device)
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
            name: facts_of_set(part, len(windows))
            for name, part, windows in (
                ("train", training, table),
                ("validation", validation, held),
            )
        },
    }
    done = finished(folder, run) if resume else None
    if done is not None:
        say(f"{folder}: already trained")
        return done
    if is_first():
        begin(folder, run, resume)
    parameters = sum(p.numel() for p in model.parameters())
    say(f"{recipe.name}: {parameters} parameters, {len(table)} windows, {len(held)} to test on")

    started = time.perf_counter(), time.process_time()
    staged = StagedRun(recipe, model, training, validation, folder, seed, device)
    stages, outcome = staged.train()
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
    if is_first():
        save_sketches(training, folder)
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
        raise InputError(f"{recipe.where}, model: {' '.join(str(error).split())}") from error
    if recipe.inputs.position_scale:
        config.position_scale = 0.0
    try:
        return model_class(config)
    except InputError as error:
        raise InputError(f"{recipe.where}, {error}") from error


def _check_sets(training: SequenceSet, validation: SequenceSet) -> None:
    sets = {"training": training, "validation": validation}
    check_disjoint(sets)
    check_alike(sets)
    for part, found in sets.items():
        if not len(found):
            raise InputError(f"{part}: no windows; give longer articles")
    check_no_copies(sets, "make the sequences again with --drop-copies")


def _check_device(device: str | None) -> None:
    there = [
        name
        for name, is_there in (
            ("cuda", torch.cuda.is_available()),
            ("mps", torch.backends.mps.is_available()),
            ("cpu", True),
        )
        if is_there
    ]
    if device is not None and device not in there:
        raise InputError(f"device {device!r} is not there; found: {', '.join(there)}")


def _keep_to_ourselves() -> None:
    from transformers.utils import logging

    logging.disable_progress_bar()
