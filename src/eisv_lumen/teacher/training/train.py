"""Training: TRL's SFTTrainer, pure cross-entropy on the answer alone, resumable at any moment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...core.arithmetic import pin_instruction_set
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
    working_in,
)
from ..data.examples import Examples
from ..data.plain_rows import RowCollator
from ..data.shared_prefix import IGNORED, TreeCollator
from ..data.tokenize import training_rows
from ..models.adapter import adapted
from ..models.layout import Layout, Pair, check_room, prove_layout
from ..models.load import TINY, Placement, choose_placement, load_base, split_revision, stay_awake
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
    pin_instruction_set()
    _keep_to_ourselves()
    folder = Path(out)
    check_recipe(recipe)
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
    if "ACCELERATE_USE_CPU" in os.environ and "WORLD_SIZE" not in os.environ:
        say(
            "accelerate launch started one process; for several: torchrun --nproc_per_node N -m "
            "eisv_lumen.cli teacher train ...",
            True,
        )
    frozen = placement.dtype if recipe.lora is not None else "float32"
    model, tokenizer = load_base(
        recipe.base, recipe.data.style, recipe.seed, recipe.model, dtype=frozen
    )
    rows, counts, pairs = training_rows(tokenizer, examples, recipe.training.get("max_length", 512))
    say(
        f"{counts['rows']} rows, {counts['answer_tokens']} answer tokens, none masked out",
        is_first(),
    )
    check_room(model, f"base {recipe.base!r}", pairs)
    model = adapted(model.to(args.device), recipe)
    answers = int(examples.drawn.shape[1])
    layout = _proven(model, tokenizer, recipe, pairs, answers)
    job = _Job(
        recipe, folder, run, placement, args, model, tokenizer, rows, counts, answers, layout
    )
    if not is_first():
        return _run(job)
    with working_in(folder):
        done = finished(folder, run) if resume else None
        if done is not None:  # by another process, while this one was loading
            return done
        begin(folder, run, resume)
        return _run(job)


@dataclass(frozen=True)
class _Job:
    """What is to be trained, checked and loaded."""

    recipe: Recipe
    folder: Path
    run: dict[str, Any]
    placement: Placement
    args: Any
    model: Any
    tokenizer: Any
    rows: Any
    counts: dict[str, int]
    answers: int
    layout: Layout

    @property
    def trees(self) -> bool:
        return self.answers > 1 and self.layout.tree


def _trainer(job: _Job, clock: Clock) -> Any:
    from transformers import PrinterCallback

    silent, collator = None, None
    if job.answers > 1:
        collator = (TreeCollator if job.trees else RowCollator)(job.tokenizer.pad_token_id)
    if job.recipe.lora is None and job.layout.bare_head:
        answered = {label for row in job.rows["labels"] for label in row} - {IGNORED}
        silent = silent_words(job.model.get_output_embeddings().weight, answered)
    trainer = trainer_class(
        job.recipe.muon_learning_rate,
        silent,
        bare_head=job.layout.bare_head,
        answers=1 if job.trees else job.answers,
    )(
        model=job.model,
        args=job.args,
        train_dataset=job.rows,
        processing_class=job.tokenizer,
        data_collator=collator,
        callbacks=[progress(clock)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _run(job: _Job) -> dict[str, Any]:
    """Train, save, and return the record; see `train`."""
    import torch

    recipe, folder, clock = job.recipe, job.folder, Clock()
    trainer = _trainer(job, clock)
    checkpoint = last_checkpoint(folder / CHECKPOINTS)
    if checkpoint:
        say(f"resuming from {checkpoint.name}", is_first())
    with stay_awake(), _threads(recipe, job.placement) as threads:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.accelerator.wait_for_everyone()
    loss_curve = [
        [entry["step"], entry["loss"]] for entry in trainer.state.log_history if "loss" in entry
    ]
    record = job.run | {
        "placement": asdict(job.placement),
        "arithmetic": {
            "instruction_set": torch.backends.cpu.get_cpu_capability(),
            "threads": threads,
        },
        "layout": {"shared_prefix": job.trees, "bare_head": job.layout.bare_head},
        "world_size": trainer.args.world_size,
        "versions": _versions(),
        "parameters": sum(p.numel() for p in job.model.parameters()),
        **job.counts,
        "steps": trainer.state.global_step,
        "resumed_from": checkpoint.name if checkpoint else None,
        **clock.read(),
        "loss_curve": loss_curve,
        "final_loss": loss_curve[-1][1] if loss_curve else None,
    }
    if is_first():
        _save(trainer.model, job.tokenizer, recipe, folder / MODEL)
        write_json(folder / RECORD, record)
        remove(folder / CHECKPOINTS)
    return record


def _proven(
    model: Any, tokenizer: Any, recipe: Recipe, pairs: Sequence[Pair], answers: int
) -> Layout:
    """Return how the base may be trained, and say what it cannot do.

    Raises
    ------
    InputError
        Padding changes what it computes, so that rows cannot share a batch.
    """
    name = f"base {recipe.base!r}"
    layout = prove_layout(model, pairs, tokenizer.pad_token_id, name)
    shares = answers > 1
    if not layout.padded and not (shares and layout.tree):
        raise InputError(f"{name}: padding changes its answers, so it cannot be trained in batches")
    if shares and not layout.tree:
        say(
            f"{name}: answers cannot share their prompt ({layout.reason}); each has a row of its "
            "own, with the same loss for more work",
            is_first(),
        )
    return layout


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
    if "trackio" in recipe.training.get("report_to", "none") and find_spec("trackio") is None:
        raise InputError(
            f"{recipe.where}, training.report_to: trackio is not installed; `pip install trackio`"
        )
    for name in ("activation_checkpointing", "gradient_checkpointing"):
        if recipe.data.draws > 1 and recipe.training.get(name):
            raise InputError(
                f"training.{name}: with data.draws={recipe.data.draws} answers share their "
                "prompt's cache, which cannot be computed again; use draws: 1 or leave it out"
            )


def _arguments(recipe: Recipe, folder: Path, placement: Placement) -> Any:
    defaults = {
        "report_to": "none",
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
        push_to_hub=False,
        disable_tqdm=True,
        max_length=None,  # `training_rows` refuses what is too long; nothing is truncated
        remove_unused_columns=False,
        log_level="error",
    )


def _save(model: Any, tokenizer: Any, recipe: Recipe, folder: Path) -> None:
    if recipe.lora is not None:
        # A folder by its absolute path: a relative one could be taken for an id of the Hub.
        local = Path(recipe.base).is_dir()
        name, revision = (recipe.base, None) if local else split_revision(recipe.base)
        config = model.peft_config["default"]
        config.base_model_name_or_path = str(Path(name).resolve()) if local else name
        config.revision = revision
    with replacing(folder) as aside:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        (aside / "README.md").unlink(missing_ok=True)  # PEFT's stub; cards are made from results


@contextmanager
def _threads(recipe: Recipe, placement: Placement) -> Iterator[int]:
    """Yield how many threads compute: one for `tiny`, whose matrices are too small to share."""
    import torch

    before = torch.get_num_threads()
    if recipe.base == TINY and placement.device == "cpu":
        torch.set_num_threads(1)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


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
