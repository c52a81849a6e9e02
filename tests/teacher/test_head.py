"""The cheap head is the plain one: the same loss, the same gradients, the same weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.teacher.data.examples import draw_examples
from eisv_lumen.teacher.data.shared_prefix import IGNORED
from eisv_lumen.teacher.models.tiny import build_model, build_tokenizer
from eisv_lumen.teacher.training.loss import answer_loss, silent_words
from eisv_lumen.teacher.training.train import train


def slow_loss(states, at, labels, weight):
    """One label after another, over the whole vocabulary."""
    total = torch.zeros((), dtype=states.dtype)
    for place, label in zip(at, labels, strict=True):
        if label != IGNORED:
            total = total - torch.log_softmax(weight @ states[place], 0)[label]
    return total


@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(0, 40))
def test_loss_and_gradients_are_those_of_the_whole_softmax(seed, spoken, quiet):
    torch.manual_seed(seed)
    states = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    at = torch.randint(0, 6, (15,))
    labels = torch.randint(0, spoken, (15,))
    labels[torch.rand(15) < 0.3] = IGNORED
    rows = torch.cat([torch.randn(spoken, 4), torch.randn(1, 4).expand(quiet, 4)]).double()
    weight = rows.requires_grad_()
    silent = silent_words(weight, range(spoken))
    assert (silent is None) == (quiet < 2)
    found = answer_loss(states, at, labels, weight, silent)
    wanted = slow_loss(states, at, labels, weight)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)
    if wanted.requires_grad:
        ours = torch.autograd.grad(found, (states, weight))
        theirs = torch.autograd.grad(wanted, (states, weight))
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_the_numbers_of_tiny_are_silent_and_what_answers_is_not():
    tokenizer = build_tokenizer("blind")
    weight = build_model(tokenizer, "blind", 0).get_output_embeddings().weight
    silent = silent_words(weight, [5, 6])
    words = tokenizer.convert_ids_to_tokens(silent.nonzero()[:, 0].tolist())
    assert len(words) > 0.9 * len(tokenizer)
    assert all("=" in word for word in words)


@pytest.mark.parametrize("draws", [1, 3])
def test_training_gives_the_weights_that_the_whole_softmax_gives(
    draws, recipe, windows, examples, tmp_path, monkeypatch
):
    """Numbers' rows of the head move together, whether or not use is made of it."""
    from safetensors.torch import load_file

    from eisv_lumen.expression.law import initial_laws

    few = draw_examples(examples.prompts[:48], windows.shape[:48], initial_laws(), 1, draws)
    train(recipe, few, tmp_path / "cheap", device="cpu")
    monkeypatch.setattr("eisv_lumen.teacher.training.train.silent_words", lambda *_: None)
    train(recipe, few, tmp_path / "plain", device="cpu")
    cheap, plain = (
        load_file(tmp_path / name / "model" / "model.safetensors") for name in ("cheap", "plain")
    )
    silent = silent_words(cheap["lm_head.weight"], [])
    assert silent is not None and int(silent.sum()) > 1000
    for name, weight in plain.items():
        assert np.allclose(weight, cheap[name], atol=2e-3), name
