"""A step of P1 under our Trainer, beside the bare loop of PyTorch with the same data and maths."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers import PrinterCallback, TrainerCallback

from eisv_lumen.lvm.data.known_processes import Process
from eisv_lumen.lvm.data.window_tensors import WindowTable
from eisv_lumen.lvm.training.curriculum import attempts
from eisv_lumen.lvm.training.recipe import load_recipe
from eisv_lumen.lvm.training.train import build_model
from eisv_lumen.lvm.training.trainer import LvmTrainer, training_arguments

from .timing import Row

GOAL = 1.10
STEPS, WARM_UP, ROUNDS = 150, 10, 5
BATCH = 32


def rows() -> list[Row]:
    sequences = Process(0.5, dim=384).sample(STEPS, 5 + BATCH, seed=0)
    table = WindowTable.of(sequences)
    assert len(table) == STEPS * BATCH
    few = WindowTable.of(replace(sequences, starts=sequences.starts[:1]))
    # Alternately, so that a busy moment of the machine meets both.
    times = np.array([(_trainer(table, few), _bare(table)) for _ in range(ROUNDS)])
    ours, bare = times.min(axis=0).tolist()
    ratio = ours / bare
    return [
        Row("P1 (small), a step of the bare loop", 1e3 * bare, "ms"),
        Row(
            "  P1 (small): a step under our Trainer / of the bare loop",
            ratio,
            "×",
            f"≤ {GOAL:g}",
            ratio <= GOAL,
        ),
    ]


def _trainer(table: WindowTable, few: WindowTable) -> float:
    recipe = load_recipe("p1", "small")
    recipe = recipe.model_copy(update={"training": {**recipe.training, "num_train_epochs": 1}})
    [[attempt]] = attempts(recipe)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        arguments = training_arguments(
            recipe, Path(folder), 0, "cpu", eval_strategy="no", save_strategy="no"
        )
        model = build_model(recipe, 384, 5)
        trainer = LvmTrainer(recipe, attempt, table, few, model=model, args=arguments)
        trainer.remove_callback(PrinterCallback)
        clock = _Clock()
        trainer.add_callback(clock)
        trainer.train()
        return (clock.stop - clock.start) / (STEPS - WARM_UP)


class _Clock(TrainerCallback):
    """Times the steps after the warm-up: setting up a run is no part of a step."""

    start = stop = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.stop = time.perf_counter()
        if state.global_step == WARM_UP:
            self.start = self.stop


def _bare(table: WindowTable) -> float:
    recipe = load_recipe("p1", "small")
    torch.manual_seed(0)
    model = build_model(recipe, 384, 5)
    rate, decay = recipe.training["learning_rate"], recipe.training["weight_decay"]
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay, fused=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    model.train()
    start = 0.0
    for step, windows in enumerate(torch.randperm(len(table)).split(BATCH)):
        if step == WARM_UP:
            start = time.perf_counter()
        loss = F.mse_loss(model(table.contexts(windows)).prediction, table.targets(windows))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    return (time.perf_counter() - start) / (STEPS - WARM_UP)
