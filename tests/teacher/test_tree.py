"""Answers in a tree compute what rows of their own compute, node by node and label by label."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.expression.law import EXPRESSIONS
from eisv_lumen.teacher.examples import answer_ids, prompt_ids
from eisv_lumen.teacher.tiny import build_model, build_tokenizer
from eisv_lumen.teacher.tree import IGNORED, answer_states, answer_tree, model_inputs

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
    answers = answer_ids(tokenizer, [EXPRESSIONS[i] for i in (0, 100, 101, 2000, 2001, 0)])
    batch = model_inputs([answer_tree(p, answers) for p in prompts], tokenizer.pad_token_id)
    with torch.inference_mode():
        got = model.get_output_embeddings()(answer_states(model, batch))
        alone = [
            model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
            for prompt in prompts
            for answer in answers
        ]
    torch.testing.assert_close(got, torch.cat(alone), atol=1e-5, rtol=1e-5)
    assert batch["labels"].flatten().tolist() == [t for a in answers * 2 for t in a]
