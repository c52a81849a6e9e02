from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.lvm.alignment.articles import codes_of
from eisv_lumen.lvm.alignment.bootstrap import ArticleBootstrap
from eisv_lumen.lvm.alignment.predictions import articles_of
from eisv_lumen.lvm.data.chunks import Chunks, window_starts, windows_of
from eisv_lumen.lvm.data.known_processes import ar1
from eisv_lumen.lvm.data.splits import (
    check_disjoint,
    corpus_of,
    draw_articles,
    pool,
    subsample,
    take_articles,
    take_corpus,
    whole_of,
    wholes_of,
)

places = st.lists(
    st.lists(st.integers(0, 12), unique=True, max_size=12).map(sorted), min_size=1, max_size=5
)


@settings(deadline=None)
@given(places, st.integers(1, 4))
def test_windows_are_all_the_runs_of_consecutive_chunks_of_one_article(articles, k):
    article = np.array([i for i, a in enumerate(articles) for _ in a], np.int32)
    position = np.array([p for a in articles for p in a], np.int32)
    slow = [
        row
        for row in range(len(article) - k)
        if all(
            article[row + j] == article[row] and position[row + j] == position[row] + j
            for j in range(k + 1)
        )
    ]
    assert window_starts(article, position, k).tolist() == slow


def test_a_context_has_at_least_one_chunk(chunks):
    with pytest.raises(InputError, match="context length 0"):
        windows_of(chunks, 0)


names = st.lists(
    st.builds("{}/{}".format, st.sampled_from("ab"), st.integers(0, 99)), unique=True, min_size=1
)


@settings(deadline=None)
@given(names, st.integers(0, 5), st.randoms())
def test_every_article_goes_to_one_split_whatever_the_order(ids, seed, random):
    shares = {"train": 0.5, "validation": 0.3, "fresh": 0.2}
    shuffled = random.sample(ids, len(ids))
    by_corpus = {c: [i for i in ids if corpus_of(i) == c] for c in "ab"}
    if any(0 < len(v) < 3 for v in by_corpus.values()):
        with pytest.raises(InputError, match="add articles"):
            draw_articles(ids, shares, seed)
        return
    drawn = draw_articles(ids, shares, seed)
    assert drawn == draw_articles(shuffled, shares, seed)
    assert sorted(a for split in drawn.values() for a in split) == sorted(ids)
    for corpus, members in by_corpus.items():
        for split, share in shares.items():
            n = sum(corpus_of(a) == corpus for a in drawn[split])
            assert n >= 1 or not members
            wide = 5 * (len(members) * share * (1 - share)) ** 0.5
            assert abs(n - share * len(members)) <= wide + 2  # five standard deviations


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), min_size=3, max_size=9), st.integers(0, 5), st.randoms())
def test_parts_go_where_their_whole_goes_without_them(counts, seed, random):
    """Books 0, 1, … of so many parts; a title with a year in it is none."""
    wholes = [f"kjv/{i}" if i else "kjv/0 (1948)" for i in range(len(counts))]
    ids = [
        f"{whole} ({k})" if k > 1 else whole
        for whole, n in zip(wholes, counts, strict=True)
        for k in range(1, n + 1)
    ]
    shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
    drawn = draw_articles(random.sample(ids, len(ids)), shares, seed)
    for split, books in draw_articles(wholes, shares, seed).items():
        assert drawn[split] == tuple(sorted(i for i in ids if whole_of(i) in books))


def test_a_corpus_of_one_book_in_parts_is_one_article():
    with pytest.raises(InputError, match="1 articles for 2 splits"):
        draw_articles(["kjv/Job", "kjv/Job (2)"], {"train": 0.5, "test": 0.5}, 0)


@settings(deadline=None)
@given(st.integers(20, 120), st.integers(0, 5), st.data())
def test_one_article_more_moves_no_other(n, seed, data):
    """By hash; by permutation it moves many, and a test article was once a training one."""
    shares = {"train": 0.6, "validation": 0.14, "test": 0.12, "fresh": 0.14}
    every = [f"c/{i}" for i in range(n)]
    left = data.draw(st.sampled_from(every))
    few, more = (
        {a: split for split, mine in draw_articles(ids, shares, seed).items() for a in mine}
        for ids in ([a for a in every if a != left], every)
    )
    moved = [a for a in few if few[a] != more[a]]
    sizes = Counter(few.values())
    assert not moved or min(sizes.values()) <= 1  # one was lent to a split that had none


def test_the_draw_of_published_results_stays_as_it_was():
    shares = {"train": 0.5, "validation": 0.5}
    drawn = draw_articles([f"a/{i}" for i in range(8)], shares, 0, "permutation")
    assert drawn["train"] == ("a/1", "a/2", "a/4", "a/7")


def test_seeds_draw_differently():
    ids = [f"a/{i}" for i in range(40)]
    shares = {"train": 0.5, "validation": 0.5}
    assert draw_articles(ids, shares, 0) != draw_articles(ids, shares, 1)


@pytest.mark.parametrize("shares", [{"a": 0.5, "b": 0.6}, {"a": 1.2, "b": -0.2}])
def test_shares_sum_to_one(shares):
    with pytest.raises(InputError, match="sum 1"):
        draw_articles(["x/1", "x/2"], shares, 0)


@settings(deadline=None)
@given(st.sets(st.integers(0, 5)), st.integers(0, 3))
def test_taking_articles_keeps_their_windows_as_they_were(wanted, seed):
    whole = ar1(0.5, dim=4).sample(6, 9, seed=seed)
    ids = [whole.article_ids[i] for i in wanted]
    taken = take_articles(whole, ids)
    mine = np.isin(whole.window_article, list(wanted))
    assert taken.article_ids == tuple(sorted(ids))
    np.testing.assert_array_equal(taken.contexts(), whole.contexts()[mine])
    np.testing.assert_array_equal(taken.targets(), whole.targets()[mine])
    assert len(taken.vectors) == 9 * len(wanted)
    if ids:
        rest = take_articles(whole, set(whole.article_ids) - set(ids))
        assert len(pool([taken, rest])) == len(whole) if len(rest.article_ids) else True


def test_pooling_what_was_taken_apart_gives_the_same_windows(chunks):
    whole = windows_of(chunks, 3)
    parts = [take_corpus(whole, c) for c in ("wiki", "kjv")]
    again = pool(parts)
    np.testing.assert_array_equal(again.contexts(), whole.contexts())
    for offset in (-5, -1, 0, 2):
        np.testing.assert_array_equal(
            again.at_offset(offset).vectors, whole.at_offset(offset).vectors
        )
    assert again.article_ids == whole.article_ids


def test_taking_an_unknown_article_names_it(chains):
    with pytest.raises(InputError, match="'nowhere'"):
        take_articles(chains, ["nowhere"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "chain-00000"),
        ({"encoder": "other", "fingerprint": ""}, "encoder 'other'"),
        ({"fingerprint": "changed"}, "the name is the same, but weights, tokenizer"),
        ({"context_length": 4}, "context_length 4"),
    ],
)
def test_sets_that_do_not_fit_are_not_pooled(chains, change, message):
    with pytest.raises(InputError, match=message):
        pool([chains, replace(chains, **change)])


def test_pooling_nothing_is_refused():
    with pytest.raises(InputError, match="nothing to pool"):
        pool([])


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 9), st.data())
def test_a_subsample_keeps_each_articles_share(lengths, seed, data):
    article = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    whole = replace(
        ar1(0.5, dim=2).sample(1, 7, seed=0),
        article=article,
        article_ids=tuple(map(str, range(len(lengths)))),
        starts=np.arange(len(article)),
    )
    n = data.draw(st.integers(0, len(article)))
    part = subsample(whole, n, seed)
    assert len(part) == n
    assert np.isin(part.starts, whole.starts).all()
    assert (np.diff(part.starts) > 0).all()
    if n:
        taken = np.bincount(part.window_article, minlength=len(lengths))
        assert (np.abs(taken - n * np.array(lengths) / len(article)) < 1).all()
    np.testing.assert_array_equal(part.starts, subsample(whole, n, seed).starts)


def test_more_windows_than_there_are_cannot_be_drawn(chains):
    with pytest.raises(InputError, match="ask for fewer"):
        subsample(chains, len(chains) + 1, 0)


def test_an_article_in_two_splits_is_named_with_both(chains):
    part = take_articles(chains, chains.article_ids[:3])
    with pytest.raises(InputError, match=r"'chain-00000': in train and in validation"):
        check_disjoint({"train": chains, "validation": part})
    check_disjoint({"train": part, "test": take_articles(chains, chains.article_ids[3:])})


def test_parts_of_one_whole_in_two_splits_are_refused(chains):
    first, second = (take_articles(chains, [chains.article_ids[i]]) for i in (0, 1))
    parts = {
        "train": replace(first, article_ids=("kjv/Job",)),
        "test": replace(second, article_ids=("kjv/Job (12)",)),
    }
    with pytest.raises(InputError, match=r"'kjv/Job': in train and in test"):
        check_disjoint(parts)
    both = pool(list(parts.values()))
    check_disjoint({"train": both, "test": replace(second, article_ids=("kjv/Job II",))})


def test_parts_of_a_whole_are_resampled_together():
    """An interval over articles knows a book, however many parts it was cut into."""
    ids = ("kjv/Ruth", "kjv/Genesis", "kjv/Genesis (2)", *(f"kjv/{k}" for k in range(7)))
    article = np.repeat(np.arange(10, dtype=np.int32), 8)
    vectors = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    position = np.tile(np.arange(8, dtype=np.int32), 10)
    found = windows_of(Chunks(vectors, article, position, ids), 5)
    assert wholes_of(found).tolist() == [0, 1, 1, *range(2, 9)]
    codes = codes_of(articles_of(found))
    assert codes.tolist() == wholes_of(found)[found.window_article].tolist()
    assert ArticleBootstrap(codes).n_articles == 9
