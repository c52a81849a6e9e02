"""What is fitted is what generated the laws; scores are what a slow, obvious loop gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eisv_lumen.evaluation.baselines import constant, ignorant
from eisv_lumen.evaluation.metrics import kl_rows
from eisv_lumen.evaluation.scoring import DECODINGS, score_laws
from eisv_lumen.expression.coherence import coherence
from eisv_lumen.expression.law import EXPRESSIONS, ExpressionLaw, initial_laws
from eisv_lumen.expression.vocabulary import AFFINE, PATTERN_PMF, SHAPES
from eisv_lumen.student.first_tokens import BEGINNINGS
from eisv_lumen.student.fit import NetRecipe, fit_mixed_rows, fit_net
from eisv_lumen.student.format import Rows, laws_of_rows
from eisv_lumen.study.forests import fit_study_forests, read_shapes
from eisv_lumen.trajectory.simulate.lumen_like import summaries_like_real

LAWS = initial_laws()
PMF = np.stack([law.pmf for law in LAWS])


def test_the_rows_of_the_law_are_the_tables_of_the_law(law_rows):
    np.testing.assert_allclose(law_rows.patterns, PATTERN_PMF, atol=1e-5)
    ratio = law_rows.weights / law_rows.weights.min(1, keepdims=True)
    np.testing.assert_allclose(ratio, np.where(AFFINE, 3.0, 1.0), atol=1e-4)


def test_rows_are_found_behind_mixtures(law_rows):
    rng = np.random.default_rng(2)
    mixture = rng.dirichlet(np.full(9, 0.2), 150)
    laws = mixture @ PMF
    even = Rows(np.full((9, 5), 0.2), law_rows.weights**0.5)
    found = laws_of_rows(fit_mixed_rows(laws, np.full(150, 1 / 150), even, steps=120))
    # every law is a mixture of the rows that were found: least squares leaves next to nothing
    left = laws - laws @ np.linalg.pinv(found) @ found
    assert np.abs(left).sum(1).mean() < 0.02


def nearest(laws, rows):
    """Mean KL of laws to their nearest mixtures of rows: EM, one law at a time."""
    table, left = laws_of_rows(rows), []
    for law in laws:
        mix = np.full(len(table), 1 / len(table))
        for _ in range(60):
            mix *= table @ (law / (mix @ table))
        left.append(float(np.sum(law * np.log(law / (mix @ table)))))
    return np.mean(left)


def test_rows_that_begin_near_a_teacher_end_nearer_where_most_shapes_are_rare(law_rows):
    # A teacher's laws: now one shape, now two, a little blunted. From even mixtures the rows of
    # rare shapes turn into second ones of the common shapes, and end farther than they were.
    rng = np.random.default_rng(3)
    laws = (rng.dirichlet([0.5] * 2 + [0.01] * 7, 120) @ PMF) ** 0.97
    laws /= laws.sum(1, keepdims=True)
    found = fit_mixed_rows(laws, np.full(120, 1 / 120), law_rows, steps=100)
    assert nearest(laws, found) < 0.7 * nearest(laws, law_rows)


def test_a_network_learns_to_read_and_repeats_itself(law_rows):
    shape, summary = summaries_like_real(6000, 21)
    test_shape, test = summaries_like_real(800, 22)
    begins = (PMF @ BEGINNINGS)[shape]
    recipe = NetRecipe(hidden=8, steps=800, batch=256)
    net = fit_net(summary, begins, law_rows, BEGINNINGS, recipe)
    excess = kl_rows(PMF[test_shape], net.read(test) @ PMF).mean()
    prior = np.bincount(test_shape, minlength=9) / len(test_shape)
    assert excess < 0.35 * kl_rows(PMF[test_shape], np.tile(prior @ PMF, (800, 1))).mean()
    again = fit_net(summary, begins, law_rows, BEGINNINGS, recipe)
    assert all(
        np.array_equal(getattr(net, name), getattr(again, name))
        for name in ("hidden", "hidden_bias", "out", "out_bias")
    )
    assert net.n_states == (4,)
    np.testing.assert_array_equal(net.hidden[:, 0], 0)  # what never varies is not read


def test_a_fit_is_the_same_for_any_number_of_threads(law_rows):
    rng = np.random.default_rng(5)
    laws = rng.dirichlet(np.full(9, 0.2), 150) @ PMF
    shape, summary = summaries_like_real(3000, 23)
    begins = (PMF @ BEGINNINGS)[shape]
    recipe = NetRecipe(steps=200)

    def fit(threads):
        torch.set_num_threads(threads)
        rows = fit_mixed_rows(laws, np.full(150, 1 / 150), law_rows, steps=20)
        net = fit_net(summary, begins, law_rows, BEGINNINGS, recipe)
        return rows.weights.tobytes(), net.hidden.tobytes(), torch.get_num_threads()

    before = torch.get_num_threads()
    try:
        (*one, _), (*two, left) = fit(1), fit(2)
    finally:
        torch.set_num_threads(before)
    assert one == two
    assert left == 2  # what the caller had set


def test_beginnings_partition_the_support():
    assert (BEGINNINGS.sum(1) == 1).all() and BEGINNINGS.sum() == len(EXPRESSIONS)


SHAPE = np.array([0, 0, 8, 3, 3, 3, 7], np.int8)


def slow(spoken, teacher, temperature):
    """Mean coherence, excess nats, teacher's excess nats and overlap: one window at a time."""
    rows = []
    for i, code in enumerate(SHAPE):
        said = ExpressionLaw(spoken[i]).tempered(temperature).pmf
        law = LAWS[code].tempered(temperature).pmf
        taught = ExpressionLaw(teacher[i]).tempered(temperature).pmf
        scores = coherence(EXPRESSIONS, SHAPES[code])
        rows.append(
            [
                sum(p * c for p, c in zip(said, scores, strict=True)),
                sum(p * np.log(p / q) for p, q in zip(law, said, strict=True) if p > 0),
                sum(p * np.log(p / q) for p, q in zip(taught, said, strict=True) if p > 0),
                sum(min(p, q) for p, q in zip(taught, said, strict=True)),
            ]
        )
    return np.array(rows)


def exact_scores(spoken, shape, teacher=None):
    return [score_laws(spoken, shape, LAWS, decoding, teacher=teacher) for decoding in DECODINGS]


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_scores_are_what_a_slow_loop_gives(temperature):
    rng = np.random.default_rng(4)
    spoken = rng.dirichlet(np.full(9, 0.5), len(SHAPE)) @ PMF
    teacher = rng.dirichlet(np.full(9, 0.5), len(SHAPE)) @ PMF
    (result,) = (
        r
        for r in exact_scores(spoken, SHAPE, teacher=teacher)
        if r.decoding.temperature == temperature
    )
    rows = slow(spoken, teacher, temperature)
    names = ("coherence", "excess_nats", "teacher_excess_nats", "teacher_overlap")
    for name, column in zip(names, rows.T, strict=True):
        assert result.metrics[name].value == pytest.approx(column.mean())
        macro = np.mean([column[code == SHAPE].mean() for code in np.unique(SHAPE)])
        assert result.metrics[f"macro_{name}"].value == pytest.approx(macro)
        assert result.per_shape[SHAPES[3]][name].value == pytest.approx(column[SHAPE == 3].mean())
        assert result.metrics[name].low <= result.metrics[name].value <= result.metrics[name].high


def test_a_perfect_speaker_is_perfect_and_one_that_reads_nothing_stands_on_the_floor():
    mix = np.bincount(SHAPE, minlength=9) / len(SHAPE)
    for result in exact_scores(PMF[SHAPE], SHAPE):
        for metric in (result.metrics["coherence"], result.metrics["macro_coherence"]):
            assert metric.value == pytest.approx(metric.perfect, abs=1e-12)
        if result.decoding.temperature:
            assert result.metrics["excess_nats"].value == pytest.approx(0, abs=1e-12)
    nothing = np.stack([law.pmf for law in ignorant(LAWS, mix)])[SHAPE]
    metric = exact_scores(nothing, SHAPE)[0].metrics["excess_nats"]
    assert metric.value == pytest.approx(metric.floor)
    worse = np.stack([law.pmf for law in constant("convergence", LAWS)])[SHAPE]
    assert exact_scores(worse, SHAPE)[0].metrics["excess_nats"].value > metric.floor


def test_the_studys_votes_are_sharper_than_what_they_were_taught():
    shape, summary = summaries_like_real(1500, 31)
    test_shape, test = summaries_like_real(200, 32)
    taught = [law.tempered(0.3) for law in LAWS]
    forests = fit_study_forests(summary, shape, taught)
    means = {}
    for vote in (True, False):
        laws = forests.laws(test, test_shape, vote=vote)
        np.testing.assert_allclose(laws.sum(1), 1)
        result = exact_scores(laws, test_shape)[0]
        assert "excess_nats" not in result.metrics  # they have no third token
        means[vote] = result.metrics["coherence"].value
    perfect = float(np.mean([taught[c].coherence() for c in test_shape]))
    assert means[True] > perfect > means[False]


def test_a_forest_reads_shapes_from_summaries():
    shape, summary = summaries_like_real(3000, 41)
    test_shape, test = summaries_like_real(500, 42)
    read = read_shapes("random forest, 20 trees", summary, shape)(test)
    np.testing.assert_allclose(read.sum(1), 1)
    assert (read.argmax(1) == test_shape).mean() > 0.9
