"""transformers' Trainer over resident rows: its arguments, our loss, and the mini test."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback

from ...core.errors import InputError
from ..data.window_tensors import WindowTable
from ..models import VectorModel
from .corruption import corrupt
from .curriculum import Attempt
from .objective import article_loss, window_loss
from .recipe import Recipe
from .validation import mini_test

__all__ = ["LvmTrainer", "Progress", "ScheduledInputs", "training_arguments"]


class _Numbers(Dataset[Tensor]):
    """0 … n-1; a whole batch of them is fetched at once."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitems__(self, numbers: Sequence[int]) -> Tensor:
        return torch.tensor(numbers)


class _Collate:
    """Batches come whole."""

    def __call__(self, numbers: Tensor) -> dict[str, Tensor]:
        return {"numbers": numbers}


class LvmTrainer(Trainer):
    """Trains on windows, or on articles where the objective is over articles.

    Parameters
    ----------
    recipe, attempt
        What is trained, and which part of it this is.
    table, validation
        Windows to train on and to test on after each epoch.
    **trainer
        As for Trainer; `args`, `model`, `callbacks`.
    """

    def __init__(
        self,
        recipe: Recipe,
        attempt: Attempt,
        table: WindowTable,
        validation: WindowTable,
        **trainer: Any,
    ) -> None:
        self.recipe, self.attempt = recipe, attempt
        device = trainer["args"].device
        self.table, self.validation = table.to(device), validation.to(device)
        self.articles = self.table.articles() if recipe.objective.over_article else []
        self.watched: dict[str, Tensor] = {}
        self.watched_steps = 0
        super().__init__(
            train_dataset=_Numbers(len(self.articles) or len(table)),
            eval_dataset=_Numbers(len(validation)),
            data_collator=cast(Any, _Collate()),
            **trainer,
        )
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the recipe's loss of a batch of row numbers."""
        numbers, spec = inputs["numbers"], self.recipe.objective
        if spec.over_article:
            chosen = [self.articles[number] for number in numbers.tolist()]
            loss, readings = article_loss(spec.over_article.tau, model, self.table, chosen)
        else:
            epoch = self.attempt.epochs_before + (self.state.epoch or 0.0)
            show = partial(corrupt, inputs=self.recipe.inputs)
            loss, readings = window_loss(spec, model, self.table, numbers, epoch, show)
        for name, value in readings.items():
            self.watched[name] = self.watched.get(name, 0.0) + value
        self.watched_steps += 1
        return (loss, None) if return_outputs else loss

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Return 0: row numbers hold no tokens to count, and Trainer would ask at every step."""
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, and with each loss the mean readings since the last one."""
        if "loss" in logs and self.watched_steps:
            steps = self.watched_steps
            logs.update({name: float(total) / steps for name, total in self.watched.items()})
            self.watched, self.watched_steps = {}, 0
        super().log(logs, start_time)

    def evaluate(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """Run the mini test on validation."""
        readings = mini_test(unwrapped(self), self.validation)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in readings.items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


def unwrapped(trainer: Trainer) -> VectorModel:
    """Return a trainer's model without what distributed training wraps around it."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    assert isinstance(model, VectorModel)
    return model


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
        raise InputError(f"{recipe.where}, training: {error}") from error


class ScheduledInputs(TrainerCallback):
    """Sets `position_scale` and `last_slot_bias` of the model's configuration, step by step."""

    def __init__(self, recipe: Recipe, attempt: Attempt) -> None:
        self.recipe, self.attempt = recipe, attempt

    def on_step_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        """Set both for the step to come."""
        set_inputs(model.config, self.recipe, self.attempt, state.epoch or 0.0)


def set_inputs(config: Any, recipe: Recipe, attempt: Attempt, epoch: float) -> None:
    """Set the scheduled fields of a configuration after `epoch` epochs of an attempt."""
    done, inputs = attempt.epochs_before + epoch, recipe.inputs
    if inputs.position_scale:
        config.position_scale = inputs.position_scale.at(done) + attempt.position_more
    if inputs.last_slot_bias:
        config.last_slot_bias = inputs.last_slot_bias.at(done) + attempt.bias_more


class Progress(TrainerCallback):
    """One line an epoch on stderr; a run whose loss is no number ends."""

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look at the loss.

        Raises
        ------
        InputError
            It is not finite.
        """
        loss = state.log_history[-1].get("loss", 0.0)
        if not math.isfinite(loss):
            raise InputError(
                f"step {state.global_step}: the loss is {loss}; give a smaller learning_rate, or "
                "more warmup_steps"
            )

    def on_evaluate(
        self,
        args: Any,
        state: Any,
        control: Any,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Say how far the run is."""
        if state.is_world_process_zero and metrics:
            shown = ("bits", "cosine", "margin", "r5_six", "r5_article")
            values = "  ".join(
                f"{name} {metrics[f'eval_{name}']:+.3f}"
                for name in shown
                if f"eval_{name}" in metrics
            )
            print(
                f"epoch {state.epoch:.0f}/{state.num_train_epochs:g}  {values}",
                file=sys.stderr,
                flush=True,
            )
