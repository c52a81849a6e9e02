"""Retrieval beside the obvious: sort everything, for each window by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.alignment.fit_and_read import calibrate, read
from eisv_lumen.lvm.alignment.predictions import Predictor, articles_of, ask
from eisv_lumen.lvm.data.chunks import Chunks
from eisv_lumen.lvm.data.known_processes import ROTATION
from eisv_lumen.lvm.data.sequences import SequenceSet
from eisv_lumen.lvm.predictors.baselines import baseline
from eisv_lumen.lvm.serving.index import ChunkIndex, top
from eisv_lumen.lvm.serving.retrieval import measure, rerank, shortlist


def index_of(s: SequenceSet, **how: bool) -> ChunkIndex:
    chunks = Chunks(s.vectors, s.article, s.position, s.article_ids, s.encoder)
    return ChunkIndex.of(chunks, **how)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 9))
def test_the_top_is_that_of_a_stable_sort(seed: int, k: int, distinct: int) -> None:
    scores = np.random.default_rng(seed).integers(0, distinct, (4, 9)).astype(np.float32)
    k = min(k, 9)
    assert np.array_equal(top(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])


@pytest.mark.parametrize("scope", ["article", "global"])
@pytest.mark.parametrize("name", ["copy-last", "lag-cosine-centred"])
def test_a_shortlist_is_that_of_sorting_all(turning: SequenceSet, scope: str, name: str) -> None:
    other = ROTATION.sample(10, 30, seed=9)
    model = baseline(name, validation=other)
    found = shortlist(index_of(turning), turning, model, 7, scope)
    for i in range(0, len(turning), 23):
        home = turning.article == turning.window_article[i]
        pool = np.flatnonzero(home if scope == "article" else np.ones_like(home))
        context = turning.contexts()[i : i + 1]
        scores = (
            model.scores(context, turning.vectors[pool])[0]
            if model.scores
            else turning.vectors[pool] @ context[0, -1]
        )
        allowed = ~np.isin(pool, turning.context_rows[i])
        slow = pool[allowed][np.argsort(-scores[allowed], kind="stable")][:7]
        assert np.array_equal(found[i], slow)


def test_the_measures_agree_with_the_alignment_test(turning: SequenceSet) -> None:
    """Within an article, with a list as long as it is, recalls and MRR are those of G1."""
    model = Predictor("optimal", predict=ROTATION.predict)
    found = measure(index_of(turning), turning, model, k=30)
    articles = articles_of(turning)
    answers = ask(model, articles)
    plain = read(articles, answers, {}, calibrate(articles, answers, {}))
    assert found.recall_1[0] == pytest.approx(plain.recall_1.mean(), abs=1e-6)
    assert found.recall_5[0] == pytest.approx(plain.recall_5.mean(), abs=1e-6)
    assert found.mrr[0] == pytest.approx(plain.reciprocal.mean(), abs=1e-6)
    assert found.contain["20"][0] <= 1 and found.recall_5[0] == found.contain["5"][0]
    assert found.mrr[1] <= found.mrr[0] <= found.mrr[2]


def test_a_reranker_orders_the_list_and_adds_nothing_to_it() -> None:
    s = ROTATION.sample(30, 20, seed=4)
    index, first = index_of(s), baseline("copy-last")
    ranker = Predictor("ranks", scores=ROTATION.scores)
    listed = shortlist(index, s, first, 50, "global")
    ordered = rerank(index, s, listed, ranker)
    assert np.array_equal(np.sort(listed, axis=1), np.sort(ordered, axis=1))
    by_vector = rerank(index, s, listed, Predictor("vectors", predict=ROTATION.predict))
    assert (by_vector == ordered).mean() > 0.999  # the same order, but for float32's last bit
    plain = measure(index, s, first, scope="global", k=50)
    after = measure(index, s, first, reranker=ranker, scope="global", k=50)
    assert after.contain == plain.contain
    assert plain.recall_1[0] < 0.5 < plain.contain["50"][0]
    assert after.recall_1[0] == pytest.approx(plain.contain["50"][0], abs=0.02)
    assert after.mrr[0] > plain.mrr[0] and after.reranker == "ranks"


def test_faiss_finds_nearly_what_is_there() -> None:
    s = ROTATION.sample(60, 40, seed=5)
    model = Predictor("optimal", predict=ROTATION.predict)
    exact, graph = index_of(s), index_of(s, approximate=True)
    one = shortlist(exact, s, model, 10, "global")
    other = shortlist(graph, s, model, 10, "global")
    shared = np.mean([np.isin(a, b).mean() for a, b in zip(one, other, strict=True)])
    assert shared > 0.95
    again = shortlist(index_of(s, approximate=True), s, model, 10, "global")
    assert np.array_equal(other, again)
    for found in (one, other):
        assert not (found[:, :, None] == s.context_rows[:, None]).any()
    with pytest.raises(InputError, match="use the exact index"):
        shortlist(graph, s, Predictor("x", scores=ROTATION.scores), 10, "global")


def test_a_short_article_has_a_short_list() -> None:
    s = ROTATION.sample(9, 8, seed=6)
    found = shortlist(index_of(s), s, baseline("copy-last"), 20, "article")
    assert ((found >= 0).sum(axis=1) == 8 - 5).all()
    assert (found[:, 3:] == -1).all()
    ordered = rerank(index_of(s), s, found, Predictor("x", scores=ROTATION.scores))
    assert (ordered[:, 3:] == -1).all() and (ordered[:, :3] >= 0).all()


def test_a_larger_index_holds_the_sequences_in_another_order(turning: SequenceSet) -> None:
    other = ROTATION.sample(5, 20, seed=8)
    other = replace(other, article_ids=tuple(f"other-{i}" for i in range(5)))
    both = Chunks(
        np.concatenate([other.vectors, turning.vectors]),
        np.concatenate([other.article, turning.article + 5]),
        np.concatenate([other.position, turning.position]),
        other.article_ids + turning.article_ids,
        turning.encoder,
    )
    index = ChunkIndex.of(both)
    assert np.array_equal(index.rows_of(turning), np.arange(len(turning.vectors)) + 100)
    within = measure(index, turning, baseline("copy-last"), k=5)
    assert (
        within.recall_1 == measure(index_of(turning), turning, baseline("copy-last"), k=5).recall_1
    )
    with pytest.raises(InputError, match="article 'chain-00000', position 0: not in the index"):
        ChunkIndex.of(Chunks(other.vectors, other.article, other.position, other.article_ids,
                             turning.encoder)).rows_of(turning)  # fmt: skip
    with pytest.raises(InputError, match="vectors of encoder 'gtr'"):
        index.rows_of(replace(turning, encoder="gtr"))
    with pytest.raises(InputError, match="no chunks to index"):
        ChunkIndex.of(Chunks(np.zeros((0, 4), "f4"), np.zeros(0, "i4"), np.zeros(0, "i4"), ()))


def test_too_few_articles_for_an_interval_are_said() -> None:
    s = ROTATION.sample(3, 20, seed=0)
    with pytest.raises(InputError, match="at least 8"):
        measure(index_of(s), s, baseline("copy-last"))


@pytest.mark.parametrize("scope", ["article", "global"])
def test_a_shortlist_is_no_longer_than_the_index(turning: SequenceSet, scope: str) -> None:
    index, model = index_of(turning), baseline("copy-last")
    whole = shortlist(index, turning, model, len(index.chunks), scope)
    assert np.array_equal(shortlist(index, turning, model, 10**12, scope), whole)
