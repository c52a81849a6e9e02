"""Distances from perfect imitation, against simulation and against the study's own arithmetic."""

import numpy as np
import pytest

from eisv_lumen.evaluation.baselines import initial
from eisv_lumen.evaluation.report import Decoding
from eisv_lumen.evaluation.scoring import INHERITED
from eisv_lumen.expression.coherence import coherence
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.study.distance_to_perfect import perfect_imitation, standings
from eisv_lumen.study.facts import published_facts
from eisv_lumen.study.published import composition, published_reports

PLAIN = Decoding(temperature=0.3, top_k=0, top_p=1.0)


@pytest.mark.parametrize(("name", "decoding"), [("v4", PLAIN), ("v5", INHERITED)])
def test_mean_and_error_are_those_of_perfect_imitators_that_speak(
    name: str, decoding: Decoding
) -> None:
    shares, _ = composition(name)
    n, repeats = 360, 400
    mean, error = perfect_imitation(shares, n, decoding)
    rng = np.random.default_rng(7)
    totals = np.zeros(repeats)
    for shape, share, law in zip(SHAPES, shares, initial(), strict=True):
        k = round(share * n)
        told = law.tempered(decoding.temperature, top_k=decoding.top_k, top_p=decoding.top_p)
        scores = coherence(told.sample(k * repeats, rng), [shape] * (k * repeats))
        totals += scores.reshape(repeats, k).sum(1)
    assert totals.mean() / n == pytest.approx(mean, abs=4 * error / repeats**0.5)
    assert (totals / n).std() == pytest.approx(error, rel=0.15)


def test_shapes_that_are_drawn_add_their_own_variance() -> None:
    shares, drawn = composition("v6-real")
    assert drawn
    fixed, alone = perfect_imitation(shares, 500, PLAIN)
    random, with_shapes = perfect_imitation(shares, 500, PLAIN, drawn=True)
    assert random == fixed
    assert with_shapes > alone


def test_published_means_are_those_of_the_stated_compositions() -> None:
    """V5's is not the mean over its shapes: its test set was oversampled like its training set."""
    for name, run in standings()["runs"].items():
        if not name.endswith("-real"):
            assert run["published"] == pytest.approx(run["recomputed"], abs=7e-4), name
    by_shape = published_reports()["v5"].results[0].per_shape
    plain = np.mean([m["coherence"].value for m in by_shape.values()])
    assert plain == pytest.approx(0.925, abs=5e-4)


def test_where_the_published_runs_stand() -> None:
    runs = standings()["runs"]
    for name in ("v4", "v5", "v6", "v6-real"):
        assert abs(runs[name]["plain"]["distance"]) < 2, name
        assert runs[name]["nucleus"]["distance"] < -2.5, name
    assert runs["v5-real"]["plain"]["distance"] < -10


def test_facts_agree_with_the_tables_they_repeat() -> None:
    facts = published_facts()
    assert facts["log"]["n_windows"] == (facts["log"]["n_states"] - 20) // 10 + 1
    assert facts["mismatch"]["share"] == pytest.approx(1 - facts["label_agreement"]["4"])
    assert sum(facts["shape_shares"].values()) == pytest.approx(1, abs=2e-4)
    runs = standings()["runs"]
    assert facts["blind"]["balanced"]["perfect"] == pytest.approx(
        runs["v4"]["plain"]["perfect"], abs=5e-4
    )
