"""One text is one answer: copies in identification, losses, index and retrieval."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.lvm.alignment.articles import candidates, first_equal, unit
from eisv_lumen.lvm.alignment.identification import cosines, fit_logit, identify
from eisv_lumen.lvm.alignment.predictions import articles_of
from eisv_lumen.lvm.data.chunks import Chunks, windows_of
from eisv_lumen.lvm.data.window_tensors import WindowTable
from eisv_lumen.lvm.predictors.baselines import oracle
from eisv_lumen.lvm.serving.index import ChunkIndex
from eisv_lumen.lvm.serving.retrieval import measure
from eisv_lumen.lvm.training import losses


def refrain(articles=10, n=16, dim=12, seed=0):
    """Every second chunk of every article is one and the same text."""
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((articles, n, dim)))
    vectors[:, 1::2] = unit(rng.standard_normal(dim))
    rows = vectors.reshape(-1, dim)
    article = np.repeat(np.arange(articles, dtype=np.int32), n)
    position = np.tile(np.arange(n, dtype=np.int32), articles)
    texts = tuple("refrain" if i % 2 else f"text {i}" for i in range(len(rows)))
    names = tuple(f"a/{i}" for i in range(articles))
    return Chunks(rows, article, position, names, "e", texts, "f")


kinds = st.lists(st.integers(0, 4), min_size=7, max_size=14)


@settings(deadline=None)
@given(kinds, st.integers(1, 4))
def test_candidates_are_those_of_the_loop(said, k):
    """Texts by number; windows at every place; in NumPy and in torch."""
    starts = np.arange(len(said) - k)
    context, target = starts[:, None] + np.arange(k), starts + k
    vectors = unit(np.random.default_rng(0).standard_normal((5, 3)))[said]
    found = candidates(first_equal(vectors), context, target)
    for i in range(len(starts)):
        free = [r for r in range(len(said)) if r not in context[i]]
        slow = {next(r for r in [target[i], *free] if said[r] == said[q]) for q in free}
        assert set(np.flatnonzero(found[i])) == slow
    rows = np.zeros(len(said), np.int32)
    s = windows_of(Chunks(vectors, rows, np.arange(len(said), dtype=np.int32), ("a",)), k)
    table = WindowTable.of(s)
    assert np.array_equal(table.candidates(torch.arange(len(starts))).numpy(), found)


def test_a_perfect_model_reaches_the_ceiling():
    s = windows_of(refrain(), 5)
    articles = articles_of(s)
    scores = cosines(articles, s.targets())
    found = identify(articles, scores, 1e4)
    np.testing.assert_allclose(found.bits, found.uniform, atol=1e-5)
    assert found.recall_1.min() == 1
    # 16 chunks, 5 of them known: of the others, the refrains are one.
    assert set(np.round(2**found.uniform).astype(int)) <= {6, 7}
    beta, value = fit_logit(articles, (x[:, None] for x in scores))
    assert value > -0.05 and beta[0] > 10


@pytest.mark.parametrize("scope", ["article", "global"])
@pytest.mark.parametrize("approximate", [False, True])
def test_an_oracle_retrieves_every_next_chunk(scope, approximate):
    chunks = refrain()
    s = windows_of(chunks, 5)
    index = ChunkIndex.of(chunks, approximate=approximate)
    found = measure(index, s, oracle(s), scope=scope, k=5)
    assert found.recall_1[0] == found.ceiling == 1
    assert len(index.distinct) == 10 * 8 + 1


def test_where_one_context_goes_on_in_two_ways_nobody_is_always_right():
    said = [0, 1, 2, 0, 1, 3, 0, 1, 2]
    vectors = unit(np.random.default_rng(1).standard_normal((4, 6)))[said]
    article = np.repeat(np.arange(9, dtype=np.int32), 9)
    position = np.tile(np.arange(9, dtype=np.int32), 9)
    chunks = Chunks(np.tile(vectors, (9, 1)), article, position, tuple("abcdefghi"), "e", (), "f")
    found = measure(
        ChunkIndex.of(chunks), windows_of(chunks, 2), oracle(windows_of(chunks, 2)), k=3
    )
    # (0, 1) is gone on from by 2 twice and by 3 once, every other context in one way.
    assert found.ceiling == pytest.approx(6 / 7)
    assert found.recall_1[0] <= found.ceiling


def test_many_copies_do_not_hide_others_from_faiss():
    rng = np.random.default_rng(0)
    few, many = unit(rng.standard_normal((5, 24))), unit(rng.standard_normal((400, 24)))
    vectors = np.concatenate([np.repeat(few, 800, axis=0), many])
    rows = np.arange(len(vectors), dtype=np.int32)
    chunks = Chunks(vectors, np.zeros_like(rows), rows, ("a",))
    exact, fast = ChunkIndex.of(chunks), ChunkIndex.of(chunks, approximate=True)
    asked = unit(many + 0.3 * rng.standard_normal(many.shape).astype(np.float32))
    _, right = exact.nearest(asked, 3)
    _, found = fast.nearest(asked, 3)
    assert (right[:, 0] == found[:, 0]).mean() > 0.99
    assert all(len(set(row)) == 3 for row in first_equal(vectors)[right].tolist())


def test_losses_do_not_call_a_copy_of_the_answer_wrong():
    said = torch.nn.functional.normalize(torch.randn(4, 6, generator=torch.manual_seed(0)), dim=-1)
    target = said[[0, 1, 0, 2, 1]]
    perfect = losses.info_nce(target, target, 0.001)
    torch.testing.assert_close(perfect, torch.zeros(5), atol=1e-4, rtol=0)
    prediction = torch.randn(5, 6, generator=torch.manual_seed(1))
    distinct = said[:3]
    logits = torch.nn.functional.normalize(prediction, dim=-1) @ distinct.T / 0.1
    by_text = torch.nn.functional.cross_entropy(
        logits, torch.tensor([0, 1, 0, 2, 1]), reduction="none"
    )
    torch.testing.assert_close(losses.info_nce(prediction, target, 0.1), by_text)
    there = torch.ones(1, 5, dtype=torch.bool)
    found = losses.without_copies(target[None], there)
    assert found.tolist() == [[True, True, False, True, False]]
    there[0, 1] = False  # what is absent hides no copy
    assert losses.without_copies(target[None], there).tolist() == [[True, False, False, True, True]]
