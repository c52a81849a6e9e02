"""Retrieval in two stages: a shortlist of chunks, and a model that puts it in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np

from ...core.errors import InputError
from ..alignment.articles import Floats, Ints, unit
from ..alignment.bootstrap import ArticleBootstrap
from ..alignment.predictions import Predictor
from ..data.sequences import SequenceSet
from ..data.splits import wholes_of
from .index import ChunkIndex, top

__all__ = ["CONTAIN", "Retrieved", "Scope", "measure", "rerank", "shortlist"]

Scope = Literal["article", "global"]
CONTAIN: Final = (1, 5, 10, 20, 50)
"""Sizes of shortlists whose share of true next chunks is counted."""
_NONE: Final = -1
_BLOCK: Final = 256


@dataclass(frozen=True)
class Retrieved:
    """How well the next chunk was retrieved; each reading (value, low, high), 95 % over articles.

    Attributes
    ----------
    first, reranker, scope, k, windows, articles, candidates
        What was asked: both stages by name, where candidates come from, length of the shortlist;
        and of how many.
    contain
        Share of shortlists of the first so many that hold the next chunk.
    recall_1, recall_5, mrr
        After reranking, if there was one. A chunk that the shortlist lacks counts 0.
    """

    first: str
    reranker: str | None
    scope: Scope
    k: int
    windows: int
    articles: int
    candidates: int
    contain: dict[str, tuple[float, float, float]]
    recall_1: tuple[float, float, float]
    recall_5: tuple[float, float, float]
    mrr: tuple[float, float, float]

    def as_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return asdict(self)


def shortlist(
    index: ChunkIndex, sequences: SequenceSet, first: Predictor, k: int, scope: Scope
) -> Ints:
    """Retrieve k candidates for each window; its own context is none.

    Parameters
    ----------
    index
        Of all chunks that may be found, those of the sequences among them.
    sequences
        N windows.
    first
        Scores them: by the cosine with its vector, or by scores of its own.
    k
        Length, at most: no list is longer than the index.
    scope
        Among the chunks of the window's article, or of the whole index.

    Returns
    -------
    ndarray, shape (N, min(k, chunks))
        Rows of the index, the best first; −1 where there are no more.

    Raises
    ------
    InputError
        The index lacks a chunk, or is FAISS's and `first` predicts no vector.
    """
    if k < 1:
        raise InputError(f"k {k}: a shortlist needs at least one place")
    k = min(k, len(index.chunks))
    rows = index.rows_of(sequences)
    contexts, hidden = sequences.contexts(), rows[sequences.context_rows]
    out = np.full((len(sequences), k), _NONE, np.int64)
    if scope == "global" and index.graph is not None:
        if first.predict is None:
            raise InputError(f"{first.name}: predicts no vector; use the exact index")
        found = index.nearest(np.asarray(first.predict(contexts)), k + hidden.shape[1])[1]
        known = (found[:, :, None] == hidden[:, None]).any(axis=2)
        return _first_k(np.where(known, _NONE, found), k)
    for windows, pool in _pools(index, sequences, rows, scope):
        scores = np.array(_score(first, contexts[windows], index.chunks.vectors[pool]))
        place = np.searchsorted(pool, hidden[windows])
        np.put_along_axis(scores, place, np.float32(-np.inf), axis=1)
        best = top(scores, min(k, len(pool)))
        hit = np.isfinite(np.take_along_axis(scores, best, axis=1))
        out[windows, : best.shape[1]] = np.where(hit, pool[best], _NONE)
    return out


def rerank(index: ChunkIndex, sequences: SequenceSet, listed: Ints, model: Predictor) -> Ints:
    """Put each shortlist into a model's own order; its pool is the shortlist and nothing else."""
    contexts = sequences.contexts()
    if model.scores is None:
        vectors = index.chunks.vectors[listed]
        scores = np.einsum("nd,nkd->nk", unit(_predict(model, contexts)), vectors)
    else:  # a pool of its own for each window: asked one by one, as a service asks
        scores = np.full(listed.shape, -np.inf, np.float32)
        for i, row in enumerate(listed):
            pool = row[row != _NONE]
            scores[i, : len(pool)] = model.scores(contexts[i : i + 1], index.chunks.vectors[pool])
    order = np.argsort(np.where(listed == _NONE, np.inf, -scores), axis=1, kind="stable")
    return np.take_along_axis(listed, order, axis=1)


def measure(
    index: ChunkIndex,
    sequences: SequenceSet,
    first: Predictor,
    *,
    reranker: Predictor | None = None,
    scope: Scope = "article",
    k: int = 50,
    seed: int = 0,
) -> Retrieved:
    """Retrieve the next chunk of every window, and count.

    Parameters
    ----------
    index, sequences, first, scope, k
        As in `shortlist`.
    reranker
        Puts the shortlist in order.
    seed
        Of the resamples.

    Raises
    ------
    InputError
        As `shortlist`, or there are too few articles for an interval.
    """
    rows = index.rows_of(sequences)
    target = rows[sequences.target_rows][:, None]
    listed = shortlist(index, sequences, first, k, scope)
    ordered = listed if reranker is None else rerank(index, sequences, listed, reranker)
    try:
        articles = ArticleBootstrap(wholes_of(sequences)[sequences.window_article], seed=seed)
    except ValueError as error:
        raise InputError(str(error)) from error

    def share(found: Ints, n: int) -> tuple[float, float, float]:
        inside = (found[:, :n] == target).any(axis=1).astype(float)
        return (float(inside.mean()), *articles.interval(inside))

    hit = ordered == target
    reciprocal = np.where(hit.any(axis=1), 1 / (1 + hit.argmax(axis=1)), 0.0)
    return Retrieved(
        first=first.name,
        reranker=None if reranker is None else reranker.name,
        scope=scope,
        k=k,
        windows=len(sequences),
        articles=articles.n_articles,
        candidates=len(index.chunks),
        contain={str(n): share(listed, n) for n in CONTAIN if n <= k},
        recall_1=share(ordered, 1),
        recall_5=share(ordered, 5),
        mrr=(float(reciprocal.mean()), *articles.interval(reciprocal)),
    )


def _pools(
    index: ChunkIndex, sequences: SequenceSet, rows: Ints, scope: Scope
) -> Sequence[tuple[Ints, Ints]]:
    """Windows that share their candidates, with those candidates' rows, in order."""
    n = len(sequences)
    if scope == "global":
        everything = np.arange(len(index.chunks))
        return [(np.arange(i, min(i + _BLOCK, n)), everything) for i in range(0, n, _BLOCK)]
    home = index.chunks.article[rows[sequences.starts]]
    return [
        (np.flatnonzero(home == code), np.flatnonzero(index.chunks.article == code))
        for code in np.unique(home)
    ]


def _score(model: Predictor, contexts: Floats, pool: Floats) -> Floats:
    if model.scores is not None:
        return model.scores(contexts, pool)
    return unit(_predict(model, contexts)) @ pool.T


def _predict(model: Predictor, contexts: Floats) -> Floats:
    assert model.predict is not None
    return np.asarray(model.predict(contexts), np.float32)


def _first_k(rows: Ints, k: int) -> Ints:
    """Move the −1 of each row to its end, and keep the first k."""
    order = np.argsort(rows == _NONE, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1)[:, :k]
