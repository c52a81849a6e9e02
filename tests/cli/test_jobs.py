"""The job's script: what `hf jobs uv run` would submit, and what it does where it runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from transformers import AutoModelForCausalLM

sys.path[:0] = [str(Path(__file__).parents[1])]

from hub_double import TOKEN, HubDouble, environment  # noqa: E402

from eisv_lumen.core.files import read_json  # noqa: E402
from eisv_lumen.teacher.models.load import load_teacher  # noqa: E402

SCRIPT = Path(__file__).parents[2] / "jobs" / "train_teacher.py"
WHEEL = "https://huggingface.co/spaces/ada/explorer/resolve/main/eisv_lumen-0.1.0-py3-none-any.whl"


def job(hub, home, *args):
    return subprocess.run(
        [sys.executable, SCRIPT, *args], env=environment(hub, home), capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def recipe_file(folder, per_shape):
    recipe = {
        "name": "job", "base": "tiny", "model": {"hidden_size": 16, "intermediate_size": 32},
        "data": {"source": "synthetic", "style": "compact", "window": 4, "per_shape": per_shape},
        "training": {
            "per_device_train_batch_size": 16, "num_train_epochs": 1,
        },
    }  # fmt: skip
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


def test_nothing_is_installed_by_a_name_that_is_not_ours(tmp_path):
    """With the token among its secrets, the job may not take `eisv-lumen` from whoever has it."""
    header = SCRIPT.read_text("utf-8").split("# ///")[1]
    named = yaml.safe_load(re.search(r"dependencies = (\[.*\])", header)[1])
    assert named == ["torch>=2.13"]
    bare = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-S", SCRIPT, "v4", "ada/v4"], env=bare, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "give the address of its wheel: --with https://" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("recipe", "repo", "said"),
    [
        ("nosuch", "ada/job", "nosuch: no such recipe; give a YAML file or one of"),
        ("v4", "a b/c", "repo: Repo id must use alphanumeric chars"),
        ("v4", "job", "repo 'job': give owner and name"),
        ("v4", "bob/job", "creating bob/job: the token may not write there"),
    ],
)
def test_what_is_mistyped_is_refused_before_anything_is_made(tmp_path, recipe, repo, said):
    with HubDouble() as hub:
        hub.user(TOKEN, "ada")
        done = job(hub, tmp_path / "home", recipe, repo)
        assert done.returncode == 2
        assert f"error: {said}" in done.stderr and "Traceback" not in done.stderr
        assert not hub.store.repos


def test_a_dry_run_shows_the_settings_of_the_header(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env |= {
        "HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }  # fmt: skip
    command = [Path(sys.executable).with_name("hf"), "jobs", "uv", "run", "--dry-run"]
    done = subprocess.run(
        [*command, "--namespace", "ada", "--format", "human", "--with", WHEEL, SCRIPT, "v4",
         "ada/v4"], env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    shown = dict(line.strip().split(None, 1) for line in done.stdout.splitlines()[1:-1])
    assert shown["args"] == "v4 ada/v4"
    assert shown["with"] == WHEEL
    assert shown["flavor"] == "h200 (from script)"
    assert shown["timeout"] == "6h (from script)"
    assert shown["env"] == "HF_HUB_DISABLE_TELEMETRY=1 (from script)"
    assert shown["secrets"] == "HF_TOKEN=*** (from script)"
    assert shown["labels"] == "name=eisv-lumen-teacher (from script)"
    assert TOKEN not in done.stdout + done.stderr
    assert "Job not submitted" in done.stdout


@pytest.mark.slow
def test_the_job_leaves_a_teacher_and_its_report_in_a_private_repo(tmp_path):
    path = recipe_file(tmp_path, per_shape=10)
    with HubDouble() as hub:
        hub.user(TOKEN, "ada")
        done = job(hub, tmp_path / "home", path, "ada/job")
        assert done.returncode == 0, done.stderr
        repo = hub.repo("model", "ada/job")
        assert repo.private
        files = repo.files()
    wanted = {"README.md", "model.safetensors", "config.json", "generation_config.json",
              "recipe.yaml", "training.json", "reports/report.json"}  # fmt: skip
    assert wanted <= files.keys() and not any(name.startswith("model/") for name in files)
    card = files["README.md"].decode("utf-8")
    assert "library_name: transformers" in card and "not evaluated yet" not in card
    copy = tmp_path / "copy"
    for name, data in files.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(data)
    assert read_json(copy / "training.json")["recipe"]["name"] == "job"
    assert read_json(copy / "generation_config.json")["top_k"] == 0
    assert AutoModelForCausalLM.from_pretrained(copy).num_parameters() > 0
    assert load_teacher(copy, "cpu").model.num_parameters() > 0


@pytest.mark.slow
def test_an_evaluation_that_fails_loses_no_model(tmp_path):
    """Two windows a shape are trained on, and none is left to be evaluated on."""
    with HubDouble() as hub:
        hub.user(TOKEN, "ada")
        done = job(hub, tmp_path / "home", recipe_file(tmp_path, per_shape=2), "ada/job")
        assert done.returncode == 1
        assert "evaluation ended with 1; the model is in ada/job" in done.stderr.splitlines()[-1]
        files = hub.repo("model", "ada/job").files()
    assert {"training.json", "model.safetensors", "config.json", "README.md"} <= files.keys()
    assert b"not evaluated yet" in files["README.md"]
    assert not any(name.startswith("reports/") for name in files)
