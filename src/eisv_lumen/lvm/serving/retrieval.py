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

__all__ = ["CONTAIN", "Retrieved", "Scope", "measure", "ranked", "rerank", "shortlist"]

Scope = Literal["article", "global"]
CONTAIN: Final = (1, 5, 10, 20, 50)
"""Sizes of shortlists whose share of true next chunks is counted."""
_NONE: Final = -1
_BLOCK: Final = 256
_SAME: Final = 1 - 1e-5
"""Cosine from which on a chunk of the index is one of the context."""


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
        After reranking, if there was one. A chunk that the shortlist lacks counts 0. Copies of a
        text are one answer.
    ceiling
        The highest `recall_1` that any predictor could have: below 1 where one context was gone on
        from in several ways.
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
    ceiling: float = 1.0

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
        Rows of the index, the best first, the first row of each text alone; −1 where there are no
        more.

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
        gone = _used_up(index.equal, index.equal[hidden])
        known = (found[:, :, None] == gone[:, None]).any(axis=2)
        return _first_k(np.where(known, _NONE, found), k)
    for windows, pool in _pools(index, sequences, rows, scope):
        scores = _score(first, contexts[windows], index.chunks.vectors[pool])
        texts, column = np.unique(index.equal[pool], return_index=True)
        scores = np.array(scores[:, column])
        gone = _used_up(index.equal[pool], index.equal[hidden[windows]])
        place = np.where(gone < 0, len(texts), np.searchsorted(texts, gone))
        scores = np.pad(scores, ((0, 0), (0, 1)))  # a column for what is not hidden
        np.put_along_axis(scores, place, np.float32(-np.inf), axis=1)
        scores = scores[:, :-1]
        best = top(scores, min(k, len(texts)))
        hit = np.isfinite(np.take_along_axis(scores, best, axis=1))
        out[windows, : best.shape[1]] = np.where(hit, texts[best], _NONE)
    return out


def _used_up(equal: Ints, context: Ints) -> Ints:
    """Keep, of the texts in each context, those of which no copy stands outside it; else −1.

    Parameters
    ----------
    equal : (m,)
        First row of each candidate's text.
    context : (n, K)
        The same of each context chunk.
    """
    texts, counts = np.unique(equal, return_counts=True)
    copies = counts[np.searchsorted(texts, context)]
    within = (context[:, :, None] == context[:, None]).sum(axis=2)
    return np.where(within == copies, context, _NONE)


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


def ranked(
    index: ChunkIndex, context: Floats, model: Predictor, k: int
) -> tuple[Ints, Floats, Floats]:
    """Rank what is nearest to the mean of one context, its own chunks left out.

    Parameters
    ----------
    index
        Of what may be found.
    context : (K, D)
        Unit vectors.
    model
        Has scores of its own.
    k
        Length of the shortlist.

    Returns
    -------
    rows, log probabilities, cosines
        Of the shortlist, (≤ k,) each, the likeliest first.
    """
    assert model.scores is not None
    mean = unit(context.mean(axis=0))
    cosines, rows = index.nearest(mean[None], k + len(context))
    texts = index.chunks.vectors[rows[0]]
    own = (texts @ context.T).max(axis=1) > _SAME
    keep = np.flatnonzero((rows[0] >= 0) & ~own)[:k]
    if not keep.size:
        raise InputError("the index holds nothing but the context; serve a larger one")
    scores = np.asarray(model.scores(context[None], texts[keep]), np.float64)[0]
    logs = scores - scores.max()
    logs = logs - np.log(np.exp(logs).sum())
    order = np.argsort(-logs, kind="stable")
    return rows[0][keep][order], logs[order].astype(np.float32), cosines[0][keep][order]


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
    target = index.equal[rows[sequences.target_rows]][:, None]
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
        ceiling=_ceiling(index.equal[rows[sequences.context_rows]], target[:, 0]),
    )


def _ceiling(contexts: Ints, targets: Ints) -> float:
    """Return the share of windows that one answer for each context can get right."""
    told, counts = np.unique(np.column_stack([contexts, targets]), axis=0, return_counts=True)
    _, which = np.unique(told[:, :-1], axis=0, return_inverse=True)
    best = np.zeros(which.max(initial=-1) + 1, np.int64)
    np.maximum.at(best, which.ravel(), counts)
    return float(best.sum() / max(len(targets), 1))


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
