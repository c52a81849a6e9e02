"""The job's script: what `hf jobs uv run` would submit, and what it does where it runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path[:0] = [str(Path(__file__).parents[1])]

from hub_double import TOKEN, HubDouble, environment  # noqa: E402

from eisv_lumen.files import read_json  # noqa: E402
from eisv_lumen.teacher.base_models import load_teacher  # noqa: E402

SCRIPT = Path(__file__).parents[2] / "jobs" / "train_teacher.py"


def test_a_dry_run_shows_the_settings_of_the_header(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env |= {
        "HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }  # fmt: skip
    command = [Path(sys.executable).with_name("hf"), "jobs", "uv", "run", "--dry-run"]
    done = subprocess.run(
        [*command, "--namespace", "ada", "--format", "human", SCRIPT, "v4", "ada/v4"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    shown = dict(line.strip().split(None, 1) for line in done.stdout.splitlines()[1:-1])
    assert shown["args"] == "v4 ada/v4"
    assert shown["flavor"] == "h200 (from script)"
    assert shown["timeout"] == "6h (from script)"
    assert shown["env"] == "HF_HUB_DISABLE_TELEMETRY=1 (from script)"
    assert shown["secrets"] == "HF_TOKEN=*** (from script)"
    assert shown["labels"] == "name=eisv-lumen-teacher (from script)"
    assert TOKEN not in done.stdout + done.stderr
    assert "Job not submitted" in done.stdout


@pytest.mark.slow
def test_the_job_leaves_a_teacher_and_its_report_in_a_private_repo(tmp_path):
    recipe = {
        "name": "job", "base": "tiny", "model": {"hidden_size": 16, "intermediate_size": 32},
        "data": {"source": "synthetic", "style": "compact", "window": 4, "per_shape": 10},
        "training": {
            "per_device_train_batch_size": 16, "num_train_epochs": 1, "logging_steps": 1,
        },
    }  # fmt: skip
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    with HubDouble() as hub:
        hub.user(TOKEN, "ada")
        done = subprocess.run(
            [sys.executable, SCRIPT, path, "ada/job"], env=environment(hub, tmp_path / "home"),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        repo = hub.repo("model", "ada/job")
        assert repo.private
        files = repo.files()
    assert {"training.json", "report.json", "model/model.safetensors"} <= files.keys()
    for name, data in files.items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(data)
    assert read_json(tmp_path / "copy" / "training.json")["recipe"]["name"] == "job"
    assert load_teacher(tmp_path / "copy", "cpu").model.num_parameters() > 0
