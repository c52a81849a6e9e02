"""The trainer: TRL's, with the same loss for less work, and what it says on the way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

from .head import answer_loss
from .tree import IGNORED, answer_states

if TYPE_CHECKING:
    import torch

__all__ = ["progress", "say", "trainer_class"]


def trainer_class(muon_lr: float | None, silent: torch.Tensor | None) -> Any:
    """Return SFTTrainer with the same loss, whose head is given the answers' positions alone.

    TRL 1.16 projects every position onto the vocabulary where there is no Triton; on a CPU that is
    four fifths of a step of the tiny base, and all but the answers' positions are thrown away.
    """
    from trl import SFTTrainer  # type: ignore[attr-defined]

    class AnswerTrainer(SFTTrainer):
        def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
            if muon_lr is None:
                return super().create_optimizer(*args, **kwargs)
            from .muon import MuonAdamW

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
            _mask_repeats(self, batch_samples)
            return super()._get_num_items_in_batch(batch_samples, device)

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
                states, labels = answer_states(model, inputs), labels.flatten()
            else:
                given = {name: value for name, value in inputs.items() if name != "labels"}
                found = model(**given, use_cache=False, output_hidden_states=True, logits_to_keep=1)
                answer = labels[:, 1:] != IGNORED
                states = found.hidden_states[-1][:, :-1][answer]
                labels = labels[:, 1:][answer]
            head = cast(Any, self.model).get_output_embeddings().weight
            total = answer_loss(states, labels, head, silent)
            if num_items_in_batch is None:
                loss = total / (labels != IGNORED).sum()
            else:  # counted over all ranks; the ranks' gradients are averaged
                loss = total / num_items_in_batch * self.accelerator.num_processes
            return (loss, {"states": states}) if return_outputs else loss

    return AnswerTrainer


def _mask_repeats(trainer: Any, batches: list[Any]) -> None:
    """Mask the labels of rows that stand in a rank's last batch of an epoch only to fill it.

    Where ranks' rows do not come out even, accelerate begins the epoch again. Without those rows,
    a step's gradient is what one process computes on the same rows.
    """
    state, args = trainer.accelerator.gradient_state, trainer.args
    if args.world_size == 1 or not batches or not state.end_of_dataloader or state.remainder < 0:
        return
    labels = batches[-1]["labels"]
    before = args.process_index * args.per_device_train_batch_size
    left = max((state.remainder or len(labels) * args.world_size) - before, 0)
    labels[left:] = IGNORED


def progress() -> Any:
    """Return a callback that says step and loss."""
    from transformers import TrainerCallback

    class Progress(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            logs = state.log_history[-1]
            if state.is_world_process_zero and "loss" in logs:
                say(f"step {state.global_step}/{state.max_steps}  loss {logs['loss']:.4f}", True)

    return Progress()


def say(text: str, is_main: bool) -> None:
    """Tell the person at the terminal, once for all ranks."""
    if is_main:
        print(text, file=sys.stderr, flush=True)
