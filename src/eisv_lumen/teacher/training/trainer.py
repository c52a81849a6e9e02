"""The trainer: TRL's, with the same loss for less work, its clock, and what it says on the way."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any, cast

from ...core.errors import InputError
from ..data.plain_rows import row_logits
from ..data.shared_prefix import IGNORED, answer_logits, answer_states, label_nodes
from .loss import answer_loss, logits_loss

if TYPE_CHECKING:
    import torch

__all__ = ["Clock", "progress", "say", "trainer_class"]


def trainer_class(
    muon_lr: float | None,
    silent: torch.Tensor | None,
    *,
    bare_head: bool = True,
    answers: int = 1,
) -> Any:
    """Return SFTTrainer with the same loss, whose head is given the answers' positions alone.

    TRL 1.16 projects every position onto the vocabulary where there is no Triton; on a CPU that is
    four fifths of a step of the tiny base, and all but the answers' positions are thrown away.

    Parameters
    ----------
    muon_lr
        Learning rate of Muon; None for AdamW alone.
    silent
        As for `answer_loss`.
    bare_head
        As `Layout` has it; where it is not, the loss is of the model's own logits.
    answers
        Rows of a batch that one row of the dataset becomes.
    """
    import torch
    from trl import SFTTrainer  # type: ignore[attr-defined]

    class AnswerTrainer(SFTTrainer):
        def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
            if muon_lr is None:
                return super().create_optimizer(*args, **kwargs)
            from .optim import MuonAdamW

            given, model = self.args, cast(Any, self.model)
            self.optimizer = MuonAdamW(
                model,
                muon_lr,
                given.weight_decay,
                lr=given.learning_rate,
                betas=(given.adam_beta1, given.adam_beta2),
                eps=given.adam_epsilon,
            )
            return self.optimizer

        def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> Any:
            _mask_repeats(self, batch_samples, answers)
            # A tree's labels stand where they are told from: none of them is shifted away.
            counted = [
                b | {"shift_labels": b["labels"]} if "node" in b else b for b in batch_samples
            ]
            return super()._get_num_items_in_batch(counted, device)

        def floating_point_ops(self, inputs: Any) -> int:
            return 0  # not reported; Trainer would count the parameters at every step

        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            labels = inputs["labels"]
            if "node" in inputs:
                at, labels = label_nodes(inputs), labels.flatten()
                read = answer_states if bare_head else answer_logits
                found = read(model, inputs)
            elif bare_head:
                given = {k: v for k, v in inputs.items() if k != "labels"}
                out = model(**given, use_cache=False, output_hidden_states=True, logits_to_keep=1)
                answer = labels[:, 1:] != IGNORED
                found, labels = out.hidden_states[-1][:, :-1][answer], labels[:, 1:][answer]
                at = torch.arange(len(labels), device=labels.device)
            else:
                found, labels = row_logits(model, inputs)
                at = torch.arange(len(labels), device=labels.device)
            if bare_head:
                head = cast(Any, self.model).get_output_embeddings().weight
                total = answer_loss(found, at, labels, head, silent)
            else:
                total = logits_loss(found, at, labels)
            # Counted over all ranks, whose gradients are averaged.
            loss = total / num_items_in_batch * self.accelerator.num_processes
            return (loss, {"found": found}) if return_outputs else loss

    return AnswerTrainer


def _mask_repeats(trainer: Any, batches: list[Any], answers: int) -> None:
    """Mask the labels of rows that stand in a rank's last batch of an epoch only to fill it.

    Where ranks' rows do not come out even, accelerate begins the epoch again. Without those rows,
    a step's gradient is what one process computes on the same rows.
    """
    state, args = trainer.accelerator.gradient_state, trainer.args
    if args.world_size == 1 or not batches or not state.end_of_dataloader or state.remainder < 0:
        return
    labels = batches[-1]["labels"]
    before = args.process_index * args.per_device_train_batch_size
    left = max((state.remainder or len(labels) // answers * args.world_size) - before, 0)
    labels[left * answers :] = IGNORED


class Clock:
    """Seconds of a run, those of the legs before a resume included."""

    def __init__(self) -> None:
        self._started = time.perf_counter(), time.process_time()
        self._before = (0.0, 0.0)

    def go_on(self, log_history: list[dict[str, Any]]) -> None:
        """Take up the seconds that were last logged before the checkpoint."""
        logged = [entry for entry in log_history if "wall_s" in entry]
        if logged:
            self._before = logged[-1]["wall_s"], logged[-1]["cpu_s"]

    def read(self) -> dict[str, float]:
        """Return `wall_s` and `cpu_s`."""
        now = time.perf_counter(), time.process_time()
        found = [b + n - s for b, n, s in zip(self._before, now, self._started, strict=True)]
        return {"wall_s": round(found[0], 3), "cpu_s": round(found[1], 3)}


def progress(clock: Clock) -> Any:
    """Return a callback that prints step and loss, and logs the clock for a later resume."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.go_on(state.log_history)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            # Trainer logs every `logging_steps` alone; a short run would have no loss at all.
            if state.global_step >= state.max_steps:
                control.should_log = True

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            logs = state.log_history[-1]
            if not math.isfinite(logs.get("loss", 0.0)):
                raise InputError(
                    f"step {state.global_step}: the loss is {logs['loss']}; give a smaller "
                    "learning_rate, or more warmup_steps"
                )
            logs |= clock.read()
            if state.is_world_process_zero and "loss" in logs:
                say(f"step {state.global_step}/{state.max_steps}  loss {logs['loss']:.4f}", True)

    return Progress()


def say(text: str, is_main: bool) -> None:
    """Tell the person at the terminal, once for all ranks."""
    if is_main:
        print(text, file=sys.stderr, flush=True)
