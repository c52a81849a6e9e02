"""The published test: what it says of perfection, with its slips and without (`lvm.md` §2)."""

from __future__ import annotations

import numpy as np
import pytest

from eisv_lumen.lvm.alignment.five_cat import PublishedTest, offset_sweep, published_tests
from eisv_lumen.lvm.alignment.predictions import Predictor, articles_of, ask
from eisv_lumen.lvm.data.known_processes import ROTATION, ar1
from eisv_lumen.lvm.data.sequences import SequenceSet
from eisv_lumen.lvm.predictors.baselines import baseline, oracle

AR1 = ar1(0.46, dim=64)


@pytest.fixture(scope="module")
def chain() -> SequenceSet:
    return AR1.sample(20, 40, seed=0)


def run_on(model: Predictor, s: SequenceSet, as_published: bool) -> dict[str, PublishedTest]:
    articles = articles_of(s)
    said = ask(model, articles, restore=as_published)
    assert said.vectors is not None
    found = published_tests(
        articles, said.vectors, ablated=said.ablated, rollout=said.rollout,
        as_published=as_published,
    )  # fmt: skip
    return {test.letter: test for test in found}


def numbers(test: PublishedTest) -> dict[str, float]:
    return {check.name: check.found for check in test.checks}


def test_the_offset_off_by_one_condemns_perfection(chain: SequenceSet) -> None:
    """A perfect oracle gets r_1 − 1; who predicts the chunk after the target gets 1 − r_1."""
    r1 = AR1.lag_cosine(1)
    slipped = run_on(oracle(chain), chain, True)["A"]
    assert numbers(slipped)["margin"] == pytest.approx(r1 - 1, abs=0.03) and not slipped.passed
    mended = run_on(oracle(chain), chain, False)["A"]
    assert numbers(mended)["margin"] == pytest.approx(1 - r1, abs=0.03) and mended.passed
    articles = articles_of(chain)
    late = np.zeros((len(chain), chain.dim), np.float32)
    for a in articles:
        rows, present = a.rows_at(1)
        late[a.windows] = a.chunks[rows] * present[:, None]
    sweep = offset_sweep(articles, late, as_published=True)
    assert sweep[1] - max(v for k, v in sweep.items() if k != 1) == pytest.approx(1 - r1, abs=0.03)


def test_two_float_paths_of_one_similarity_take_first_places_from_perfection(chain) -> None:
    slipped = numbers(run_on(oracle(chain), chain, True)["B"])
    mended = numbers(run_on(oracle(chain), chain, False)["B"])
    assert slipped["recall_1"] < 1 and slipped["recall_5"] == 1
    assert (mended["recall_1"], mended["mrr"]) == (1, 1)


def test_the_padding_gives_the_context_back(chain: SequenceSet) -> None:
    """Copy-last does not notice a loss: with the slip it loses nothing at all."""
    copy = baseline("copy-last")
    slipped = numbers(run_on(copy, chain, True)["C"])
    mended = numbers(run_on(copy, chain, False)["C"])
    assert slipped["leave_one_out"] == 0
    r1, r2 = AR1.lag_cosine(1), AR1.lag_cosine(2)
    assert mended["leave_one_out"] == pytest.approx((r2 - r1) / 5, abs=0.02)


def test_a_rollout_counted_late_reads_the_wrong_chunks() -> None:
    s = ROTATION.sample(20, 40, seed=1)
    model = Predictor("optimal", predict=ROTATION.predict)
    exact = np.mean([ROTATION.resultant**h for h in range(1, 6)])
    late = np.mean([ROTATION.resultant ** (h + 1) * np.cos(np.radians(60)) for h in range(1, 6)])
    mended = numbers(run_on(model, s, False)["D"])["rollout"]
    slipped = numbers(run_on(model, s, True)["D"])["rollout"]
    assert mended == pytest.approx(exact, abs=0.04)
    assert slipped == pytest.approx(late, abs=0.04)


def test_the_margin_cannot_tell_perfection_from_anti_copying(chain: SequenceSet) -> None:
    """Against c_4 alone, as the study's margin in training: the oracle and −c_4 score the same."""
    r1 = AR1.lag_cosine(1)
    for model, against_next in ((oracle(chain), 1.0), (baseline("minus-last"), -r1)):
        sweep = offset_sweep(articles_of(chain), ask(model, articles_of(chain)).vectors)
        assert sweep[1] == pytest.approx(against_next, abs=0.03)
        assert sweep[1] - sweep[0] == pytest.approx(1 - r1, abs=0.03)


def test_with_the_context_among_the_candidates_copy_last_never_comes_first(chain) -> None:
    assert numbers(run_on(baseline("copy-last"), chain, False)["B"])["recall_1"] == 0


def test_thresholds_differ_between_the_sets(chain: SequenceSet) -> None:
    articles = articles_of(chain)
    said = ask(oracle(chain), articles).vectors
    inside, outside = (published_tests(articles, said, ood=ood) for ood in (False, True))
    assert [c.bound for c in inside[0].checks] == [0.50, 0.12]
    assert [c.bound for c in outside[0].checks] == [0.48, 0.10]
    assert [c.bound for c in outside[1].checks] == [0.55, 0.92, 0.75]
    gap = published_tests(articles, said, in_domain_cosine=0.9)
    coherent = next(t for t in gap if t.letter == "E")
    assert coherent.checks[0].found == pytest.approx(0.1, abs=1e-5) and not coherent.passed
    assert not any(t.letter == "E" for t in published_tests(articles, said))
