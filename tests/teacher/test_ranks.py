"""Two processes are one with the same global batch: their gradients, and what they evaluate."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.teacher.models.load import load_base
from eisv_lumen.teacher.recipe import load_recipe
from eisv_lumen.trajectory.dataset.schema import synthesize, write_parquet

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def recipe(batch, training, data, **more):
    return {
        "name": "ranks",
        "base": "tiny",
        "model": {"hidden_size": 32, "intermediate_size": 64},
        "data": {"source": "synthetic", "style": "compact", "window": 4, **data},
        "training": {
            "per_device_train_batch_size": batch, "num_train_epochs": 2, "logging_steps": 1,
            "save_strategy": "no", "lr_scheduler_type": "constant", "seed": 3, **training,
        },
        **more,
    }  # fmt: skip


# Rows that do not come out even: a rank's last batch of an epoch is partly, or wholly, filler.
CASES = {
    "sgd": (
        {"optim": "sgd", "learning_rate": 0.1, "max_grad_norm": 0.0},
        {"per_shape": 10},  # 72 rows of batches of 16: 8 are left, none of them rank 1's
        {},
    ),
    "muon-draws-in-sequence": (
        {
            "learning_rate": 1e-3, "train_sampling_strategy": "sequential",
            "gradient_accumulation_steps": 2, "adam_epsilon": 1e-4,
        },
        {"per_shape": 10, "draws": 3, "named_first": 5},  # 77: 13 left, 5 of them rank 1's
        {"muon_learning_rate": 1e-3},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Train each case with one process of batch 16, and with two of batch 8."""
    from .ranks import main

    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    for folder, batch in zip(folders, (16, 8), strict=True):
        for name, (training, data, more) in CASES.items():
            text = yaml.safe_dump(recipe(batch, training, data, **more))
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    model = folders[0] / "sgd"
    main(folders[0], model)
    script = str(Path(__file__).with_name("ranks.py"))
    done = subprocess.run(
        [*TORCHRUN, script, str(folders[1]), str(model)], env=ENVIRONMENT, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folders


@pytest.mark.parametrize("case", CASES)
def test_two_processes_take_the_steps_of_one(runs, case):
    one, two = (json.loads((f / case / "training.json").read_text("utf-8")) for f in runs)
    assert (one["world_size"], two["world_size"]) == (1, 2)
    assert one["steps"] == two["steps"] == {"sgd": 10, "muon-draws-in-sequence": 6}[case]
    losses = np.array(one["loss_curve"]), np.array(two["loss_curve"])
    np.testing.assert_allclose(*losses, rtol=2e-5)
    base = load_recipe(runs[0] / f"{case}.yaml")
    model, _ = load_base(base.base, base.data.style, base.seed, base.model)
    start = {name: value.numpy() for name, value in model.state_dict().items()}
    first, second = (load_file(folder / case / "model" / "model.safetensors") for folder in runs)
    assert first.keys() == second.keys()
    step = np.sqrt(sum(((first[k] - start[k]) ** 2).sum() for k in first))
    apart = np.sqrt(sum(((first[k] - second[k]) ** 2).sum() for k in first))
    assert step > 1e-2
    # Muon's orthogonal matrices are found in bfloat16, which makes more of the last bits.
    assert apart < (1e-2 if base.muon_learning_rate else 1e-5) * step


def test_two_processes_hear_what_one_hears(runs):
    """To the last bit: prompts are dealt by the batch, and a batch's draws have their own seed."""
    one, two = (json.loads((folder / "heard.json").read_bytes()) for folder in runs)
    assert len(one["said"]) == len(one["excess"]) == 144
    assert len(set(one["said"])) > 100
    assert one == two


@pytest.mark.slow
def test_the_command_writes_one_report_whatever_the_processes(runs, tmp_path):
    """The same bytes: of windows enough for several batches, so that each rank has some."""
    data = tmp_path / "windows.parquet"
    write_parquet(data, synthesize(dict.fromkeys(SHAPES, 16), window=4, seed=5))
    written = []
    for name, start in (("one", [sys.executable]), ("two", TORCHRUN)):
        out = tmp_path / name / "report.json"
        command = [*start, "-m", "eisv_lumen.cli", "teacher", "evaluate", runs[0] / "sgd"]
        done = subprocess.run(
            [*command, "--data", data, "--draws", "2", "--out", out, "--json"], env=ENVIRONMENT,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert [path.name for path in out.parent.iterdir()] == ["report.json"]
        assert json.loads(done.stdout)["name"] == "report"  # one process speaks, once
        written.append(out.read_bytes())
    assert json.loads(written[0])["results"][0]["n"] == 144
    assert written[0] == written[1]
