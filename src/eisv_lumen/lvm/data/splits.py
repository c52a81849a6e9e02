"""Whole articles to one split each: drawing, taking, pooling and thinning windows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from .chunking import Cut
from .identity import check_alike
from .sequences import SequenceSet

__all__ = [
    "Draw",
    "check_disjoint",
    "corpora",
    "corpus_of",
    "draw_articles",
    "place_of",
    "pool",
    "recut_name",
    "subsample",
    "take_articles",
    "take_corpus",
    "whole_of",
    "wholes_of",
]

Draw = Literal["hash", "permutation"]
"""How articles are drawn: each by the hash of its own name, or all by one permutation."""

_PART = re.compile(r" \((?:[2-9]|[1-9]\d{1,2})\)$")
_RECUT = re.compile(r" \[recut [^\]]*\]$")


def corpus_of(article_id: str) -> str:
    """Return the corpus of an article's name: what stands before the first slash, if there is one.

    Examples
    --------
    >>> corpus_of("wiki/Anarchism"), corpus_of("Anarchism")
    ('wiki', '')
    """
    corpus, slash, _ = article_id.partition("/")
    return corpus if slash else ""


def corpora(article_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the corpora of some articles, sorted."""
    return tuple(sorted(set(map(corpus_of, article_ids))))


def whole_of(article_id: str) -> str:
    """Return the name of what an article is a part of, or another cut of.

    `chunking.named_parts` adds a number, up to 999: a year in brackets is part of a title.
    `recut_name` adds a folder.

    Examples
    --------
    >>> whole_of("kjv/Genesis (2)"), whole_of("kjv/Genesis"), whole_of("wiki/Hamlet (1948)")
    ('kjv/Genesis', 'kjv/Genesis', 'wiki/Hamlet (1948)')
    >>> whole_of(recut_name("kjv/Genesis (3)", "kjv-40"))
    'kjv/Genesis'
    """
    return _PART.sub("", _RECUT.sub("", article_id))


def recut_name(article_id: str, folder: str) -> str:
    """Return the name of an article that `folder` holds cut otherwise.

    Examples
    --------
    >>> recut_name("kjv/Genesis", "kjv-40")
    'kjv/Genesis [recut kjv-40]'
    """
    return f"{article_id} [recut {folder}]"


def wholes_of(sequences: SequenceSet) -> NDArray[np.int64]:
    """Return a number for each article, the same for parts of one whole, (A,)."""
    seen: dict[str, int] = {}
    names = map(whole_of, sequences.article_ids)
    return np.array([seen.setdefault(name, len(seen)) for name in names], np.int64)


def place_of(name: str, seed: int) -> float:
    """Return a number in [0, 1) that depends on a name and a seed alone, uniform over names."""
    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:6]) / 2**48


def draw_articles(
    article_ids: Iterable[str], shares: Mapping[str, float], seed: int, how: Draw = "hash"
) -> dict[str, tuple[str, ...]]:
    """Draw a split for every article, so that each split holds every corpus.

    An article's split depends on its own name: what is added to a corpus or taken from it moves no
    other, but where a corpus is so small that a split would be left empty: that takes one article
    from the largest. So shares are kept on average, not to the article.

    Parameters
    ----------
    article_ids
        Names, in any order: the draw depends on the set of wholes alone (`whole_of`), and parts of
        one go to one split.
    shares
        Split to its share of the wholes; they sum to 1.
    seed
        Of the draw.
    how
        `hash`, or `permutation`: as results before this were drawn, where one article more moves
        others.

    Returns
    -------
    dict of str to tuple of str
        Sorted names a split. Every article is in one split.

    Raises
    ------
    InputError
        The shares do not sum to 1, or a corpus has fewer wholes than there are splits.
    """
    if any(s <= 0 for s in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
        raise InputError(f"shares {dict(shares)}: each must be above 0, and their sum 1")
    parts: dict[str, list[str]] = {}
    for name in sorted(set(article_ids)):
        parts.setdefault(whole_of(name), []).append(name)
    every = sorted(parts)
    out: dict[str, list[str]] = {split: [] for split in shares}
    for corpus in corpora(every):
        names = [name for name in every if corpus_of(name) == corpus]
        if len(names) < len(shares):
            raise InputError(
                f"corpus {corpus!r}: {len(names)} articles for {len(shares)} splits; add articles "
                "or leave splits out"
            )
        drawn = (_permuted if how == "permutation" else _hashed)(names, shares, seed, corpus)
        for split, mine in drawn.items():
            out[split] += [part for name in mine for part in parts[name]]
    return {split: tuple(sorted(names)) for split, names in out.items()}


def _hashed(
    names: Sequence[str], shares: Mapping[str, float], seed: int, _corpus: str
) -> dict[str, list[str]]:
    ends = np.cumsum(list(shares.values()))
    splits = list(shares)
    places = {name: place_of(name, seed) for name in names}
    out: dict[str, list[str]] = {split: [] for split in shares}
    for name, place in places.items():
        out[splits[int(np.searchsorted(ends[:-1], place, "right"))]].append(name)
    for split, end in zip(splits, ends, strict=True):
        if not out[split]:  # a very small corpus: the largest split lends what lies nearest
            lender = max(out.values(), key=len)
            middle = end - shares[split] / 2
            nearest = min(lender, key=lambda name: abs(places[name] - middle))
            lender.remove(nearest)
            out[split].append(nearest)
    return out


def _permuted(
    names: Sequence[str], shares: Mapping[str, float], seed: int, corpus: str
) -> dict[str, list[str]]:
    order = np.random.default_rng([seed, *corpus.encode()]).permutation(len(names))
    # One article each first, so that no split of a small corpus is empty.
    spare = len(names) - len(shares)
    ends = np.rint(np.cumsum(list(shares.values())) * spare).astype(int)
    ends += np.arange(1, len(shares) + 1)
    return {
        split: [names[i] for i in part]
        for split, part in zip(shares, np.split(order, ends[:-1]), strict=True)
    }


def take_articles(sequences: SequenceSet, article_ids: Iterable[str]) -> SequenceSet:
    """Return the windows of some articles, with those articles' vectors alone.

    Raises
    ------
    InputError
        An article is not there.
    """
    wanted = set(article_ids)
    if missing := sorted(wanted - set(sequences.article_ids)):
        raise InputError(f"article {missing[0]!r}: not among the {len(sequences.article_ids)}")
    keep = np.array([name in wanted for name in sequences.article_ids], bool)
    new_index = (np.cumsum(keep) - 1).astype(np.int32)
    rows = keep[sequences.article]
    new_row = np.cumsum(rows) - 1
    return replace(
        sequences,
        vectors=sequences.vectors[rows],
        article=new_index[sequences.article[rows]],
        position=sequences.position[rows],
        article_ids=tuple(n for n, k in zip(sequences.article_ids, keep, strict=True) if k),
        starts=new_row[sequences.starts[rows[sequences.starts]]].astype(np.int64),
        texts=tuple(t for t, k in zip(sequences.texts, rows, strict=False) if k),
    )


def take_corpus(sequences: SequenceSet, corpus: str) -> SequenceSet:
    """Return the windows of one corpus (`corpus_of`)."""
    return take_articles(sequences, [a for a in sequences.article_ids if corpus_of(a) == corpus])


def pool(parts: Sequence[SequenceSet]) -> SequenceSet:
    """Put sets one behind the other.

    Raises
    ------
    InputError
        There is none, they differ in encoder, width or context length, or share an article.
    """
    if not parts:
        raise InputError("nothing to pool: give at least one set of sequences")
    first = parts[0]
    seen: set[str] = set()
    for part in parts[1:]:
        check_alike({"the first set": first, f"the set of {_named(part)}": part})
    for part in parts:
        if twice := sorted(seen & set(part.article_ids)):
            raise InputError(f"article {twice[0]!r}: in two of the sets; leave one out")
        seen |= set(part.article_ids)
    rows = np.cumsum([0, *(len(p.vectors) for p in parts)])
    names = np.cumsum([0, *(len(p.article_ids) for p in parts)])
    return replace(
        first,
        vectors=np.concatenate([p.vectors for p in parts]),
        article=np.concatenate(
            [p.article + n for p, n in zip(parts, names[:-1], strict=True)], dtype=np.int32
        ),
        position=np.concatenate([p.position for p in parts]),
        article_ids=tuple(name for p in parts for name in p.article_ids),
        starts=np.concatenate([p.starts + r for p, r in zip(parts, rows[:-1], strict=True)]),
        fingerprint=first.fingerprint if all(p.fingerprint for p in parts) else "",
        texts=tuple(t for p in parts for t in p.texts) if all(p.texts for p in parts) else (),
        cuts=_cuts(parts),
    )


def _named(part: SequenceSet) -> str:
    return f"article {part.article_ids[0]!r}, …" if part.article_ids else "no articles"


def _cuts(parts: Sequence[SequenceSet]) -> tuple[tuple[str, Cut], ...]:
    """Join what is known of how corpora were cut; of one that was cut in two ways, both are."""
    return tuple(dict.fromkeys(cut for part in parts for cut in part.cuts))


def subsample(sequences: SequenceSet, n: int, seed: int) -> SequenceSet:
    """Return `n` windows, each article keeping its share to within one window.

    Raises
    ------
    InputError
        There are fewer than `n` windows.
    """
    total = len(sequences)
    if not 0 <= n <= total:
        raise InputError(f"{n} windows are asked for, and there are {total}; ask for fewer")
    rng = np.random.default_rng(seed)
    article = sequences.window_article
    counts = np.bincount(article, minlength=len(sequences.article_ids))
    quota, left = np.divmod(n * counts, max(total, 1))
    short = n - int(quota.sum())  # to the largest remainders, ties by chance
    quota[np.lexsort((rng.random(len(counts)), -left))[:short]] += 1
    order = np.lexsort((rng.random(total), article))
    rank = np.empty(total, int)  # of a window among those of its article, at random
    rank[order] = np.arange(total) - (np.cumsum(counts) - counts)[article[order]]
    return replace(sequences, starts=sequences.starts[rank < quota[article]])


def check_disjoint(splits: Mapping[str, SequenceSet]) -> None:
    """Check that no article is in two splits, nor parts of one.

    Raises
    ------
    InputError
        One is; the message names it and both splits.
    """
    home: dict[str, str] = {}
    for split, sequences in splits.items():
        for name in dict.fromkeys(map(whole_of, sequences.article_ids)):
            if name in home:
                raise InputError(
                    f"article {name!r}: in {home[name]} and in {split}; split by whole articles, "
                    "as `eisv-lumen lvm sequences` does"
                )
            home[name] = split
