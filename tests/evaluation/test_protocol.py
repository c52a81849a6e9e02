import numpy as np
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.evaluation.baselines import (
    constant,
    feedback,
    ignorant,
    initial,
    oracle,
    prompt_conditioned,
    random_speaker,
)
from eisv_lumen.evaluation.exact import exact_result
from eisv_lumen.evaluation.report import Decoding
from eisv_lumen.evaluation.scoring import DECODINGS, INHERITED, Spoken, score
from eisv_lumen.expression.law import ExpressionLaw
from eisv_lumen.expression.vocabulary import AFFINE_TOKENS, REAL_MIX, SHAPES, pattern_of

LAWS = initial()
MIX = np.array([REAL_MIX[shape] for shape in SHAPES]) / sum(REAL_MIX.values())
BALANCED = np.repeat(np.arange(9), 60).astype(np.int8)


def speak(laws: list[ExpressionLaw], shapes: np.ndarray, d: Decoding, seed: int) -> Spoken:
    hot = [law.tempered(d.temperature, top_k=d.top_k, top_p=d.top_p) for law in laws]
    rng = np.random.default_rng(seed)
    said = [hot[code].sample(1, rng)[0] for code in shapes]
    return Spoken(said, [pattern_of(tokens) for tokens in said])


@pytest.mark.parametrize("decoding", [*DECODINGS, INHERITED], ids=lambda d: d.label)
def test_a_perfect_imitator_scores_as_the_reference_says(decoding: Decoding) -> None:
    """Its estimates lie about its exact values: within four half-widths of their interval."""
    result = score(speak(LAWS, BALANCED, decoding, 1), BALANCED, LAWS, decoding)
    for name in ("coherence", "macro_coherence", "pattern_accuracy", "diversity"):
        metric = result.metrics[name]
        half = (metric.high - metric.low) / 2
        assert abs(metric.value - metric.perfect) <= 2 * half + 1e-9, name
    for name in ("pattern_divergence", "token_divergence"):
        metric = result.metrics[name]
        assert metric.value <= 3 * metric.perfect + 1e-9, name
        assert metric.value < metric.floor, name
    assert result.metrics["valid_rate"].value == 1.0


def test_macro_is_the_mean_over_shapes_and_pooled_the_mean_over_windows() -> None:
    shapes = np.array([0] * 30 + [6] * 10, dtype=np.int8)
    result = score(speak(LAWS, shapes, DECODINGS[0], 2), shapes, LAWS, DECODINGS[0])
    by_shape = [result.per_shape[SHAPES[code]]["coherence"].value for code in (0, 6)]
    assert result.metrics["macro_coherence"].value == pytest.approx(np.mean(by_shape))
    assert result.metrics["coherence"].value == pytest.approx(np.dot(by_shape, [0.75, 0.25]))
    assert set(result.per_shape) == {SHAPES[0], SHAPES[6]}


def test_sharpening_raises_coherence_and_is_seen_by_the_divergences() -> None:
    """A speaker that says one affine token a shape has coherence 1 and is no imitator."""
    said = [(AFFINE_TOKENS[SHAPES[code]][0],) for code in BALANCED]
    result = score(Spoken(said, ["SINGLE"] * len(said)), BALANCED, LAWS, DECODINGS[0])
    assert result.metrics["coherence"].value == 1.0
    assert result.metrics["pattern_divergence"].value > result.metrics["pattern_divergence"].floor
    assert result.metrics["diversity"].value < result.metrics["diversity"].perfect


def test_an_invalid_output_scores_nothing() -> None:
    shapes = np.array([8, 8], dtype=np.int8)
    result = score(Spoken([None, ("stillness",)], [None, "SINGLE"]), shapes, LAWS, DECODINGS[0])
    assert result.metrics["valid_rate"].value == 0.5
    assert result.metrics["coherence"].value == 0.5
    assert result.metrics["pattern_accuracy"].value == pytest.approx(LAWS[8].pattern_pmf()[0] / 2)


def test_excess_nats_stand_below_the_speaker_that_reads_nothing() -> None:
    nothing = ignorant(LAWS)
    exact = np.array([law.divergence(said) for law, said in zip(LAWS, nothing, strict=True)])
    spoken = speak(nothing, BALANCED, DECODINGS[0], 3)
    result = score(spoken, BALANCED, LAWS, DECODINGS[0], excess_nats=exact[BALANCED])
    macro = result.metrics["macro_excess_nats"]
    assert macro.value == pytest.approx(macro.floor) == pytest.approx(0.3162, abs=1e-4)
    assert macro.perfect == 0.0


def test_outputs_and_windows_must_match() -> None:
    with pytest.raises(InputError, match="1 outputs for 2 windows"):
        score(Spoken([("ripple",)], ["SINGLE"]), np.zeros(2, np.int8), LAWS, DECODINGS[0])
    with pytest.raises(InputError, match="0 outputs"):
        score(Spoken([], []), np.zeros(0, np.int8), LAWS, DECODINGS[0])


def test_baselines_on_the_published_mix() -> None:
    """reference/eisv.md §6: .265, .503, .780 by its definition, about .932, 1."""

    def mean(laws: list[ExpressionLaw]) -> float:
        return float(np.array([law.coherence() for law in laws]) @ MIX)

    assert mean(random_speaker()) == pytest.approx(0.265, abs=1e-3)
    assert mean(LAWS) == pytest.approx(0.503, abs=3e-3)
    assert mean(prompt_conditioned()) == pytest.approx(0.780, abs=1e-3)
    assert mean(feedback()) == pytest.approx(0.932, abs=4e-3)
    assert mean(oracle()) == pytest.approx(1.0)
    for laws in (random_speaker(), prompt_conditioned(), oracle(), constant("convergence", LAWS)):
        assert all(law.pmf.sum() == pytest.approx(1.0) for law in laws)


def test_the_mixture_is_the_best_that_reads_nothing() -> None:
    def macro_excess(speaker: list[ExpressionLaw]) -> float:
        return float(np.mean([a.divergence(b) for a, b in zip(LAWS, speaker, strict=True)]))

    best = macro_excess(ignorant(LAWS))
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = ExpressionLaw.mixture(LAWS, rng.dirichlet(np.ones(9) * 20))
        assert macro_excess([other] * 9) > best
    assert exact_result(ignorant(LAWS), DECODINGS[0], LAWS).metrics[
        "macro_excess_nats"
    ].value == pytest.approx(best)
