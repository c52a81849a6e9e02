"""The processes hold what they promise, and with them the claims of `lvm.md` §2."""

import mpmath
import numpy as np
import pytest

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.data.known_processes import NOISE, ROTATION, Process, ar1


def cos(a, b):
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.einsum("ij,ij->i", a, b) / norms


def margin(prediction, sequences):
    """cos(ŷ, y) − cos(ŷ, c_4), as the study took it."""
    return np.mean(
        cos(prediction, sequences.targets()) - cos(prediction, sequences.contexts()[:, -1])
    )


PROCESSES = [ar1(0.5), ar1(0.46, dim=384), ROTATION, NOISE, Process(0.05, 30.0, 384)]


@pytest.fixture(scope="module", params=PROCESSES, ids=str)
def drawn(request):
    return request.param, request.param.sample(80, 60, seed=3)


def test_cosines_by_lag_are_those_promised(drawn):
    process, s = drawn
    for lag in (1, 2, 3):
        found = cos(s.targets(), s.at_offset(-lag).vectors)
        assert found.mean() == pytest.approx(process.lag_cosine(lag), abs=0.02)


def test_the_prediction_is_the_least_squares_one(drawn):
    """No linear map of the five context vectors' directions lowers the error of new articles."""
    process, s = drawn
    y, best = s.targets(), process.predict(s.contexts())
    error = np.mean(np.sum((y - best) ** 2, 1))
    assert error == pytest.approx(1 - process.resultant**2, abs=0.02)
    for k in range(5):
        for step in (-0.1, 0.1):
            other = best + step * s.contexts()[:, k]
            assert np.mean(np.sum((y - other) ** 2, 1)) > error


def test_a_least_squares_predictor_meets_target_and_last_context_as_stated(drawn):
    """E⟨m, y⟩ = R² = |m|² and E⟨m, c_4⟩ = r_1: the raw margin is R² − r_1 (§2.3)."""
    process, s = drawn
    m = process.predict(s.contexts())
    assert np.sum(m * s.targets(), 1).mean() == pytest.approx(process.resultant**2, abs=0.02)
    last = s.contexts()[:, -1]
    assert np.sum(m * last, 1).mean() == pytest.approx(process.lag_cosine(1), abs=1e-6)


@pytest.mark.parametrize("phi", [0.3, 0.5, 0.8])
def test_on_ar1_the_optimum_scores_phi_minus_one(phi):
    s = ar1(phi).sample(80, 60, seed=4)
    assert margin(ar1(phi).predict(s.contexts()), s) == pytest.approx(phi - 1, abs=0.02)


def test_on_the_rotation_the_optimum_scores_plus_point_two():
    s = ROTATION.sample(80, 60, seed=5)
    assert margin(ROTATION.predict(s.contexts()), s) == pytest.approx(0.7 - 0.5, abs=0.02)


@pytest.mark.parametrize("process", [ar1(0.5), ROTATION], ids=["ar1", "rotation"])
def test_the_margin_cannot_tell_an_oracle_from_anti_copying(process):
    s = process.sample(80, 60, seed=6)
    oracle, anti = margin(s.targets(), s), margin(-s.contexts()[:, -1], s)
    assert oracle == pytest.approx(1 - process.lag_cosine(1), abs=0.02)
    assert anti == pytest.approx(oracle, abs=1e-6)


@pytest.mark.parametrize("process", [ar1(0.5), ROTATION], ids=["ar1", "rotation"])
def test_scores_are_log_odds_that_are_right_as_often_as_they_say(process):
    """The true next chunk against one of a uniform pool: sigmoid of the score difference."""
    s = process.sample(80, 60, seed=7)
    pool = NOISE.sample(1, 400, seed=8).vectors[: len(s) // 10]
    contexts, targets = s.contexts()[: len(pool)], s.targets()[: len(pool)]
    true = np.diag(process.scores(contexts, targets))
    false = np.diag(process.scores(contexts, pool))
    said = 1 / (1 + np.exp(-np.abs(true - false)))
    assert np.mean(true > false) == pytest.approx(said.mean(), abs=0.02)


def test_ar1_scores_order_as_copy_last_does(chains):
    process = ar1(0.5, dim=16)
    by_copy = chains.contexts()[:, -1] @ chains.vectors.T
    scores = process.scores(chains.contexts(), chains.vectors)
    np.testing.assert_allclose(scores / process.concentration, by_copy, atol=1e-5)


def test_the_turn_is_a_rotation_by_the_angle():
    x = NOISE.sample(1, 50, seed=9).vectors
    turned = ROTATION.turn(x)
    np.testing.assert_allclose(cos(x, turned), 0.5, atol=1e-5)
    six = x
    for _ in range(6):
        six = ROTATION.turn(six)
    np.testing.assert_allclose(six, x, atol=1e-5)


@pytest.mark.parametrize(("phi", "dim"), [(0.3, 8), (0.9, 64), (0.05, 768), (0.99, 4)])
def test_the_concentration_is_that_of_the_bessel_ratio(phi, dim):
    k = Process(phi, dim=dim).concentration
    ratio = mpmath.besseli(dim / 2, k) / mpmath.besseli(dim / 2 - 1, k)
    assert float(ratio) == pytest.approx(phi, abs=1e-9)


def test_draws_are_unit_vectors_and_depend_on_the_seed_alone():
    a, b, c = (ROTATION.sample(3, 9, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.vectors, b.vectors)
    assert not np.array_equal(a.vectors, c.vectors)
    np.testing.assert_allclose(np.linalg.norm(a.vectors, axis=1), 1, atol=1e-6)
    assert len(a) == 3 * (9 - 5)


@pytest.mark.parametrize("resultant", [-0.1, 1.0])
def test_an_impossible_resultant_is_refused(resultant):
    with pytest.raises(InputError, match="resultant"):
        Process(resultant)


def test_an_odd_width_has_no_planes():
    with pytest.raises(InputError, match="dim 3"):
        Process(0.5, dim=3)
