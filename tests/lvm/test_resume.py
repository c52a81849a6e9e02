"""A run that was killed after any of its checkpoints ends as one that was not."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.data.known_processes import Process
from eisv_lumen.lvm.data.splits import take_articles
from eisv_lumen.lvm.training.early_stopping import lost_patience, verdict
from eisv_lumen.lvm.training.recipe import Recipe, load_recipe
from eisv_lumen.lvm.training.recipe_schema import EarlyStopping, Kill
from eisv_lumen.lvm.training.train import train
from eisv_lumen.lvm.training.trainer import LvmTrainer

TINY = {"width": 16, "layers": 1, "heads": 2, "dropout": 0.1}
LEARNING = {"learning_rate": 3e-3, "logging_steps": 7, "per_device_train_batch_size": 32}
HOPELESS = {"after_epoch": 2, "least": {"margin": 0.9}}
GROWS = {"position_scale": {"linear": {0: 0.0, 4: 0.1}}}


class Killed(BaseException):
    """Strikes where a signal would: nothing of ours catches it."""


@pytest.fixture(scope="module")
def sets():
    whole = Process(0.7, angle=60.0, dim=16).sample(24, 20, seed=0)
    return take_articles(whole, whole.article_ids[:16]), take_articles(
        whole, whole.article_ids[16:]
    )


def recipe(name, epochs, model, **changes):
    found = load_recipe(name)
    update = {
        "model": {**found.model, **model},
        "training": {**found.training, **LEARNING, "num_train_epochs": epochs},
        **changes,
    }
    return Recipe.model_validate(found.model_dump() | update)


SPECS = {
    "loses patience": recipe(
        "ranker", 12, {}, early_stopping={"reading": "bits", "patience": 2}
    ),
    "is killed": recipe("p8", 4, TINY, kill=HOPELESS, inputs=GROWS),
    "reaches its end": recipe("p8", 3, TINY, kill={**HOPELESS, "after_epoch": 9}, inputs=GROWS),
}  # fmt: skip


def left(folder):
    return {path.name: path.read_bytes() for path in (folder / "model").iterdir()}


def said(record):
    """What does not depend on the clock, or on where a run was taken up."""
    apart = ("wall_s", "cpu_s", "resumed_from")
    stages = [{k: v for k, v in s.items() if k not in apart} for s in record["stages"]]
    return {k: v for k, v in record.items() if k not in apart} | {"stages": stages}


@pytest.mark.slow
@pytest.mark.parametrize("how", SPECS)
def test_killed_after_any_epoch_it_ends_with_the_same_bytes_and_record(
    how, sets, tmp_path, monkeypatch
):
    spec = SPECS[how]
    whole = train(spec, *sets, tmp_path / "whole", device="cpu")
    [stage] = whole["stages"]
    epochs = round(stage["epochs"])
    save = LvmTrainer._save_checkpoint
    for epoch in range(1, epochs + 1):
        out = tmp_path / str(epoch)

        def struck(trainer, *args, epoch=epoch):
            save(trainer, *args)
            if round(trainer.state.epoch) == epoch:
                raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(LvmTrainer, "_save_checkpoint", struck)
            train(spec, *sets, out, device="cpu")
        record = train(spec, *sets, out, device="cpu")
        assert record["resumed_from"] == f"checkpoint-{epoch * stage['steps'] // epochs}"
        assert said(record) == said(whole)
        assert left(out) == left(tmp_path / "whole")
    if how == "loses patience":
        bits = [e["eval_bits"] for e in stage["log"] if "eval_bits" in e]
        assert bits.index(max(bits)) == epochs - 3 < 9  # two epochs of patience, and not the last
        assert whole["readings"]["bits"] == pytest.approx(max(bits), abs=1e-9)
    if how == "is killed":
        assert whole["outcome"].startswith("killed after epoch 2: margin")


def test_killed_before_its_record_a_run_keeps_the_schedules_of_its_last_step(
    sets, tmp_path, monkeypatch
):
    spec = SPECS["reaches its end"]
    train(spec, *sets, tmp_path / "whole", device="cpu")
    with monkeypatch.context() as patch, pytest.raises(Killed):

        def struck(*_):
            raise Killed

        patch.setattr("eisv_lumen.lvm.training.train.save_model", struck)
        train(spec, *sets, tmp_path / "out", device="cpu")
    train(spec, *sets, tmp_path / "out", device="cpu")
    assert left(tmp_path / "out") == left(tmp_path / "whole")


@pytest.mark.parametrize("removals", [1, 2, 3, 4])
def test_killed_while_it_clears_the_folder_a_run_is_not_taken_for_done(
    removals, sets, tmp_path, monkeypatch
):
    spec = recipe("p1", 1, TINY)
    train(spec, *sets, tmp_path, device="cpu")
    before = left(tmp_path)
    remove, done = shutil.rmtree, []

    def struck(path, *args, **options):
        remove(path, *args, **options)
        done.append(path)
        if len(done) == removals:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(shutil, "rmtree", struck)
        train(spec, *sets, tmp_path, device="cpu", resume=False)
    train(spec, *sets, tmp_path, device="cpu")
    assert left(tmp_path) == before


def test_a_record_without_its_model_is_no_finished_run(sets, tmp_path):
    spec = recipe("p1", 1, TINY)
    train(spec, *sets, tmp_path, device="cpu")
    before = left(tmp_path)
    shutil.rmtree(tmp_path / "model")
    train(spec, *sets, tmp_path, device="cpu")
    assert left(tmp_path) == before


def test_a_run_without_an_epoch_is_refused(sets, tmp_path):
    with pytest.raises(InputError, match="not one epoch"):
        train(recipe("p1", 0, TINY), *sets, tmp_path, device="cpu")


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 4))
def test_patience_counts_the_readings_since_the_best(values, patience):
    log = [e for v in values for e in ({"loss": 1.0}, {"eval_bits": float(v), "epoch": 1.0})]
    best = values.index(max(values)) if values else -1
    waited = len(values) - 1 - best if values else 0
    lost = lost_patience(EarlyStopping(reading="bits", patience=patience), log)
    assert lost == (waited >= patience)
    assert not lost_patience(None, log)


def test_a_verdict_reads_the_named_epoch_alone():
    kill = Kill(after_epoch=2, least={"margin": 0.5})
    log = [{"eval_margin": 0.1, "epoch": 1.0}, {"loss": 0.2, "epoch": 2.0}]
    assert verdict(kill, log) == verdict(None, log) == ""
    log.append({"eval_margin": 0.4, "epoch": 2.0})
    assert verdict(kill, log) == "killed after epoch 2: margin 0.400 < 0.5"
    assert verdict(kill, [{"eval_margin": 0.6, "epoch": 2.0}]) == ""
