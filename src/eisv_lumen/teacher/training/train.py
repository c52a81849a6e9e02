"""Training: TRL's SFTTrainer, pure cross-entropy on the answer alone, resumable at any moment."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.files import write_json
from ...core.runs import (
    CHECKPOINTS,
    MODEL,
    RECORD,
    begin,
    finished,
    is_first,
    last_checkpoint,
    remove,
    replacing,
)
from ..data.examples import Examples
from ..data.shared_prefix import IGNORED, TreeCollator
from ..data.tokenize import has_trees, training_rows
from ..models.load import Placement, choose_placement, load_base, stay_awake
from ..recipe import Recipe, check_model_fields, lora_config, sft_config
from .loss import silent_words
from .trainer import Clock, progress, say, trainer_class

__all__ = ["check_recipe", "train"]


def train(
    recipe: Recipe,
    examples: Examples,
    out: str | os.PathLike[str],
    *,
    resume: bool = True,
    device: str | None = None,
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train a teacher.

    Parameters
    ----------
    recipe
        What to train, and how.
    examples
        What to imitate.
    out
        Folder to write: `model/` (weights in safetensors, or a LoRA adapter, and the tokenizer),
        `training.json`, and `checkpoints/` while training runs.
    resume
        Go on from the last whole checkpoint of the same run, with the same outcome as if it had
        not been interrupted; a finished run is not repeated. Otherwise begin anew.
    device
        As for `choose_placement`.
    facts
        What the record should say besides, where the examples are not the recipe's own.

    Returns
    -------
    dict
        The content of `training.json`; its seconds are those of all legs of a resumed run.

    Raises
    ------
    InputError
        The recipe has a field that TRL, PEFT or Qwen3 does not know, the base cannot be had, an
        example is too long, or `out` holds another run. Nothing is written or removed then.
    """
    _keep_to_ourselves()
    folder = Path(out)
    check_recipe(recipe)
    lora = lora_config(recipe)
    placement = choose_placement(device)
    args = _arguments(recipe, folder, placement)
    run = {"recipe": recipe.model_dump(mode="json"), "data_sha256": examples.digest()} | (
        facts or {}
    )
    done = finished(folder, run) if resume else None
    if done is not None:
        say(f"{folder}: already trained", is_first())
        return done
    say(f"device {placement.device}, {placement.dtype}: {placement.reason}", is_first())
    frozen = placement.dtype if lora is not None else "float32"
    model, tokenizer = load_base(
        recipe.base, recipe.data.style, recipe.seed, recipe.model, dtype=frozen
    )
    if placement.device == "mps":
        model.to("mps")
    rows, counts = training_rows(tokenizer, examples, recipe.training.get("max_length", 512))
    say(
        f"{counts['rows']} rows, {counts['answer_tokens']} answer tokens, none masked out",
        is_first(),
    )
    if is_first():
        begin(folder, run, resume)

    from transformers import PrinterCallback

    clock = Clock()
    answered = {label for row in rows["labels"] for label in row} - {IGNORED}
    silent = silent_words(model.get_output_embeddings().weight, answered) if lora is None else None
    trainer = trainer_class(recipe.muon_learning_rate, silent)(
        model=model,
        args=args,
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=lora,
        data_collator=TreeCollator(tokenizer.pad_token_id) if has_trees(examples) else None,
        callbacks=[progress(clock)],
    )
    trainer.remove_callback(PrinterCallback)
    checkpoint = last_checkpoint(folder / CHECKPOINTS)
    if checkpoint:
        say(f"resuming from {checkpoint.name}", is_first())
    with stay_awake():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.accelerator.wait_for_everyone()
    loss_curve = [
        [entry["step"], entry["loss"]] for entry in trainer.state.log_history if "loss" in entry
    ]
    record = run | {
        "placement": asdict(placement),
        "world_size": trainer.args.world_size,
        "versions": _versions(),
        "parameters": sum(p.numel() for p in model.parameters()),
        **counts,
        "steps": trainer.state.global_step,
        "resumed_from": checkpoint.name if checkpoint else None,
        **clock.read(),
        "loss_curve": loss_curve,
        "final_loss": loss_curve[-1][1] if loss_curve else None,
    }
    if is_first():
        _save(trainer.model, tokenizer, recipe, folder / MODEL)
        write_json(folder / RECORD, record)
        remove(folder / CHECKPOINTS)
    return record


def check_recipe(recipe: Recipe) -> None:
    """Check a recipe's fields against the libraries that they are for, before any work.

    Raises
    ------
    InputError
        TRL, PEFT or Qwen3 does not know a field, or cannot use its value.
    """
    sft_config(recipe, output_dir=CHECKPOINTS, bf16=False, use_cpu=True)
    lora_config(recipe)
    check_model_fields(recipe)
    for name in ("activation_checkpointing", "gradient_checkpointing"):
        if recipe.data.draws > 1 and recipe.training.get(name):
            raise InputError(
                f"training.{name}: with data.draws={recipe.data.draws} answers share their "
                "prompt's cache, which cannot be computed again; use draws: 1 or leave it out"
            )


def _arguments(recipe: Recipe, folder: Path, placement: Placement) -> Any:
    defaults = {
        "logging_steps": 50,
        "save_strategy": "steps",
        "save_steps": 500,
        "save_total_limit": 2,
        "logging_nan_inf_filter": False,  # a loss that is not finite ends the run
        "activation_checkpointing": False,
        "dataloader_pin_memory": placement.device == "cuda",
        "seed": recipe.seed,
    }
    return sft_config(
        recipe,
        **{name: value for name, value in defaults.items() if name not in recipe.training},
        output_dir=str(folder / CHECKPOINTS),
        bf16=placement.dtype == "bfloat16",
        use_cpu=placement.device == "cpu",
        packing=False,
        report_to="none",
        push_to_hub=False,
        disable_tqdm=True,
        max_length=None,  # `training_rows` refuses what is too long; nothing is truncated
        remove_unused_columns=False,
        log_level="error",
    )


def _save(model: Any, tokenizer: Any, recipe: Recipe, folder: Path) -> None:
    if recipe.lora is not None:
        model.peft_config["default"].base_model_name_or_path = recipe.base
    with replacing(folder) as aside:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        (aside / "README.md").unlink(missing_ok=True)  # PEFT's stub; cards are made from results


def _keep_to_ourselves() -> None:
    """Turn off telemetry and progress bars, whether or not the libraries are imported already."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True
    import datasets
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("eisv-lumen", "torch", "transformers", "trl", "peft", "accelerate", "numpy")
    return {name: version(name) for name in names} | {"python": sys.version.split()[0]}
