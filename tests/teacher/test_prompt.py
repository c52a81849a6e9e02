"""What is asked is the study's message to the letter; what is answered is read strictly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.answer import Invalid, Parsed, parse
from eisv_lumen.expression.law import EXPRESSIONS
from eisv_lumen.expression.lumen import to_primitives
from eisv_lumen.expression.vocabulary import PATTERNS, SHAPES, TOKENS, pattern_of
from eisv_lumen.teacher.prompt.messages import (
    STYLES,
    render_answer,
    render_summaries,
    render_windows,
)
from eisv_lumen.trajectory.series import windows_from_arrays

EXPRESSION = st.sampled_from(EXPRESSIONS)


def windows(n=3, w=5, seed=0):
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.exponential(2.3, (n, w)), axis=1)
    return windows_from_arrays(t, rng.random((n, w, 4)), 0.2 * rng.random((n, w)))


@given(EXPRESSION)
def test_what_is_written_is_read_back(expression):
    assert parse(render_answer(expression)) == Parsed(
        expression, to_primitives(expression), pattern_of(expression)
    )


LINES = [
    "EISV_TOKENS:", "LUMEN_TOKENS:", "PATTERN:", "~warmth~", "warm", "PAIR", "\n", " ", "~", "~~",
    "joy", "EISV_TOKENS", "\x00", "\r",
]  # fmt: skip


@given(st.lists(st.one_of(st.sampled_from(LINES), st.text(max_size=6)), max_size=30))
def test_no_text_whatever_makes_the_reader_raise(parts):
    found = parse("".join(parts))
    if isinstance(found, Parsed):  # then it is valid by the study's definition, checked anew
        assert found.tokens and set(found.tokens) <= set(TOKENS)
        assert found.pattern in PATTERNS
    else:
        assert found.reason


@given(EXPRESSION, st.integers(0, 200), st.integers(0, 200))
def test_an_answer_that_lost_a_piece_is_valid_only_if_its_three_lines_still_are(e, a, b):
    text = render_answer(e)
    cut = text[: min(a, len(text))] + text[max(min(a, len(text)), len(text) - b) :]
    found = parse(cut)
    heads = ("EISV_TOKENS:", "LUMEN_TOKENS:", "PATTERN:")
    lines = cut.split("\n")
    if any(sum(line.startswith(head) for line in lines) != 1 for head in heads):
        assert isinstance(found, Invalid)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "EISV_TOKENS: is missing"),
        ("EISV_TOKENS: ~warmth~\nPATTERN: SINGLE", "LUMEN_TOKENS: is missing"),
        ("EISV_TOKENS:\nLUMEN_TOKENS: warm\nPATTERN: SINGLE", "no token"),
        ("EISV_TOKENS: warmth\nLUMEN_TOKENS: warm\nPATTERN: SINGLE", "'warmth' is no EISV token"),
        ("EISV_TOKENS: ~warmth~\nLUMEN_TOKENS: joy\nPATTERN: SINGLE", "'joy' is no primitive"),
        ("EISV_TOKENS: ~warmth~\nLUMEN_TOKENS: warm\nPATTERN: SOLO", "none of SINGLE"),
        ("EISV_TOKENS: ~warmth~\nLUMEN_TOKENS: warm\nPATTERN: PAIR PAIR", "none of SINGLE"),
        (
            "EISV_TOKENS: ~warmth~\nEISV_TOKENS: ~warmth~\nLUMEN_TOKENS: warm\nPATTERN: SINGLE",
            "twice",
        ),
    ],
)
def test_an_invalid_answer_says_why(text, reason):
    found = parse(text)
    assert isinstance(found, Invalid)
    assert reason in found.reason


def test_the_study_style_is_the_published_message():
    summary = [
        [4, 16.6, 0.3788, 0.705, 0.2042, 0.1037, 0.0003, 0, 0.0001, 0.0001, 4e-4, 0, -1e-4, -1e-4]
    ]
    (text,) = render_summaries(np.array(summary), "study", [SHAPES.index("convergence")])
    assert text == (
        "SHAPE: convergence\n"
        "WINDOW: n_states=4 duration=16.60\n"
        "MEAN_EISV: E=0.3788 I=0.7050 S=0.2042 V=0.1037\n"
        "DERIVATIVES: dE=0.0003 dI=0.0000 dS=0.0001 dV=0.0001\n"
        "SECOND_DERIVATIVES: d2E=0.0004 d2I=0.0000 d2S=-0.0001 d2V=-0.0001"
    )


def test_blind_styles_name_no_shape():
    for style in ("blind", "series"):
        for text in render_windows(windows(), style):
            assert not any(shape in text for shape in SHAPES)
            assert "SHAPE" not in text


def test_a_blind_message_does_not_depend_on_the_label():
    import dataclasses

    w = windows(20)
    other = dataclasses.replace(w, shape=(w.shape + 1) % 9)
    for style in ("blind", "series"):
        assert render_windows(w, style) == render_windows(other, style)


def test_the_series_shows_every_state_and_its_rates():
    t = np.array([[0.0, 2.0, 2.0, 4.0]])
    X = np.zeros((1, 4, 4))
    X[0, :, 0] = [0.2, 0.4, 0.5, 0.1]
    (text,) = render_windows(windows_from_arrays(t, X, np.full((1, 4), 0.25)), "series")
    lines = text.split("\n")
    assert lines[4].startswith("WINDOW: n=4 T=3.9e+0") and len(lines) == 8
    assert lines[0] == "STATES: E=0.20 I=0.00 S=0.00 V=0.00 D=0.25"
    assert lines[1] == "dt=2.0e+0 E=0.40 I=0.00 S=0.00 V=0.00 D=0.25 dE=+1.0e-1 dI=0 dS=0 dV=0"
    assert lines[2] == "dt=0 E=0.50 I=0.00 S=0.00 V=0.00 D=0.25 dE=0 dI=0 dS=0 dV=0"
    assert lines[3] == "dt=2.0e+0 E=0.10 I=0.00 S=0.00 V=0.00 D=0.25 dE=-2.0e-1 dI=0 dS=0 dV=0"


@pytest.mark.parametrize("style", [s for s in STYLES if s != "series"])
def test_windows_and_their_summaries_give_the_same_messages(style):
    w = windows()
    assert render_windows(w, style) == render_summaries(w.summary, style, w.shape)


def test_what_a_style_needs_is_said():
    w = windows()
    with pytest.raises(InputError, match="shows the states"):
        render_summaries(w.summary, "series")
    with pytest.raises(InputError, match="names the shape"):
        render_summaries(w.summary, "study")
