"""Recipes are the study's table, and one that cannot be used names what was meant."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.training.recipe import check_recipe, load_recipe, recipe_names
from eisv_lumen.lvm.training.schedule import Scheduled
from eisv_lumen.lvm.training.train import build_model

LINE = (
    "p1 v3 p2 p3 p4 p5 p5-pos20 p5.1 p6 p6b-v1 p6b-v2.1 p6b-v2.2 p6b-v2.3 p7 p7-lstm p8 ranker"
).split()  # issue 4


def test_every_experiment_of_the_line_has_a_recipe():
    assert set(LINE) <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_every_packaged_recipe_builds_at_both_sizes(name):
    for size, width in (("study", 512), ("small", 128)):
        recipe = load_recipe(name, size)
        assert recipe.name == name and recipe.note
        check_recipe(recipe)
        model = build_model(recipe, 32, 5)
        if name != "ranker":
            assert model.config.width == width
            assert model.config.layers == (model.config.layers if size == "study" else 2)
    notes = [load_recipe(other).note for other in recipe_names()]
    assert notes.count(recipe.note) == 1


def at(schedule, epochs):
    return [schedule.at(epoch - 1) for epoch in epochs]


def test_the_controllers_are_the_study_table():
    """lvm.md §1: ρ targets, caps, margins and bounds by epoch."""
    v1, v21, v22, v23 = (load_recipe(f"p6b-{v}").objective for v in ("v1", "v2.1", "v2.2", "v2.3"))
    every_third = (1, 3, 4, 6, 7, 9, 10, 12)
    for spec in (v1, v21):
        margin, control = spec.directional.margin, spec.directional.control
        assert at(margin, every_third) == [0.02, 0.02, 0.03, 0.03, 0.04, 0.04, 0.05, 0.05]
        assert at(control.target, every_third) == [0.1, 0.1, 0.15, 0.15, 0.2, 0.2, 0.25, 0.25]
        assert (control.low, control.high) == (1e-4, 0.02)
    assert v21.directional.control.cap.at(5) == 0.25
    assert (v21.positive_floor.tau, v21.positive_floor.weight.at(0), v21.norm) == (0.1, 1e-3, 1e-3)
    assert (v21.directional.gate, v21.directional.min_signal) == ("batch", 0.08)
    by_two = (1, 2, 3, 4, 5, 8, 9, 12)
    d = v22.directional
    assert at(d.control.target, by_two) == [0.15, 0.15, 0.25, 0.25, 0.35, 0.35, 0.35, 0.35]
    assert at(d.control.cap, by_two) == [0.35, 0.35, 0.45, 0.45, 0.5, 0.5, 0.5, 0.5]
    assert at(d.margin, by_two) == [0.02, 0.02, 0.04, 0.04, 0.06, 0.06, 0.07, 0.07]
    assert (d.margin_ratio, d.gamma, d.control.high) == (0.05, 4.0, 0.03)
    assert (v22.positive_floor.tau, v22.positive_floor.weight.at(0)) == (0.12, 2e-3)
    assert v22.orthogonality == 5e-4 and v22.prev == 3
    d = v23.directional
    assert at(d.control.target, (1, 2, 3, 6, 7, 12)) == [0.15, 0.15, 0.2, 0.2, 0.25, 0.25]
    assert at(d.control.cap, (1, 2, 3, 6, 7, 12)) == [0.3, 0.3, 0.35, 0.35, 0.4, 0.4]
    assert at(d.margin, (1, 2, 3, 6, 7, 12)) == [0.02, 0.02, 0.03, 0.03, 0.04, 0.04]
    assert (d.control.high, d.gate, v23.orthogonality) == (0.018, "confident", 1e-4)
    assert (v23.positive_floor.tau, v23.positive_floor.weight.at(0)) == (0.1, 1e-3)
    for name in ("p6b-v2.2", "p6b-v2.3"):
        training = load_recipe(name).training
        assert training["num_train_epochs"] == 12
        assert training["per_device_train_batch_size"] == 32
        assert training["learning_rate"] == 5e-4


def test_ramps_and_guards_are_the_study_table():
    v3 = load_recipe("v3")
    guard = v3.objective.directional
    assert (guard.margin.at(0), v3.objective.anti_copy.margin, v3.inputs.drop) == (0.03, 0.01, 0.1)
    assert [guard.weight.at(e) for e in (0, 3, 10, 19)] == [0.0, 0.0, 0.01, 0.01]
    assert guard.weight.at(6.5) == pytest.approx(0.005)
    p4 = load_recipe("p4").objective
    assert at(p4.rollout.weight, (1, 3, 4, 20)) == [0, 0, 0.05, 0.05] and p4.rollout.steps == 3
    assert at(p4.directional.weight, (5, 6)) == [0, 0.002] and p4.directional.adaptive
    p51 = load_recipe("p5.1")
    assert [p51.inputs.position_scale.at(e) for e in (0, 3, 9)] == [0, 0.1, 0.1]
    assert p51.inputs.last_slot_bias.at(9) == 0.6
    assert (p51.inputs.noise, p51.inputs.noise_sigma, p51.inputs.swap) == (0.15, 0.03, 0.05)
    micro = p51.objective.micro_ranking
    assert (micro.gamma, micro.margin, micro.weight.at(0), micro.weight.at(6)) == (5, 0.02, 0, 1e-3)
    stages = [(s.share, s.epochs) for s in p51.curriculum.stages]
    assert stages == [(0.3, 4), (0.7, 6), (1.0, 10)]
    p7 = load_recipe("p7").objective
    assert [p7.teacher_pull.weight.at(e) for e in (0, 2.9, 3)] == [0.2, 0.2, 0.0]
    p8 = load_recipe("p8")
    assert p8.kill.model_dump() == {"after_epoch": 2, "least": {"margin": 0.0, "r5_six": 0.75}}


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(st.integers(1, 20), st.floats(-1, 1), min_size=1, max_size=5),
    st.floats(0, 25),
)
def test_schedules_are_steps_or_lines(points, epoch):
    number = int(epoch) + 1
    passed = [first for first in points if first <= number]
    assert Scheduled(step=points).at(epoch) == (points[max(passed)] if passed else 0.0)
    line = Scheduled(linear=points)
    for x, y in points.items():
        assert line.at(x) == pytest.approx(y)
    assert min(points.values()) - 1e-9 <= line.at(epoch) <= max(points.values()) + 1e-9


def written(tmp_path, raw):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


PLAIN = {"name": "mine", "model": {"type": "predictor", "encoder": "lstm"}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modle": {}}, r"mine.yaml, modle: unknown field; the nearest known one is 'model'"),
        ({"objective": {"mes": 1}}, r"objective.mes: .* nearest known one is 'mse'"),
        (
            {"objective": {"directional": {"margin": 0.1, "gama": 4}}},
            r"objective.directional.gama: .* 'gamma'",
        ),
        (
            {"curriculum": {"stages": [{"share": 0.5, "epoch": 1}], "gate": {}}},
            r"curriculum.stages.0.epoch: .* 'epochs'|curriculum.stages.0.epochs: Field required",
        ),
        ({"inputs": {"drop": 2}}, r"inputs.drop: .*less than or equal to 1"),
        ({"inputs": {"position_scale": {}}}, r"position_scale: a schedule is a number, or has"),
        ({"training": {"bf16": True}}, r"training.bf16: not a recipe's to set"),
        ({"objective": {"over_article": {}, "norm": 0.1}}, r"over_article: goes with no other"),
        ({"extends": "p99"}, r"extends: 'p99' is not another packaged recipe"),
    ],
)
def test_a_bad_field_is_named_with_its_file(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load_recipe(written(tmp_path, {**PLAIN, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"type": "oracle"}}, r"model.type: one of predictor, residual"),
        ({"model": {"type": "predictor", "widht": 8}}, r"model.widht: .* 'width'"),
        ({"model": {"type": "ranker", "width": 8}}, r"model.width: unknown field"),
        ({"training": {"learning_rte": 1e-3}}, r"training.learning_rte: .* 'learning_rate'"),
        ({"training": {"warmup_ratio": 0.1}}, r"training.warmup_ratio: unknown field"),
    ],
)
def test_a_field_that_a_model_or_library_does_not_know_is_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=rf"mine\.yaml, {message}"):
        check_recipe(load_recipe(written(tmp_path, {**PLAIN, **changes})))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"type": "predictor", "encoder": "rnn"}, r"mine\.yaml, model: .*encoder"),
        ({"type": "ranker", "rank": -1}, r"mine\.yaml, model: .*rank -1: give 0 or more"),
        ({"type": "ranker", "crowding": 2}, r"mine\.yaml, model: .*crowding"),
    ],
)
def test_a_value_that_a_model_cannot_use_is_refused(tmp_path, model, message):
    raw = {**PLAIN, "model": model}
    with pytest.raises(InputError, match=message):
        build_model(load_recipe(written(tmp_path, raw)), 16, 5)


def test_a_recipe_lays_itself_over_what_it_extends(tmp_path):
    raw = {
        "name": "mine",
        "extends": "p4",
        "inputs": None,
        "objective": {"directional": {"weight": 0.5}, "future": None},
    }
    raw.pop("inputs")
    mine, base = load_recipe(written(tmp_path, raw)), load_recipe("p4")
    assert mine.objective.future is None and base.objective.future is not None
    assert mine.objective.directional.weight.at(0) == 0.5
    assert mine.objective.directional.adaptive
    assert (mine.inputs, mine.training) == (base.inputs, base.training)


def test_what_is_no_recipe_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such recipe; give a YAML file or one of"):
        load_recipe("p99")
    path = tmp_path / "broken.yaml"
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(InputError, match="not YAML"):
        load_recipe(path)
    path.write_text("- 1", encoding="utf-8")
    with pytest.raises(InputError, match="a recipe is a mapping"):
        load_recipe(path)
    with pytest.raises(InputError, match="size 'huge': one of study, small"):
        load_recipe("p1", "huge")
