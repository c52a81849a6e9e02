"""Folders as the demo leaves them, small: a teacher trained for seconds, and measured."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from test_growth import part, series, source

from eisv_lumen.evaluation.report import write_report
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.teacher.data.examples import draw_examples
from eisv_lumen.teacher.data.windows import target_laws
from eisv_lumen.teacher.evaluation.evaluate import teacher_report
from eisv_lumen.teacher.prompt.messages import render_windows
from eisv_lumen.teacher.recipe import Recipe
from eisv_lumen.teacher.training.train import train
from eisv_lumen.trajectory.dataset.configs import config_name, split_lengths
from eisv_lumen.trajectory.dataset.schema import synthesize, windows_from_table, write_together

LOG = replace(series(2000), agent="lumen")


def recipe_of(base: str, lora: bool = False) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "demo",
            "base": base,
            "model": {} if lora else {"hidden_size": 32, "intermediate_size": 64},
            "data": {
                "source": "synthetic", "style": "compact", "per_shape": 30,
                "target": "learned" if lora else "initial",
            },
            "training": {
                "per_device_train_batch_size": 16, "max_steps": 20 if lora else 60,
                "learning_rate": 1e-2, "adam_beta2": 0.98, "save_strategy": "no",
            },
            "lora": {"r": 4, "target_modules": ["q_proj", "v_proj"]} if lora else None,
        }
    )  # fmt: skip


def make_run(folder: Path, recipe: Recipe) -> Path:
    """Make dataset, teacher, report and the windows it was made on."""
    tables, _ = split_lengths(source(part(LOG, 0, 1500)), seed=0)
    write_together(
        {
            folder / "dataset" / config_name(length) / f"{name}.parquet": table
            for length, splits in tables.items()
            for name, table in splits.items()
        }
    )
    laws = target_laws(recipe.data.target)
    taught = windows_from_table(synthesize(dict.fromkeys(SHAPES, 30), seed=1))
    prompts = render_windows(taught, recipe.data.style)
    train(recipe, draw_examples(prompts, taught.shape, laws, 0, 2), folder / "teacher")
    asked = synthesize(dict.fromkeys(SHAPES, 4), seed=2)
    write_together({folder / "evaluation.parquet": asked})
    windows = windows_from_table(asked)
    digest = hashlib.sha256((folder / "evaluation.parquet").read_bytes()).hexdigest()
    report = teacher_report(
        folder / "teacher", render_windows(windows, recipe.data.style), windows.shape,
        name="demo", title="a teacher", command=f"eisv-lumen demo --out {folder} --seed 3",
        data={"sha256": digest}, draws=3, seed=3,
    )  # fmt: skip
    assert report.at(1.0).metrics["valid_rate"].value > 0.3, "too little was learned to measure"
    write_report(report, folder / "report.json")
    return folder


def make_adapter_run(folder: Path, whole: Path) -> Path:
    """Teach an adapter on a base that lies in a folder: what another run has trained."""
    return make_run(folder, recipe_of(str(whole / "teacher" / "model"), lora=True))
