"""The small tokenizer loses nothing, and its steps are the law's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.expression.law import EXPRESSIONS
from eisv_lumen.expression.vocabulary import TOKENS
from eisv_lumen.teacher.data.examples import answer_ids, prompt_ids
from eisv_lumen.teacher.models.tiny import build_model, build_tokenizer
from eisv_lumen.teacher.prompt.messages import NUMBERS, STYLES, render_answer, render_windows

TOKENIZERS = {style: build_tokenizer(style) for style in STYLES}
ASCII = st.text(st.sampled_from("\n\t" + "".join(map(chr, range(32, 127)))), max_size=60)
PIECES = st.lists(
    st.sampled_from(
        [" ~warmth~", "EISV_TOKENS:", " dE=+1.0e-3", " E=0.50", "0", "\ndt=0", " PAIR"]
    ),
    max_size=8,
).map("".join)


@pytest.mark.parametrize("style", STYLES)
@given(st.one_of(ASCII, PIECES))
def test_any_ascii_text_survives(style, text):
    tokenizer = TOKENIZERS[style]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text


@given(st.sampled_from(EXPRESSIONS), st.sampled_from(STYLES))
def test_a_step_of_the_model_is_a_step_of_the_law(expression, style):
    tokenizer = TOKENIZERS[style]
    ids = tokenizer(render_answer(expression))["input_ids"]
    words = tokenizer.convert_ids_to_tokens(ids)
    n = len(expression)
    assert words[: n + 2] == ["EISV_TOKENS:", *(f" ~{token}~" for token in expression), "\n"]


@pytest.mark.parametrize("style", ["compact", "blind", "series"])
def test_each_number_is_one_token_that_names_its_column(style, windows):
    tokenizer = TOKENIZERS[style]
    for text in render_windows(windows, style)[:20]:
        words = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
        numbers = [w.strip().split("=")[0] for w in words if "=" in w]
        wanted = text.count("=")
        assert len(numbers) == wanted
        assert set(numbers) <= set(NUMBERS[style]) | {"n"}
        assert "".join(words) == text


def test_no_word_is_unknown(windows):
    for style in STYLES:
        tokenizer = TOKENIZERS[style]
        ids = prompt_ids(tokenizer, render_windows(windows, style)[:5])
        ids += answer_ids(tokenizer, EXPRESSIONS[::50])
        assert tokenizer.unk_token_id not in {i for row in ids for i in row}


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    tokenizer = TOKENIZERS["series"]
    states = [build_model(tokenizer, "series", seed).state_dict() for seed in (1, 1, 2)]
    assert all((states[0][k] == states[1][k]).all() for k in states[0])
    assert any((states[0][k] != states[2][k]).any() for k in states[0])


def test_numbers_that_are_near_begin_alike():
    tokenizer = TOKENIZERS["series"]
    table = build_model(tokenizer, "series", 0).get_input_embeddings().weight.detach().numpy()
    ids = tokenizer.get_vocab()
    for name, prefix in (("E", " "), ("dE", " "), ("dt", "\n")):
        rows = table[[ids[f"{prefix}{name}={word}"] for word in NUMBERS["series"][name].words]]
        near = np.linalg.norm(np.diff(rows, axis=0), axis=1).mean()
        far = np.linalg.norm(rows - rows[np.random.default_rng(0).permutation(len(rows))], axis=1)
        assert near < far.mean() / 2


def test_the_tokens_of_the_vocabulary_are_all_there():
    for tokenizer in TOKENIZERS.values():
        assert {f" ~{token}~" for token in TOKENS} <= set(tokenizer.get_vocab())
