"""Gates stand where they say, and ask what they say: each just passed and just missed."""

import numpy as np
import pytest

from eisv_lumen.evaluation.baselines import ignorant, initial
from eisv_lumen.evaluation.gates import calibrated_gates, published_gates
from eisv_lumen.evaluation.metrics import law_rows
from eisv_lumen.evaluation.report import DecodedResult, EvalReport, Metric, provenance
from eisv_lumen.evaluation.scoring import DECODINGS, Spoken, _centred, score, score_laws

LAWS = initial()
PMF = law_rows(LAWS)


def result(**metrics):
    return DecodedResult(decoding=DECODINGS[0], n=9, metrics=metrics)


def decided(excess=None, coherence=None):
    coherence = coherence or Metric(value=0.5, low=0.4, high=0.6, perfect=0.5)
    metrics = {"coherence": coherence} | ({"macro_excess_nats": excess} if excess else {})
    report = EvalReport(
        kind="measured", name="x", title="x", target="initial", results=[result(**metrics)],
        provenance=provenance("a test"),
    )  # fmt: skip
    return {gate.name: gate.passed for gate in calibrated_gates(report)}


@pytest.mark.parametrize(
    ("coherence", "valid", "passed"),
    [
        (0.9331, 0.90, [True, True, True]),
        (0.933, 0.90, [False, True, True]),  # gate 1 asks for more than .933
        (0.90, 0.8999, [False, False, True]),
        (0.8999, 1.0, [False, True, False]),
    ],
)
def test_the_published_gates_stand_at_their_thresholds(coherence, valid, passed):
    found = result(coherence=Metric(value=coherence), valid_rate=Metric(value=valid))
    assert [gate.passed for gate in published_gates(found)] == passed


@pytest.mark.parametrize(
    ("value", "high", "floor", "imitation", "reads"),
    [
        (0.02, 0.05, 0.05, True, True),
        (0.02, 0.0501, 0.3, False, True),  # its upper bound counts, not its value
        (0.20, 0.31, 0.3, False, False),  # the interval reaches the floor, the value does not
    ],
)
def test_imitation_is_decided_by_the_upper_bound(value, high, floor, imitation, reads):
    found = decided(Metric(value=value, low=0.0, high=high, floor=floor))
    assert (found["imitation"], found["reads"]) == (imitation, reads)


@pytest.mark.parametrize(("value", "passed"), [(0.619, True), (0.621, False), (0.379, False)])
def test_calibration_allows_two_hundredths_beyond_the_interval(value, passed):
    coherence = Metric(value=value, low=value - 0.1, high=value + 0.1, perfect=0.5)
    assert decided(coherence=coherence)["calibration"] is passed


def test_floors_of_means_over_shapes_are_of_the_shapes_that_are_there():
    shapes = np.array([0] * 30 + [6] * 10, dtype=np.int8)
    found = score_laws(PMF[shapes], shapes, LAWS, DECODINGS[0]).metrics
    each = score_laws(PMF, np.arange(9).astype(np.int8), LAWS, DECODINGS[0]).per_shape
    of = [each[name]["coherence"] for name in ("settled_presence", "drift_dissonance")]
    for part in ("floor", "perfect"):
        values = [getattr(metric, part) for metric in of]
        assert getattr(found["macro_coherence"], part) == pytest.approx(np.mean(values))
        assert getattr(found["coherence"], part) == pytest.approx(np.dot(values, [0.75, 0.25]))


def test_reading_nothing_is_as_good_as_the_mix_of_windows_lets_it_be():
    """The floor of a mean over windows mixes as windows do, that over shapes evenly."""
    shapes = np.array([0] * 30 + [6] * 10, dtype=np.int8)
    found = score_laws(PMF[shapes], shapes, LAWS, DECODINGS[0]).metrics
    for name, mix in (("excess_nats", [0.75, 0.25]), ("macro_excess_nats", [0.5, 0.5])):
        weights = np.zeros(9)
        weights[[0, 6]] = mix
        nothing = ignorant(LAWS, weights)[0]
        expected = sum(w * law.divergence(nothing) for w, law in zip(weights, LAWS, strict=True))
        assert found[name].floor == pytest.approx(expected)


def test_a_perfect_imitators_diversity_is_that_of_the_same_mix():
    shapes = np.array([0] * 30 + [6] * 10, dtype=np.int8)
    said = score_laws(PMF[shapes], shapes, LAWS, DECODINGS[0]).metrics["diversity"]
    assert said.perfect == pytest.approx(said.value)
    words = Spoken([("ripple",)] * 40, ["SINGLE"] * 40)
    drawn = score(words, shapes, LAWS, DECODINGS[0]).metrics["diversity"]
    assert drawn.perfect == pytest.approx(said.value) and drawn.value == 0


def test_resamples_keep_the_windows_of_each_shape():
    """One window a shape: every resample is the sample, so a divergence has no spread."""
    shapes = np.arange(9).astype(np.int8)
    words = Spoken([("ripple",)] * 9, ["SINGLE"] * 9)
    metric = score(words, shapes, LAWS, DECODINGS[0]).metrics["token_divergence"]
    assert metric.low == pytest.approx(metric.value) == pytest.approx(metric.high)


def test_the_bootstraps_bias_is_taken_off():
    """Resampled divergences lie above the sample's by what resampling adds."""
    resampled = 0.7 + 0.01 * np.random.default_rng(0).standard_normal(4000)
    low, high = _centred(resampled, 0.5, 1000)
    assert low == pytest.approx(0.48, abs=2e-3) and high == pytest.approx(0.52, abs=2e-3)
    assert _centred(resampled, 0.001, 1000)[0] == 0
