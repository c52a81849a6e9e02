"""The arrays of the alignment tests, held to loops over windows and candidates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.alignment_loop import read_window
from eisv_lumen.lvm.alignment.ablations import ABLATIONS, ablate, backward, contexts_of, shuffled
from eisv_lumen.lvm.alignment.articles import articles_of_examples, articles_of_rows
from eisv_lumen.lvm.alignment.bootstrap import ArticleBootstrap, difference
from eisv_lumen.lvm.alignment.calibrated_gates import transfer_gate
from eisv_lumen.lvm.alignment.fit_and_read import calibrate, read
from eisv_lumen.lvm.alignment.five_cat import (
    OFFSETS,
    offset_sweep,
    published_tests,
    typical_cosine,
)
from eisv_lumen.lvm.alignment.identification import (
    TIE,
    fit_logit,
    identify,
    log_softmax,
    ranks,
)
from eisv_lumen.lvm.alignment.predictions import Predictor, articles_of, ask
from eisv_lumen.lvm.alignment.records import COPY, LAG, LAG_CENTRED, SCALARS, Readings
from eisv_lumen.lvm.data.known_processes import ROTATION
from eisv_lumen.lvm.data.sequences import SequenceSet


def uneven(seed: int, dim: int = 6) -> SequenceSet:
    """Articles of 6 to 14 chunks, some of them twice, and a few windows left out."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(6, 15, 9)
    vectors = rng.standard_normal((lengths.sum(), dim)).astype(np.float32)
    vectors[3] = vectors[1]  # a chunk that an article says twice
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    article = np.repeat(np.arange(9, dtype=np.int32), lengths)
    position = np.concatenate([np.arange(n, dtype=np.int32) for n in lengths])
    starts = np.flatnonzero(article[5:] == article[:-5])
    keep = rng.random(starts.size) < 0.8
    keep[0] = True
    starts = rng.permutation(starts[keep])
    return SequenceSet(vectors, article, position, tuple("abcdefghi"), starts)


def mixing(seed: int, dim: int = 6) -> Predictor:
    """A linear model of no merit, whose answers have no fixed length."""
    weights = np.random.default_rng(seed).standard_normal((5 * dim, dim)).astype(np.float32)
    return Predictor("mixing", predict=lambda c: c.reshape(len(c), -1) @ weights)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_every_reading_is_that_of_the_loop(seed: int) -> None:
    s, other = uneven(seed), uneven(seed + 1)
    model = mixing(seed)
    fitted = calibrate(articles_of(other), ask(model, articles_of(other)), {})
    articles = articles_of(s)
    answers = ask(model, articles)
    found = read(articles, answers, {}, fitted)
    slow = [read_window(s, i, answers, fitted) for i in range(len(s))]
    pairs = {
        "bits": found.bits, "uniform": found.uniform, "recall_1": found.recall_1,
        "recall_5": found.recall_5, "reciprocal": found.reciprocal, "lost": found.lost,
        "forward": found.forward, "cosine": found.cosine, "error": found.error,
        "copy-last": found.floor_bits[COPY], "lag": found.floor_bits[LAG],
        "centred": found.floor_bits[LAG_CENTRED], "scalars": found.floor_errors[SCALARS],
        "copied": found.floor_errors[COPY], "with_last": found.with_last,
        "r_1": found.target_with_last,
        **{f"step {h}": found.rollout[:, h] for h in range(5)},
        **{f"repeat {h}": found.rollout_floors[COPY][:, h] for h in range(5)},
        **{f"mean {h}": found.rollout_floors["article mean"][:, h] for h in range(5)},
    }  # fmt: skip
    for name, fast in pairs.items():
        np.testing.assert_allclose(fast, [w[name] for w in slow], atol=3e-4, err_msg=name)

    def mean(name: str) -> float:
        return float(np.nanmean([w[name] for w in slow]))

    sweep = {k: mean(f"at {k}") for k in OFFSETS if np.isfinite([w[f"at {k}"] for w in slow]).any()}
    assert offset_sweep(articles, answers.vectors) == pytest.approx(sweep, abs=1e-5)
    tests = published_tests(articles, answers.vectors, ablated=answers.ablated,
                            rollout=answers.rollout)  # fmt: skip
    said = {check.name: check.found for test in tests for check in test.checks}
    assert said["margin"] == pytest.approx(
        sweep[1] - max(v for k, v in sweep.items() if k != 1), abs=1e-5
    )
    assert said["mrr"] == pytest.approx(mean("B reciprocal"), abs=1e-5)
    assert said["recall_1"] == pytest.approx(mean("B recall_1"), abs=1e-5)
    assert {n: said[n] for n in ABLATIONS} == pytest.approx(
        {n: mean(n) for n in ABLATIONS}, abs=1e-5
    )
    steps = np.array([[w[f"step {h}"] for h in range(5)] for w in slow])
    assert said["rollout"] == pytest.approx(np.nanmean(steps), abs=1e-5)


def test_offsets_are_those_of_the_vectors(turning: SequenceSet) -> None:
    for ahead in (0, 1):
        for article in articles_of(turning, ahead):
            context, target = (
                article.chunks[article.context_rows],
                article.chunks[article.rows_at(0)[0]],
            )
            assert np.array_equal(target, article.chunks[article.target_rows])
            last, there = article.rows_at(-1 - ahead)
            assert there.all() and np.array_equal(article.chunks[last], context[:, -1])
            first, there = article.rows_at(-5 - ahead)
            assert there.all() and np.array_equal(article.chunks[first], context[:, 0])
            after, there = article.rows_at(1)
            at_end = article.target_rows == len(article.chunks) - 1
            assert np.array_equal(there, ~at_end)
            assert np.array_equal(after[there], article.target_rows[there] + 1)


def test_a_gap_in_positions_is_no_neighbour(turning: SequenceSet) -> None:
    position = turning.position.copy()
    position[turning.article == 0] += 100 * (position[turning.article == 0] >= 10)
    from eisv_lumen.lvm.alignment.articles import articles_of_rows

    cut = articles_of_rows(turning.vectors, turning.article, position, turning.starts, 5)[0]
    assert cut.windows.size == 30 - 2 * 5  # of each part of 10 and 20 chunks
    end = cut.position[cut.target_rows] == 9
    assert end.any() and not cut.rows_at(1)[1][end].any()


def test_loose_examples_give_the_articles_back(turning: SequenceSet) -> None:
    order = np.random.default_rng(0).permutation(len(turning))
    articles = articles_of_examples(
        2 * turning.contexts()[order], turning.targets()[order],
        [turning.article_ids[a] for a in turning.window_article[order]],
        turning.position[turning.target_rows[order]],
    )  # fmt: skip
    for article in articles:
        np.testing.assert_allclose(
            article.chunks[article.context_rows], turning.contexts()[order][article.windows],
            atol=1e-6,
        )  # fmt: skip
    assert sum(len(a.chunks) for a in articles) == len(turning.vectors)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c, y, p: (np.zeros_like(c), y, p), "example 0, context chunk 0: zero or not"),
        (lambda c, y, p: (c, y * np.where(np.arange(len(y)) == 2, np.nan, 1)[:, None], p),
         "example 2, target: zero or not"),
        (lambda c, y, p: (c, y, p + np.arange(len(p))), "two examples show different chunks"),
        (lambda c, y, p: (c[:, 0], y, p), "they must be"),
        (lambda c, y, p: (c, y, p[:3]), "give one place for each"),
    ],
)  # fmt: skip
def test_loose_examples_that_cannot_be(turning: SequenceSet, spoil, said: str) -> None:
    names = [str(a) for a in turning.window_article]
    c, y, p = spoil(turning.contexts(), turning.targets(), turning.position[turning.target_rows])
    with pytest.raises(ValueError, match=said):
        articles_of_examples(c, y, names, p)


def test_ablations_are_what_they_are_called(turning: SequenceSet) -> None:
    c = turning.contexts()
    made = ablate(c, seed=3)
    assert tuple(made) == ABLATIONS
    np.testing.assert_allclose(np.sort(made["shuffled"][0], axis=1), np.sort(c, axis=1))
    assert np.array_equal(made["reversed"][0][:, 0], c[:, 4])
    assert [np.array_equal(one, c) for one in made["leave_one_out"]] == [False] * 5
    assert np.array_equal(made["leave_one_out"][4], c[:, [0, 1, 2, 3, 3]])
    assert np.array_equal(made["leave_one_out"][1], c[:, [0, 2, 3, 4, 4]])
    assert np.array_equal(made["all_last"][0], c[:, [4] * 5])
    assert np.array_equal(made["first_for_last"][0], c[:, [0, 1, 2, 3, 0]])
    slipped = ablate(c, restore=True)["leave_one_out"]
    assert np.array_equal(slipped[4], c)  # the study's padding gives the context back
    assert np.array_equal(shuffled(c, 3), made["shuffled"][0])


def test_the_context_from_behind_mirrors_the_one_from_before(turning: SequenceSet) -> None:
    """A chunk's backward context is the forward one of the article read backwards."""
    articles = articles_of(turning)
    behind = backward(articles)
    for article in articles:
        whole = article.rows_at(5)[1]
        rows = article.target_rows[whole]
        np.testing.assert_array_equal(
            behind[article.windows[whole]], article.chunks[rows[:, None] + np.arange(5, 0, -1)]
        )
        np.testing.assert_array_equal(
            behind[article.windows[~whole]], contexts_of(articles)[article.windows[~whole]]
        )


def test_the_logit_finds_the_weights_that_made_the_choices() -> None:
    """Targets drawn from a known conditional logit: the fit comes close, the slope is 0 there."""
    s = ROTATION.sample(60, 40, seed=0)
    articles = articles_of(s)
    rng = np.random.default_rng(1)
    true = np.array([2.0, -1.0, 0.5])
    features = [
        rng.standard_normal((a.windows.size, 3, len(a.chunks))).astype(np.float32) for a in articles
    ]
    for a, f in zip(articles, features, strict=True):
        logits = np.einsum("f,nfm->nm", true, f)
        np.put_along_axis(logits, a.context_rows, -np.inf, axis=1)
        drawn = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
        # Swap the drawn candidate's features into the target's place.
        n = np.arange(len(f))
        f[n, :, a.target_rows], f[n, :, drawn] = (
            f[n, :, drawn].copy(),
            f[n, :, a.target_rows].copy(),
        )
    weights, value = fit_logit(articles, features)
    np.testing.assert_allclose(weights, true, atol=0.15)
    found = identify(articles, [np.einsum("f,nfm->nm", weights, f) for f in features])
    nats = (found.bits - found.uniform).mean() * np.log(2)
    assert value == pytest.approx(nats, abs=1e-4)
    for i in range(3):
        for step in (-0.02, 0.02):
            moved = weights + step * (np.arange(3) == i)
            there = identify(articles, [np.einsum("f,nfm->nm", moved, f) for f in features])
            assert there.bits.mean() < found.bits.mean()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 3))
def test_tied_ranks_are_means_over_all_orders(others: list[int], own: int) -> None:
    from itertools import permutations

    from eisv_lumen.lvm.alignment.identification import ranks, recall_at, reciprocal_rank

    scores = np.array([[own, *others]], np.float32)
    above, tied = ranks(scores, np.array([0]))
    equal = sum(o == own for o in others)
    places = [
        sum(o > own for o in others) + order.index(0) + 1
        for order in permutations(range(min(equal, 4) + 1))
    ]
    if equal <= 4:
        assert reciprocal_rank(above, tied)[0] == pytest.approx(np.mean([1 / p for p in places]))
        for k in (1, 5):
            assert recall_at(k, above, tied)[0] == pytest.approx(np.mean([p <= k for p in places]))


def test_a_softmax_of_hidden_candidates() -> None:
    scores = np.array([[1.0, -np.inf, 3.0]], np.float32)
    found = log_softmax(scores)[0]
    assert found[1] == -np.inf
    assert np.exp(found[[0, 2]]).sum() == pytest.approx(1)
    assert found[2] - found[0] == pytest.approx(2)


def test_intervals_are_over_articles_not_windows() -> None:
    """Windows that say the same inside an article: many of them are no more than one."""
    rng = np.random.default_rng(0)
    per_article = rng.standard_normal(40)
    few = ArticleBootstrap(np.arange(40)).interval(per_article)
    many = ArticleBootstrap(np.repeat(np.arange(40), 50)).interval(np.repeat(per_article, 50))
    assert many == pytest.approx(few)
    width = few[1] - few[0]
    assert width == pytest.approx(2 * 2.02 * per_article.std(ddof=1) / np.sqrt(40), rel=0.15)
    with pytest.raises(ValueError, match="at least 8"):
        ArticleBootstrap(np.arange(7))


def test_scores_as_near_as_rounding_are_ties_not_above() -> None:
    scores = np.array([[0.5, 0.5 + 0.5 * TIE, 0.5 - 0.5 * TIE, 0.6, 0.4]])
    above, tied = ranks(scores, np.array([0]))
    assert (above[0], tied[0]) == (1, 2)


def test_windows_of_a_context_too_like_itself_are_not_typical() -> None:
    """Coherence has an upper bound, too: contexts that repeat themselves are left out."""
    repeated = np.tile(np.eye(4, dtype=np.float32)[:1], (6, 1))
    half = np.zeros((6, 4), np.float32)
    half[0, 0] = 1  # each next chunk at 60 degrees from the one before, in a plane
    for k in range(1, 6):
        half[k, :2] = np.cos(k * np.pi / 3), np.sin(k * np.pi / 3)
    vectors = np.concatenate([repeated, half])
    articles = articles_of_rows(
        vectors, np.repeat([0, 1], 6), np.tile(np.arange(6), 2), np.array([0, 6]), 5
    )
    said = np.stack([-vectors[5], vectors[11]])  # wrong of the first, right of the second
    assert typical_cosine(articles, said) == pytest.approx(1)


def test_differences_of_two_sets_are_wider_than_either() -> None:
    low, high = difference(0.5, (0.4, 0.7), 0.2, (0.1, 0.25))
    assert low == pytest.approx(0.3 - np.hypot(0.1, 0.05))
    assert high == pytest.approx(0.3 + np.hypot(0.2, 0.1))


def test_transfer_is_passed_by_the_interval_not_by_the_value() -> None:
    """Skill on other articles that is above 0 on average, and not certainly."""
    codes = np.repeat(np.arange(8), 4)

    def readings(bits: np.ndarray) -> Readings:
        none, some = np.zeros(32), np.full(32, 2.0)
        return Readings(bits, some, none, none, none, {COPY: none})

    sure = readings(np.full(32, 1.0) + 0.01 * np.arange(32))
    luck = readings(np.repeat([3.0, -2.0, 2.5, -2.5, 1.0, -1.0, 0.5, -0.5], 4) + 0.05)
    articles = ArticleBootstrap(codes)
    assert transfer_gate((sure, articles), (sure, articles)).passed
    gate = transfer_gate((sure, articles), (luck, articles))
    assert gate.value > 0 > gate.low and not gate.passed
    assert gate.also["loss_low"] < gate.also["loss"] < gate.also["loss_high"]
