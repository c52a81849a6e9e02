"""Answers in a tree compute what rows of their own compute, node by node and label by label."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from eisv_lumen.expression.law import EXPRESSIONS
from eisv_lumen.teacher.data.examples import Examples, answer_ids, prompt_ids
from eisv_lumen.teacher.data.shared_prefix import (
    IGNORED,
    TreeCollator,
    answer_states,
    answer_tree,
    label_nodes,
    model_inputs,
)
from eisv_lumen.teacher.models.tiny import build_model, build_tokenizer
from eisv_lumen.teacher.recipe import Recipe, sft_config
from eisv_lumen.teacher.training.train import train
from eisv_lumen.teacher.training.trainer import trainer_class

TOKENS = st.integers(0, 4)
PROMPTS = st.lists(TOKENS, min_size=1, max_size=4)
ANSWERS = st.lists(st.lists(TOKENS, min_size=1, max_size=4), min_size=1, max_size=8)


def prefix(row, place):
    """Return what stands before a label, read from the node that it follows up to the root."""
    stem = len(row["input_ids"]) - len(row["parent"])
    at, found = row["node"][place], []
    while at >= 0:
        found.append(row["input_ids"][stem + at])
        at = row["parent"][at]
    return row["input_ids"][:stem] + found[::-1]


@given(PROMPTS, ANSWERS)
def test_each_label_follows_its_own_prefix_and_each_prefix_is_there_once(prompt, answers):
    row = answer_tree(prompt, answers)
    wanted = [(prompt + a[:k], a[k]) for a in answers for k in range(len(a))]
    found = [(prefix(row, k), label) for k, label in enumerate(row["labels"])]
    assert found == wanted
    assert len(row["parent"]) == len({tuple(before) for before, _ in wanted})
    assert all(above < node for node, above in enumerate(row["parent"]))


@given(st.lists(st.tuples(PROMPTS, ANSWERS), min_size=1, max_size=4))
def test_a_node_sees_its_prompt_and_its_ancestors_and_knows_its_place(given_rows):
    rows = [answer_tree(*row) for row in given_rows]
    batch = {name: column.numpy() for name, column in model_inputs(rows, pad=7).items()}
    longest = batch["prompt_ids"].shape[1]
    for i, row in enumerate(rows):
        stem = len(row["input_ids"]) - len(row["parent"])
        for node in range(len(row["parent"])):
            seen, at = set(range(stem)), node
            while at >= 0:
                seen.add(longest + at)
                at = row["parent"][at]
            assert set(np.flatnonzero(batch["attention_mask"][i, 0, node])) == seen
            assert batch["position_ids"][i, node] == len(seen) - 1
        count = len(row["labels"])
        assert batch["labels"][i, :count].tolist() == row["labels"]
        assert (batch["labels"][i, count:] == IGNORED).all()


@pytest.mark.parametrize("style", ["compact", "blind"])
def test_states_are_those_of_rows_of_their_own(style):
    tokenizer = build_tokenizer(style)
    model = build_model(tokenizer, style, 0).eval()
    prompts = prompt_ids(tokenizer, ["SHAPE: convergence", "WINDOW: n=20 T=4.7e+1 and more"])
    said = [answers_of(tokenizer, (0, 100, 101, 2000, 2001, 0)), answers_of(tokenizer, (3, 2500))]
    batch = model_inputs(
        [answer_tree(*pair) for pair in zip(prompts, said, strict=True)], tokenizer.pad_token_id
    )
    labels = batch["labels"].flatten()
    with torch.inference_mode():
        states = answer_states(model, batch)[label_nodes(batch)]
        got = model.get_output_embeddings()(states)[labels != IGNORED]
        alone = [
            model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
            for prompt, answers in zip(prompts, said, strict=True)
            for answer in answers
        ]
    torch.testing.assert_close(got, torch.cat(alone), atol=1e-5, rtol=1e-5)
    assert labels[labels != IGNORED].tolist() == [t for answers in said for a in answers for t in a]


def answers_of(tokenizer, places):
    return answer_ids(tokenizer, [EXPRESSIONS[i] for i in places])


def test_a_step_on_a_tree_is_the_step_on_its_answers_one_by_one(
    recipe, windows, examples, tmp_path
):
    """The same mean over the same labels: loss, gradient and so weights, draw by draw or not."""
    drawn = np.random.default_rng(0).integers(0, len(EXPRESSIONS), (16, 3))
    one_step = recipe.training | {"num_train_epochs": 1, "logging_steps": 1, "warmup_steps": 0}

    def weights(name, prompts, drawn, batch):
        training = one_step | {"per_device_train_batch_size": batch, "learning_rate": 1e-4}
        chosen = recipe.model_copy(update={"training": training})
        shape = np.zeros(len(prompts), np.int8)
        given = Examples(prompts, shape, np.asarray(drawn))
        record = train(chosen, given, tmp_path / name, device="cpu")
        return record, load_file(tmp_path / name / "model" / "model.safetensors")

    prompts = examples.prompts[:16]
    tree, ours = weights("tree", prompts, drawn, 16)
    rows, plain = weights("rows", [p for p in prompts for _ in range(3)], drawn.reshape(-1, 1), 48)
    assert tree["steps"] == rows["steps"] == 1
    assert tree["answer_tokens"] == rows["answer_tokens"]
    assert tree["loss_curve"][0][1] == pytest.approx(rows["loss_curve"][0][1], rel=1e-4)
    for name, weight in plain.items():
        # Adam's first step is a sign: where a gradient is all but 0, it may fall either way.
        assert np.mean(np.abs(weight - ours[name]) > 2e-5) < 0.01, name


def test_every_label_of_a_tree_counts(trainer_of):
    trainer, batch = trainer_of
    counted = trainer._get_num_items_in_batch([batch], torch.device("cpu"))
    assert int(counted) == int((batch["labels"] != IGNORED).sum())


@pytest.fixture
def trainer_of(tmp_path):
    """A trainer, and a batch of two trees that differ in length."""
    tokenizer = build_tokenizer("compact")
    model = build_model(tokenizer, "compact", 0)
    recipe = Recipe.model_validate(
        {"name": "t", "base": "tiny", "data": {"source": "synthetic", "style": "compact"}}
    )
    args = sft_config(recipe, output_dir=str(tmp_path), bf16=False, use_cpu=True, report_to="none",
                      max_length=None, remove_unused_columns=False)  # fmt: skip
    rows = [answer_tree([1, 2], [[3, 4], [5]]), answer_tree([1], [[3, 4, 6], [3, 5]])]
    trainer = trainer_class(None, None)(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        data_collator=TreeCollator(tokenizer.pad_token_id),
    )
    return trainer, trainer.data_collator(rows)
