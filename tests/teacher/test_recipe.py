"""A recipe that cannot be used says so at once, and names what was meant."""

import json
import warnings

import numpy as np
import pytest
import yaml

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.teacher.data.windows import (
    PARTS,
    Corpus,
    recipe_corpora,
    recipe_examples,
    target_laws,
)
from eisv_lumen.teacher.recipe import DataRecipe, load_recipe, recipe_names, sft_config
from eisv_lumen.teacher.training.train import check_recipe

PLAIN = {
    "name": "mine",
    "base": "tiny",
    "data": {"source": "synthetic", "style": "compact", "per_shape": 10},
    "training": {"learning_rate": 0.001},
}


def written(tmp_path, changes, section=None):
    raw = (
        {**PLAIN, **changes}
        if section is None
        else {**PLAIN, section: {**PLAIN[section], **changes}}
    )
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", recipe_names())
def test_every_packaged_recipe_is_known_to_the_libraries(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    check_recipe(recipe)


STUDY = {  # reference/eisv.md §5: epochs, lr, dropout, warm-up, rank, alpha
    "v1": (3, 1e-4, 0.05, 50, 16, 32),
    "v2": (5, 5e-5, 0.1, 100, 32, 64),
    "v3": (5, 1e-4, 0.1, 100, 16, 32),
    "v4": (7, 8e-5, 0.1, 150, 16, 32),
    "v5": (7, 8e-5, 0.1, 150, 16, 32),
    "v6": (7, 8e-5, 0.1, 150, 16, 32),
    "v7": (7, 8e-5, 0.1, 150, 16, 32),
}


@pytest.mark.parametrize("name", STUDY)
def test_the_study_recipes_are_the_study_table(name):
    recipe = load_recipe(name)
    t, lora = recipe.training, recipe.lora
    found = (t["num_train_epochs"], t["learning_rate"], lora["lora_dropout"], t["warmup_steps"])
    assert (*found, lora["r"], lora["lora_alpha"]) == STUDY[name]
    assert recipe.base == "Qwen/Qwen3-4B"
    assert t["per_device_train_batch_size"] * t["gradient_accumulation_steps"] == 16
    assert (t["max_length"], t["weight_decay"], t["seed"]) == (512, 0.01, 42)
    assert len(lora["target_modules"]) == 7
    tiny = load_recipe(f"tiny-{name}")
    unlike = {"style"}
    assert tiny.data.model_dump(exclude=unlike) == recipe.data.model_dump(exclude=unlike)


@pytest.mark.parametrize(
    ("name", "rows"), [("tiny-v1", 360), ("tiny-v3", 1440), ("tiny-v5", 3840), ("tiny-v6", 2880)]
)
def test_a_recipe_makes_as_many_windows_as_the_study_had(name, rows):
    data = load_recipe(name).data
    corpora = recipe_corpora(data)
    assert list(corpora) == list(PARTS)
    assert len(corpora["train"]) == rows
    prompts = [set(corpus.prompts) for corpus in corpora.values()]
    assert not prompts[0] & prompts[1] and not prompts[0] & prompts[2]
    again = recipe_corpora(data)["train"]
    first, second = (recipe_examples(data, c).digest() for c in (corpora["train"], again))
    assert first == second


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        (
            None,
            {"bass": "tiny"},
            r"mine.yaml, bass: unknown field; the nearest known one is 'base'",
        ),
        ("data", {"windows": 4}, r"mine.yaml, data.windows: .* nearest known one is 'window'"),
        ("data", {"style": "loud"}, r"mine.yaml, data.style"),
        ("data", {"shape_overrides": {"happy": 3}}, r"mine.yaml, data.shape_overrides"),
        ("training", {"bf16": True}, r"training.bf16: not a recipe's to set"),
    ],
)
def test_a_bad_field_is_named_with_its_file(tmp_path, section, changes, message):
    with pytest.raises(InputError, match=message):
        load_recipe(written(tmp_path, changes, section))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"learning_rte": 1e-3}}, "training.learning_rte: .* 'learning_rate'"),
        ({"training": {"max_seq_length": 9}}, "training.max_seq_length: .* 'max_length'"),
        ({"training": {"lr_scheduler_type": "wavy"}}, "training: .*wavy"),
        ({"lora": {"rank": 16}}, "lora.rank: unknown field"),
        ({"model": {"hidden_sise": 64}}, "model.hidden_sise: .* 'hidden_size'"),
        ({"base": "x/y", "model": {"hidden_size": 64}}, "only base tiny"),
    ],
)
def test_a_field_that_a_library_does_not_know_is_refused_before_any_work(
    tmp_path, changes, message
):
    with pytest.raises(InputError, match=rf"mine\.yaml, .*{message}"):
        check_recipe(load_recipe(written(tmp_path, changes)))


def test_what_is_no_recipe_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such recipe; give a YAML file or one of"):
        load_recipe("v99")
    path = tmp_path / "broken.yaml"
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(InputError, match="not YAML"):
        load_recipe(path)
    path.write_text("- 1", encoding="utf-8")
    with pytest.raises(InputError, match="a recipe is a mapping"):
        load_recipe(path)


def test_the_learned_target_has_heard_its_own_coherence():
    initial, learned = target_laws("initial"), target_laws("learned")
    assert learned[8].coherence() > 0.9 > initial[8].coherence()


def test_a_blind_recipe_names_shapes_first_and_never_after():
    data = load_recipe("tiny-blind-summary").data.model_copy(
        update={"n": 50, "named_first": 20, "balanced_first": 0, "synthetic_among": 0}
    )
    corpus = recipe_corpora(data, ["train"])["train"]
    examples = recipe_examples(data, corpus)
    named = ["SHAPE" in prompt for prompt in examples.prompts]
    assert named == [True] * 20 + [False] * 50
    assert sorted(examples.prompts[20:]) == sorted(corpus.prompts)
    by_prompt = dict(zip(corpus.prompts, corpus.shape, strict=True))
    assert [by_prompt[p] for p in examples.prompts[20:]] == examples.shape[20:].tolist()
    assert examples.drawn.shape == (70, data.draws)
    sets = recipe_corpora(data)
    assert not set(sets["train"].prompts) & set(sets["test"].prompts)


def test_balanced_summaries_come_before_the_natural_mix_and_in_training_alone():
    data = load_recipe("tiny-blind-summary").data.model_copy(
        update={"n": 400, "named_first": 5, "balanced_first": 83, "synthetic_among": 0}
    )
    corpora = recipe_corpora(data)
    assert {name: len(corpus) for name, corpus in corpora.items()} == {
        "train": 483,
        "validation": 400,
        "test": 400,
    }
    examples = recipe_examples(data, corpora["train"])
    balanced = np.bincount(examples.shape[5:88], minlength=9)
    assert balanced.tolist() == [11, 11, 11, 10, 10, 10, 0, 10, 10]  # no drift in a summary
    natural = np.bincount(examples.shape[88:], minlength=9)
    assert natural[8] > 200  # convergence, as in the log
    assert (np.diff(examples.shape[5:88]) != 0).mean() > 0.5  # not in blocks
    assert sorted(examples.prompts[5:]) == sorted(corpora["train"].prompts)


def test_synthetic_summaries_stand_among_those_in_the_natural_mix_and_in_training_alone():
    data = load_recipe("tiny-blind-summary").data.model_copy(
        update={"n": 300, "named_first": 0, "balanced_first": 0, "synthetic_among": 95}
    )
    corpora = recipe_corpora(data)
    assert {name: len(corpus) for name, corpus in corpora.items()} == {
        "train": 395,
        "validation": 300,
        "test": 300,
    }
    drift = SHAPES.index("drift_dissonance")  # which only a synthetic window has
    assert (corpora["train"].shape == drift).sum() == 10
    examples = recipe_examples(data, corpora["train"])
    places = np.flatnonzero(examples.shape == drift)
    assert places.max() - places.min() > 200  # not in a block
    assert sorted(examples.prompts) == sorted(corpora["train"].prompts)


def test_shorter_windows_come_first_shortest_before_all_and_in_training_alone():
    data = load_recipe("tiny-blind-series").data.model_copy(
        update={"per_shape": 4, "named_first": 3, "shorter_first": {6: 2, 4: 3}}
    )
    corpora = recipe_corpora(data)
    examples = recipe_examples(data, corpora["train"])
    states = [prompt.count("\ndt=") + 1 for prompt in examples.prompts[3:]]
    assert states == [4] * 27 + [6] * 18 + [20] * 36
    for stage in (examples.shape[3:30], examples.shape[30:48], examples.shape[48:]):
        assert len(set(np.bincount(stage, minlength=9))) == 1
    assert (np.diff(examples.shape[48:]) != 0).mean() > 0.5  # not in blocks
    for name in ("validation", "test"):
        assert {p.count("\ndt=") + 1 for p in corpora[name].prompts} == {20}
    assert DataRecipe.model_validate(json.loads(data.model_dump_json())) == data


def test_ones_own_windows_have_no_balanced_part_to_come_first():
    data = load_recipe("tiny-blind-summary").data
    own = Corpus([f"W{i}" for i in range(12)], np.full(12, 8, np.int8))
    examples = recipe_examples(data, own)  # as `teacher train --data` does
    assert sorted(examples.prompts[data.named_first :]) == sorted(own.prompts)


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ("whole: 3\n  draws: 2", "whole=3 of draws=2 answers: give at most all"),
        ("balanced_first: 5", "balanced_first is for source summaries"),
        ("synthetic_among: 5", "synthetic_among is for source summaries"),
        ("shorter_first: {20: 5}", "give fewer states than window=20"),
        ("shorter_first: {1: 5}", "greater than or equal to 2"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, update, message):
    path = tmp_path / "r.yaml"
    path.write_text(
        f"name: r\nbase: tiny\ndata:\n  source: lumen_like\n  style: series\n  {update}\n"
    )
    with pytest.raises(InputError, match=message):
        load_recipe(path)


@pytest.mark.parametrize("name", [n for n in recipe_names() if "blind" in n])
def test_what_is_named_first_stays_first(name):
    assert load_recipe(name).training["train_sampling_strategy"] == "sequential"


def test_a_deprecation_that_no_recipe_caused_is_not_told(tmp_path):
    """TRL's own default sets it off, whatever the recipe; a recipe that sets it still hears it."""
    plain = load_recipe("tiny-v4")
    asks = plain.model_copy(update={"training": {**plain.training, "gradient_checkpointing": True}})
    for recipe, said in ((plain, 0), (asks, 1)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sft_config(recipe, output_dir=str(tmp_path), bf16=False, use_cpu=True)
        told = [str(w.message) for w in caught if "gradient_checkpointing" in str(w.message)]
        assert len(told) == said
