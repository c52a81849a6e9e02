"""Scores are what a slow, obvious computation gives; decoding follows them."""

import numpy as np
import pytest
import torch

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.law import EXPRESSIONS, ExpressionLaw
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.teacher.data.examples import answer_ids, prompt_ids
from eisv_lumen.teacher.evaluation.generate import generate
from eisv_lumen.teacher.evaluation.score import answer_log_probs, expression_pmf

PROMPTS = ["SHAPE: convergence", "WINDOW: n=4 T=1.6e+1", "hello, world"]


def slow_log_prob(teacher, prompt, expression, temperature, steps=None):
    """Feed the answer token by token; add up the log-probability of each."""
    (ids,) = prompt_ids(teacher.tokenizer, [prompt])
    (answer,) = answer_ids(teacher.tokenizer, [expression])
    total = 0.0
    for k, token in enumerate(answer[:steps]):
        with torch.inference_mode():
            logits = teacher.model(torch.tensor([ids + answer[:k]])).logits[0, -1].double()
        if k or steps is None:
            total += torch.log_softmax(logits / temperature, -1)[token].item()
    return total


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_an_answer_scores_what_its_steps_add_up_to(teacher, temperature):
    drawn = np.array([[3, 77, 1500], [0, 239, 2969], [5, 5, 240]])
    found = answer_log_probs(teacher, PROMPTS, drawn, temperature=temperature, batch_size=2)
    slow = [
        [slow_log_prob(teacher, p, EXPRESSIONS[i], temperature) for i in row]
        for p, row in zip(PROMPTS, drawn, strict=True)
    ]
    np.testing.assert_allclose(found, slow, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_the_enumerated_law_is_the_chain_of_its_steps(teacher, temperature):
    found = expression_pmf(teacher, PROMPTS[:2], temperature=temperature)
    assert found.shape == (2, len(EXPRESSIONS))
    assert (found >= 0).all() and (found.sum(1) <= 1 + 1e-5).all()
    for index in (0, 14, 15, 131, 239, 240, 1717, 2969):
        expression = EXPRESSIONS[index]
        # the head is given; then its tokens, and the end of the line
        slow = slow_log_prob(teacher, PROMPTS[0], expression, temperature, len(expression) + 2)
        assert np.log(found[0, index]) == pytest.approx(slow, rel=1e-4, abs=1e-4)


def test_greedy_answers_do_not_depend_on_the_batch(teacher, examples):
    prompts = [*PROMPTS, *examples.prompts[:21]]
    texts = [generate(teacher, prompts, temperature=0, batch_size=size) for size in (1, 7, 64)]
    assert texts[0] == texts[1] == texts[2]


def test_a_seed_reproduces_a_sample_and_another_does_not(teacher, examples):
    prompts = examples.prompts[:40]
    a, b, c = (generate(teacher, prompts, temperature=1.0, seed=seed) for seed in (1, 1, 2))
    assert a == b != c


def test_sampling_leaves_the_callers_random_state_alone(teacher):
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    generate(teacher, PROMPTS, temperature=1.0, seed=9)
    assert (torch.rand(2) == wanted).all()


def test_samples_follow_the_enumerated_law(teacher):
    """So no setting of the model's own (top_k, top_p) has any part in decoding."""
    n = 2000
    law = expression_pmf(teacher, PROMPTS[:1], temperature=0.7)[0]
    texts = generate(
        teacher, PROMPTS[:1] * n, temperature=0.7, batch_size=n, max_new_tokens=6, seed=4
    )
    spoken = {" ".join(f"~{t}~" for t in e): i for i, e in enumerate(EXPRESSIONS)}
    lines = [text.split("\n")[0].removeprefix("EISV_TOKENS: ") for text in texts]
    counts = np.bincount([spoken[x] for x in lines if x in spoken], minlength=len(law))
    blocks = np.arange(len(law)) % 20  # sums over blocks of expressions: large enough to compare
    got, p = np.bincount(blocks, counts) / n, np.bincount(blocks, law)
    assert (np.abs(got - p) < 5 * np.sqrt(p * (1 - p) / n)).all()
    assert abs(counts.sum() / n - law.sum()) < 5 * np.sqrt(law.sum() * (1 - law.sum()) / n) + 1e-3


def test_excess_nats_come_from_scores(teacher):
    """Cross-entropy on draws of the law is not below the law's entropy."""
    law = ExpressionLaw.initial(SHAPES[8])
    drawn = law.sample_index(400, 0)[None]
    cross = -answer_log_probs(teacher, PROMPTS[:1], drawn).mean()
    assert cross > law.entropy()


@pytest.mark.parametrize(
    "settings",
    [{"temperature": -1}, {"temperature": 1, "top_p": 0}, {"temperature": 1, "top_k": -1}],
)
def test_settings_out_of_range_are_refused(teacher, settings):
    with pytest.raises(InputError, match="they must be"):
        generate(teacher, PROMPTS, **settings)


def test_scores_need_a_temperature_and_matching_lengths(teacher):
    with pytest.raises(InputError, match="temperature > 0"):
        answer_log_probs(teacher, PROMPTS, np.zeros((3, 1)), temperature=0)
    with pytest.raises(InputError, match="give \\(n, m\\)"):
        answer_log_probs(teacher, PROMPTS, np.zeros((2, 1)))
    with pytest.raises(InputError, match="temperature > 0"):
        expression_pmf(teacher, PROMPTS, temperature=0)
