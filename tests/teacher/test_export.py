"""What is exported runs in TRL's own command unchanged, and has the loss of `teacher train`."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from eisv_lumen.core.errors import InputError
from eisv_lumen.teacher.data.windows import recipe_corpora, recipe_examples
from eisv_lumen.teacher.recipe import load_recipe
from eisv_lumen.teacher.training.export import export
from eisv_lumen.teacher.training.train import train

RAW = {
    "name": "exported",
    "base": "tiny",
    "model": {"hidden_size": 16, "intermediate_size": 16, "head_dim": 4},
    "data": {"source": "synthetic", "style": "compact", "per_shape": 8, "window": 4},
    "training": {
        "max_steps": 3, "learning_rate": 1e-2, "per_device_train_batch_size": 8, "logging_steps": 1,
        "save_strategy": "no", "lr_scheduler_type": "constant", "seed": 5,
    },
}  # fmt: skip


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "exported.yaml"
    path.write_text(yaml.safe_dump(RAW), encoding="utf-8")
    return load_recipe(path)


@pytest.mark.slow
def test_trls_command_trains_with_our_loss(recipe, tmp_path):
    examples = recipe_examples(recipe.data, recipe_corpora(recipe.data, ["train"])["train"])
    record = train(recipe, examples, tmp_path / "ours", device="cpu")
    config = export(recipe, examples, tmp_path / "sft", device="cpu")
    trl = Path(sys.executable).with_name("trl")
    done = subprocess.run(
        [trl, "sft", "--config", config], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = [
        float(ast.literal_eval(line)["loss"])
        for line in done.stdout.splitlines()
        if line.startswith("{'loss'")
    ]
    assert theirs == pytest.approx([loss for _, loss in record["loss_curve"]], rel=2e-3)


def test_a_folder_that_holds_something_is_left_alone(recipe, tmp_path):
    examples = recipe_examples(recipe.data, recipe_corpora(recipe.data, ["train"])["train"])
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "thesis.md").write_text("mine", "utf-8")
    with pytest.raises(InputError, match="holds something already"):
        export(recipe, examples, tmp_path / "kept", device="cpu")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["thesis.md"]
