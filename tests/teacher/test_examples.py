"""Examples are draws of the law, the same each time, and the loss covers the answer alone."""

from dataclasses import replace

import numpy as np
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.law import EXPRESSIONS, initial_laws
from eisv_lumen.teacher.data.examples import CHAT_OPTIONS, draw_examples
from eisv_lumen.teacher.data.shared_prefix import IGNORED
from eisv_lumen.teacher.data.tokenize import training_rows
from eisv_lumen.teacher.models.tiny import build_model, build_tokenizer
from eisv_lumen.teacher.prompt.messages import messages, render_answer

LAWS = initial_laws()


def test_draws_are_reproduced_by_their_seed():
    shape = np.arange(9, dtype=np.int8).repeat(20)
    prompts = [str(i) for i in range(180)]
    a, b, c = (draw_examples(prompts, shape, LAWS, seed, draws=2) for seed in (1, 1, 2))
    assert a.digest() == b.digest() != c.digest()
    assert (a.drawn == b.drawn).all()


def test_draws_follow_the_law_of_their_own_shape():
    n = 20_000
    shape = np.array([2, 8] * n, dtype=np.int8)
    found = draw_examples([""] * (2 * n), shape, LAWS, 0).drawn[:, 0]
    for code in (2, 8):
        share = np.bincount(found[shape == code], minlength=len(EXPRESSIONS)) / n
        p = LAWS[code].pmf
        often = p * n > 25  # where a count is near enough to normal
        assert (np.abs(share - p)[often] <= 5.5 * np.sqrt(p * (1 - p) / n)[often]).all()


@pytest.mark.parametrize("code", [0, 6])
def test_stratified_draws_fill_in_the_law_and_each_window_shows_its_first_tokens(code):
    n, draws = 20_000, 8
    shape = np.full(n, code, dtype=np.int8)
    found = draw_examples([""] * n, shape, LAWS, 0, draws, stratified=True).drawn
    p = LAWS[code].pmf
    share = np.bincount(found.ravel(), minlength=len(EXPRESSIONS)) / found.size
    assert np.abs(share - p).max() <= 12 / found.size  # chance would leave up to 5 / sqrt(size)
    for token in sorted({expression[0] for expression in EXPRESSIONS}):
        begins = np.array([expression[0] == token for expression in EXPRESSIONS])
        expected, counts = draws * p[begins].sum(), begins[found].sum(1)
        assert set(counts) <= {np.floor(expected), np.ceil(expected)}
    for few in (found[:50], found[-50:]):  # so do any windows that follow one another
        share = np.bincount(few.ravel(), minlength=len(EXPRESSIONS)) / few.size
        assert np.abs(share - p).max() <= 4 / few.size


@pytest.mark.slow
@pytest.mark.parametrize("code", [1, 5])
def test_over_seeds_each_stratified_draw_has_its_law(code):
    where = np.array([code], np.int8)
    found = np.stack(
        [draw_examples([""], where, LAWS, s, 8, stratified=True).drawn[0] for s in range(2000)]
    )
    share = np.bincount(found.ravel(), minlength=len(EXPRESSIONS)) / found.size
    p = LAWS[code].pmf
    assert (np.abs(share - p) <= 5.5 * np.sqrt(p / 2000) + 1e-3).all()


def test_an_empty_split_is_refused():
    with pytest.raises(InputError, match="the split is empty"):
        draw_examples([], np.empty(0, np.int8), LAWS, 0)


def test_labels_cover_exactly_the_answer(examples):
    tokenizer = build_tokenizer("compact")
    rows, counts, _ = training_rows(tokenizer, examples)
    assert counts["rows"] == len(rows) == len(examples)
    total = 0
    for row, (drawn,) in zip(rows, examples.drawn, strict=True):
        labels = [label for label in row["labels"] if label != IGNORED]
        text = render_answer(EXPRESSIONS[drawn]) + tokenizer.eos_token
        assert tokenizer.decode(labels) == text
        assert row["labels"][-len(labels) :] == row["input_ids"][-len(labels) :] == labels
        total += len(labels)
    assert counts["answer_tokens"] == total


@pytest.mark.parametrize(("draws", "whole"), [(5, 1), (6, 4), (3, 3), (4, 0)])
def test_answers_learned_whole_take_turns_and_the_others_end_with_their_line(draws, whole):
    tokenizer = build_tokenizer("blind")
    shape = np.arange(30, dtype=np.int8) % 9
    given = draw_examples(["W"] * 30, shape, LAWS, 1, draws, stratified=True)
    rows, _, _ = training_rows(tokenizer, replace(given, whole=whole))
    ends = np.zeros((30, draws), bool)
    for i, row in enumerate(rows):
        starts = [place for place, node in enumerate(row["node"]) if node == 0]
        for j, index in enumerate(given.drawn[i]):
            learned = tokenizer.decode(row["labels"][starts[j] : [*starts, None][j + 1]])
            text = render_answer(EXPRESSIONS[index])
            ends[i, j] = learned == text + tokenizer.eos_token
            assert ends[i, j] or learned == text[: text.index("\n") + 1]
    assert (ends.sum(1) == (whole or draws)).all()
    assert ends[:draws].any(0).all()  # no place, so no token, is always cut short


def trl_rows(examples):
    """Rows in TRL's conversational prompt/completion format, one a draw."""
    for prompt, drawn in zip(examples.prompts, examples.drawn.tolist(), strict=True):
        for index in drawn:
            answer = render_answer(EXPRESSIONS[index])
            yield {
                "prompt": messages(prompt),
                "completion": [{"role": "assistant", "content": answer}],
                "chat_template_kwargs": dict(CHAT_OPTIONS),
            }


def test_trl_prepares_its_own_rows_to_the_same_tokens_and_labels(examples, tmp_path):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    tokenizer = build_tokenizer("compact")
    few = draw_examples(examples.prompts[:8], examples.shape[:8], LAWS, 0)
    args = SFTConfig(str(tmp_path), bf16=False, use_cpu=True, report_to="none", max_length=None)
    model = build_model(tokenizer, "compact", 0)
    dataset = Dataset.from_list(list(trl_rows(few)))
    trainer = SFTTrainer(model, args, train_dataset=dataset, processing_class=tokenizer)
    ours, _, _ = training_rows(tokenizer, few)
    for theirs, row in zip(trainer.train_dataset, ours, strict=True):
        assert theirs["input_ids"] == row["input_ids"]
        assert theirs["labels"] == row["labels"]


def test_a_row_too_long_is_refused_not_cut(examples):
    with pytest.raises(InputError, match="max_length=20"):
        training_rows(build_tokenizer("compact"), examples, 20)
