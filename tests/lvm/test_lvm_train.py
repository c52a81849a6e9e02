"""Training learns what can be learned, is reproducible, and survives being killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.data.known_processes import Process
from eisv_lumen.lvm.data.storage import write_sequences
from eisv_lumen.lvm.data.window_tensors import WindowTable
from eisv_lumen.lvm.models import load_predictor
from eisv_lumen.lvm.predictors.learned import digest
from eisv_lumen.lvm.predictors.predict import predict
from eisv_lumen.lvm.training.recipe import Recipe, check_recipe, load_recipe
from eisv_lumen.lvm.training.train import build_model, train
from eisv_lumen.lvm.training.validation import mini_test

TURN = Process(0.7, angle=60.0, dim=16)
TINY = {"width": 32, "layers": 1, "heads": 2, "dropout": 0.0}
FAST = {"learning_rate": 3e-3, "logging_steps": 25}


def named(sequences, prefix):
    return replace(sequences, article_ids=tuple(f"{prefix}/{a}" for a in sequences.article_ids))


@pytest.fixture(scope="module")
def sets():
    """Turning chains: 40 articles to train on, 12 others to test on."""
    return named(TURN.sample(40, 30, seed=0), "train"), named(TURN.sample(12, 30, seed=1), "held")


def recipe(name="p1", *, epochs=3, model=TINY, **changes):
    found = load_recipe(name)
    update = {
        "model": {**found.model, **model},
        "training": {**found.training, **FAST, "num_train_epochs": epochs},
        **changes,
    }
    return Recipe.model_validate(found.model_dump() | update)


def run(spec, sets, out, **options):
    return train(spec, *sets, out, device="cpu", **options)


@pytest.fixture(scope="module")
def trained(sets, tmp_path_factory):
    out = tmp_path_factory.mktemp("lvm") / "p1"
    return out, run(recipe(epochs=12), sets, out)


def test_p1_comes_near_the_optimum_where_it_is_known(trained, sets):
    """Least squares on the turning process: the best cosine is .7, the best margin +.20."""
    out, record = trained
    exact = TURN.predict(sets[1].contexts())
    best = np.mean(np.sum(exact / np.linalg.norm(exact, axis=1)[:, None] * sets[1].targets(), 1))
    assert 0.9 * best < record["readings"]["cosine"] < best + 0.01
    assert record["readings"]["margin"] > 0.1
    said = predict(load_predictor(out), sets[1].contexts())
    found = np.sum(said * sets[1].targets(), 1) / np.linalg.norm(said, axis=1)
    assert np.mean(found) == pytest.approx(record["readings"]["cosine"], abs=1e-5)


_IDENTITY = ("cuts", "fingerprint")


def test_the_record_says_what_was_done(trained, sets):
    out, record = trained
    assert json.loads((out / "training.json").read_text()) == record
    assert record["data"]["train"]["sha256"] == digest(sets[0]) != digest(sets[1])
    assert {k: v for k, v in record["data"]["validation"].items() if k not in _IDENTITY} == {
        "sha256": digest(sets[1]), "articles": 12, "windows": len(sets[1]),
        "encoder": sets[1].encoder,
    }  # fmt: skip
    assert record["recipe"] == recipe(epochs=12).model_dump(mode="json")
    assert (record["outcome"], record["seed"], record["resumed_from"]) == ("finished", 0, None)
    assert {"torch", "transformers", "numpy"} <= set(record["versions"])
    log = record["stages"][0]["log"]
    losses = [entry for entry in log if "loss" in entry]
    assert all({"pos", "neg", "gap", "ratio", "mse"} <= set(entry) for entry in losses)
    assert losses[-1]["loss"] < losses[0]["loss"] / 1.3
    assert len([entry for entry in log if "eval_margin" in entry]) == 12
    made = {"model", "run.json", "training.json", "learned-vectors.safetensors"}
    assert {path.name for path in out.iterdir()} == made
    assert {path.name for path in (out / "model").iterdir()} == {"config.json", "model.safetensors"}


def test_a_recipe_may_count_steps_and_its_last_epoch_may_be_cut_short(sets, tmp_path, capsys):
    spec = recipe("ranker", model={"hidden": 4})  # 40 articles are 5 batches of 8
    spec = spec.model_copy(update={"training": spec.training | {"max_steps": 12}})
    record = run(spec, sets, tmp_path / "ranker")
    assert (record["steps"], record["outcome"]) == (12, "finished")
    lines = re.findall(r"epoch (\d+)/(\d+)", capsys.readouterr().err)
    assert lines == [("1", "3"), ("2", "3"), ("2", "3")]  # after steps 5, 10 and 12


def test_a_finished_run_is_not_repeated_and_no_other_run_takes_its_folder(trained, sets):
    out, record = trained
    before = (out / "model" / "model.safetensors").stat().st_mtime_ns
    assert run(recipe(epochs=12), sets, out) == record
    assert (out / "model" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="another recipe, seed or other data"):
        run(recipe(epochs=12), sets, out, seed=1)
    with pytest.raises(InputError, match="another recipe, seed or other data"):
        run(recipe(epochs=12), (sets[0], named(TURN.sample(12, 30, seed=5), "held")), out)


def weights(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


def test_the_seed_decides_the_weights(sets, tmp_path):
    spec = recipe("p8", epochs=1, kill=None)  # draws distractors and pairs
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run(spec, sets, tmp_path / name, seed=seed)
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_weights_of_one_that_was_not(sets, tmp_path):
    raw = recipe("p8", epochs=4, kill=None).model_dump(exclude_unset=True)
    raw["model"] |= {"dropout": 0.1}
    raw["inputs"] = {"drop": 0.1, "position_scale": {"linear": {0: 0.0, 3: 0.1}}}
    path = tmp_path / "killed.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    parts = [tmp_path / "train", tmp_path / "validation"]
    for part, folder in zip(sets, parts, strict=True):
        write_sequences(part, folder)
    whole = run(load_recipe(path), sets, tmp_path / "whole")
    assert whole["resumed_from"] is None

    out = tmp_path / "killed"
    command = [
        sys.executable, "-m", "eisv_lumen.cli", "lvm", "train", str(path), "--train",
        str(parts[0]), "--validation", str(parts[1]), "--out", str(out), "--force",
        "--device", "cpu",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    attempt = out / "checkpoints" / "stage-0-0"
    deadline = time.monotonic() + 120
    while not list(attempt.glob("checkpoint-*/trainer_state.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "training.json").exists()
    torn = attempt / "checkpoint-9990"  # what a kill in the midst of writing leaves
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"torn")

    resumed = run(load_recipe(path), sets, out)
    assert resumed["resumed_from"] is not None
    assert resumed["steps"] == whole["steps"]
    assert weights(out) == weights(tmp_path / "whole")
    assert load_predictor(out).config.position_scale == pytest.approx(0.1)


@pytest.mark.slow
def test_the_ranker_gains_on_its_start_and_keeps_its_best_epoch(sets, tmp_path):
    spec = load_recipe("ranker")
    spec = spec.model_copy(update={"training": {**spec.training, "learning_rate": 3e-4}})
    record = run(spec, sets, tmp_path)
    bits = [e["eval_bits"] for e in record["stages"][0]["log"] if "eval_bits" in e]
    assert record["readings"]["bits"] == pytest.approx(max(bits), abs=1e-4)
    start = mini_test(build_model(spec, 16, 5), WindowTable.of(sets[1]))
    assert max(bits) > start["bits"] + 0.3


def test_a_run_that_falls_short_is_killed_and_says_why(sets, tmp_path):
    kill = {"after_epoch": 2, "least": {"margin": 0.9, "r5_six": 0.0}}
    record = run(recipe(epochs=5, kill=kill), sets, tmp_path)
    assert record["outcome"].startswith("killed after epoch 2: margin ")
    assert record["outcome"].endswith("< 0.9")
    assert record["stages"][0]["epochs"] == 2
    assert load_predictor(tmp_path)
    kill = {"after_epoch": 2, "least": {"margin": -1.0}}
    record = run(recipe(epochs=3, kill=kill), sets, tmp_path / "kept")
    assert (record["outcome"], record["stages"][0]["epochs"]) == ("finished", 3)


def curriculum(gate):
    return {
        "score": "corrected",
        "stages": [{"share": 0.3, "epochs": 1}, {"share": 1.0, "epochs": 1}],
        "gate": gate,
        "retries": 2,
    }


def test_a_curriculum_goes_on_only_through_its_gates(sets, tmp_path):
    inputs = {"position_scale": 0.03, "last_slot_bias": 0.1}
    open_ = recipe(curriculum=curriculum({"margin": -1.0, "gates_5cat": 0}), inputs=inputs)
    record = run(open_, sets, tmp_path / "open")
    assert record["outcome"] == "finished"
    share = round(0.3 * len(sets[0]))
    assert [stage["windows"] for stage in record["stages"]] == [share, len(sets[0])]
    assert [stage["retry"] for stage in record["stages"]] == [0, 0]

    shut = recipe(curriculum=curriculum({"margin": 2.0}), inputs=inputs)
    record = run(shut, sets, tmp_path / "shut")
    assert [(s["stage"], s["retry"]) for s in record["stages"]] == [(0, 0), (0, 1), (0, 2)]
    assert record["outcome"].startswith("ended: stage 1 of the curriculum fell short: margin")
    config = load_predictor(tmp_path / "shut").config
    assert config.position_scale == pytest.approx(0.03 + 2 * 0.05)
    assert config.last_slot_bias == pytest.approx(0.1 + 2 * 0.2)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a, b: (a, a), "split by whole articles"),
        (lambda a, b: (a, replace(b, encoder="other", fingerprint="f2")), "encoder"),
        (lambda a, b: (a, replace(b, starts=b.starts[:0])), "validation: no windows"),
    ],
)
def test_sets_that_do_not_fit_are_refused_before_any_work(sets, tmp_path, spoil, message):
    with pytest.raises(InputError, match=message):
        run(recipe(), spoil(*sets), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_refuses_data_without_signal_unless_told(sets, tmp_path):
    from eisv_lumen.cli.lvm import app

    noise = Process(0.0, dim=16)
    parts = named(noise.sample(8, 20, seed=0), "a"), named(noise.sample(6, 20, seed=1), "b")
    for part, name in zip(parts, ("train", "validation"), strict=True):
        write_sequences(part, tmp_path / name)
    spec = tmp_path / "short.yaml"
    spec.write_text(yaml.safe_dump(recipe(epochs=1).model_dump(mode="json")), encoding="utf-8")
    command = [
        "train", str(spec), "--train", str(tmp_path / "train"), "--validation",
        str(tmp_path / "validation"), "--out", str(tmp_path / "out"), "--device", "cpu", "--json",
    ]  # fmt: skip
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, InputError)
    assert not (tmp_path / "out").exists()
    went = CliRunner().invoke(app, [*command, "--force"])
    assert went.exit_code == 0
    assert json.loads(went.stdout) == json.loads((tmp_path / "out" / "training.json").read_text())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"widht": 8}}, "model.widht: unknown field; the nearest known one is 'width'"),
        ({"model": {"encoder": "rnn"}}, "model: .*encoder"),
        ({"model": {"width": 9}}, "model.width=9: not a multiple of heads=2"),
        ({"training": {"learning_rte": 1}}, "training.learning_rte: unknown field"),
        ({"training": {"lr_scheduler_type": "flat"}}, "training: .*flat.* is not a valid"),
        ({"training": {"num_train_epochs": 0}}, "training: not one epoch; ask for more"),
    ],
)
def test_the_command_names_the_file_of_a_recipe_that_cannot_be_used(
    sets, tmp_path, changes, message
):
    from eisv_lumen.cli.lvm import app

    for part, name in zip(sets, ("train", "validation"), strict=True):
        write_sequences(part, tmp_path / name)
    raw = recipe().model_dump(mode="json", exclude_unset=True)
    for section, fields in changes.items():
        raw[section] |= fields
    spec = tmp_path / "my.yaml"
    spec.write_text(yaml.safe_dump(raw), encoding="utf-8")
    command = [
        "train", str(spec), "--train", str(tmp_path / "train"), "--validation",
        str(tmp_path / "validation"), "--out", str(tmp_path / "out"), "--device", "cpu", "--force",
    ]  # fmt: skip
    refused = CliRunner().invoke(app, command).exception
    assert isinstance(refused, InputError)
    assert re.match(f"{re.escape(str(spec))}, {message}", str(refused))
    if "epoch" not in message:
        assert not (tmp_path / "out").exists()


def test_a_packaged_recipe_is_named_as_one():
    changed = load_recipe("p1", "small").model_copy(update={"model": {"type": "oracle"}})
    with pytest.raises(InputError, match=r"^recipe p1, model\.type: one of"):
        check_recipe(changed)


def test_the_recipes_are_listed():
    from eisv_lumen.cli.lvm import app

    listed = CliRunner().invoke(app, ["recipes"]).stdout
    assert "p6b-v2.3" in listed and "ranker" in listed


def test_a_run_whose_loss_is_no_number_ends_with_the_mend(sets, tmp_path):
    wild = recipe()
    wild = wild.model_copy(update={"training": wild.training | {"learning_rate": 1e30}})
    with pytest.raises(InputError, match=r"the loss is nan; give a smaller learning_rate"):
        run(wild, sets, tmp_path)
    assert not (tmp_path / "model").exists()


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(sets, tmp_path):
    with pytest.raises(InputError, match=r"device 'tpu' is not there; found: .*cpu"):
        train(recipe(), *sets, tmp_path / "p1", device="tpu")
    assert not (tmp_path / "p1").exists()
