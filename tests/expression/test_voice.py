import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.law import EXPRESSIONS
from eisv_lumen.expression.lumen import to_primitives, trigger
from eisv_lumen.expression.vocabulary import (
    PRIMITIVES,
    REAL_MIX,
    SHAPES,
    TOKEN_PRIMITIVES,
    TOKENS,
    UnknownNameError,
)
from eisv_lumen.expression.voice import Voice


def test_acted_out_draws_follow_the_exact_law() -> None:
    """`speak(1)` draws token by token, `law` enumerates: they must be the same distribution."""
    voice = Voice(seed=3)
    voice.weights[4] = np.linspace(0.1, 9.0, 15)
    index = {e: i for i, e in enumerate(EXPRESSIONS)}
    n = 60_000
    drawn = np.zeros(2970)
    for _ in range(n):
        drawn[index[voice.speak(SHAPES[4])[0]]] += 1
    law = voice.law(SHAPES[4])
    likely = law.pmf > 5 / n
    expected = law.pmf[likely] * n
    chi2 = ((drawn[likely] - expected) ** 2 / expected).sum()
    assert abs(chi2 - likely.sum()) < 6 * np.sqrt(2 * likely.sum())


def test_feedback_moves_each_token_as_specified() -> None:
    voice = Voice()
    before = voice.weights.copy()
    voice.feedback("convergence", ["~stillness~", "~ripple~", "~ripple~"], 1.0)
    change = voice.weights - before
    assert change[8, TOKENS.index("stillness")] == pytest.approx(0.08)
    assert change[8, TOKENS.index("ripple")] == pytest.approx(0.16)  # a repeated one twice
    assert np.count_nonzero(change) == 2


@pytest.mark.parametrize("said", ["~warmth~ ~return~", "warmth return", ["~warmth~", "return"]])
def test_feedback_takes_an_expression_in_any_form(said: object) -> None:
    voice, plain = Voice(), Voice()
    voice.feedback("convergence", said, 1.0)
    plain.feedback("convergence", ("warmth", "return"), 1.0)
    np.testing.assert_array_equal(voice.weights, plain.weights)
    with pytest.raises(ValueError, match="None is no expression"):
        voice.feedback("convergence", None, 1.0)
    with pytest.raises(InputError, match=r"n=-1: give 0 or more"):
        voice.speak("convergence", -1)


def test_weights_are_clamped_after_each_step() -> None:
    voice = Voice()
    voice.weights[:] = 0.12
    voice.feedback("convergence", ["ripple"] * 5, 0.0)
    assert voice.weights[8, TOKENS.index("ripple")] == pytest.approx(0.1)
    voice.weights[:] = 9.99
    voice.feedback("convergence", ["ripple"] * 5, 1.0)
    assert voice.weights[8, TOKENS.index("ripple")] == 10.0


def test_learning_is_speaking_scoring_and_feedback() -> None:
    from eisv_lumen import coherence

    shapes = ["void_rising", "convergence"] * 20
    fast, slow = Voice(9), Voice(9)
    fast.learn(shapes)
    for shape in shapes:
        said = slow.speak(shape)
        slow.feedback(shape, said[0], float(coherence(said, shape)[0]))
    np.testing.assert_allclose(fast.weights, slow.weights)


def test_the_learned_voice_reaches_the_published_coherence() -> None:
    mix = np.array([REAL_MIX[shape] for shape in SHAPES]) / sum(REAL_MIX.values())
    found = []
    for seed in range(4):
        voice = Voice(seed)
        voice.learn(np.random.default_rng(seed).choice(SHAPES, 21_449, p=mix).tolist())
        found.append(np.array([law.coherence() for law in voice.laws()]) @ mix)
    assert np.mean(found) == pytest.approx(0.932, abs=0.004)


def test_a_saved_voice_goes_on_where_it_stood(tmp_path: Path) -> None:
    voice = Voice(5)
    voice.learn(["convergence"] * 50)
    voice.save(tmp_path / "voice.json")
    other = Voice.load(tmp_path / "voice.json")
    np.testing.assert_array_equal(voice.weights, other.weights)
    assert voice.speak("convergence", 20) == other.speak("convergence", 20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["weights"].pop("convergence"), "'convergence' is missing"),
        (lambda v: v["weights"]["convergence"].update(ripple=11.0), "convergence, ripple: 11.0"),
        (lambda v: v["weights"]["convergence"].update(ripple="x"), "not a voice"),
        (lambda v: v.update(format="other/1"), "format is 'other/1'"),
        (lambda v: v.update(rng={"bit_generator": "MT19937"}), "not a voice"),
    ],
)
def test_a_broken_voice_is_refused(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "voice.json"
    Voice().save(path)
    saved = json.loads(path.read_text())
    change(saved)
    path.write_text(json.dumps(saved))
    with pytest.raises(InputError, match=message) as caught:
        Voice.load(path)
    assert str(path) in str(caught.value)


def test_unknown_names_teach_nothing() -> None:
    voice = Voice()
    before = voice.weights.copy()
    with pytest.raises(UnknownNameError, match="unknown token 'joy'"):
        voice.feedback("convergence", ["stillness", "joy"], 1.0)
    with pytest.raises(UnknownNameError, match="unknown shape"):
        voice.speak("calm")
    with pytest.raises(ValueError, match="in \\[0, 1\\]"):
        voice.feedback("convergence", ["stillness"], 1.5)
    np.testing.assert_array_equal(voice.weights, before)


@given(st.lists(st.sampled_from(TOKENS), max_size=6))
def test_primitives_are_distinct_and_come_from_the_tokens(tokens: list[str]) -> None:
    used: list[str] = []
    for token in tokens:  # the rule, word by word
        for primitive in TOKEN_PRIMITIVES[token]:
            if primitive not in used:
                used.append(primitive)
                break
    found = to_primitives(tokens)
    assert found == tuple(used[:3])
    assert set(found) <= set(PRIMITIVES)


def test_triggers() -> None:
    assert (trigger("void_rising").reason, trigger("void_rising").n_tokens) == ("void_expansion", 2)
    assert {trigger(shape).n_tokens for shape in SHAPES} == {1, 2, 3}


def test_more_than_eight_are_drawn_from_the_law_at_once():
    """What a seed says is published: nine come from the law's table, eight are drawn by token."""
    law = Voice(0).law("void_rising")
    assert Voice(5).speak("void_rising", 9) == law.sample(9, np.random.default_rng(5))
    assert Voice(5).speak("void_rising", 8) != law.sample(8, np.random.default_rng(5))


def test_a_draw_at_a_border_belongs_to_the_next():
    """u in [0, 1): a position begins where the one before ends."""
    from eisv_lumen.expression.voice import _pick

    assert [_pick([1.0, 1.0], u) for u in (0.0, 0.4999, 0.5, 0.9999)] == [0, 0, 1, 1]
    assert _pick([0.0, 1.0], 0.0) == 1
