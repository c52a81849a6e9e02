"""What needs no training: scalars on the context, and what can be read from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .articles import Article, Floats, unit
from .identification import Doubles, Said, cosines, fit_logit

__all__ = ["Floors", "Readout", "fit_floors", "fit_readout", "lag_cosines", "lag_scores"]


def lag_cosines(article: Article, *, centred: bool = False) -> Floats:
    """Cosines of each context chunk with each chunk of the article.

    Returns
    -------
    ndarray, shape (n, K, m)
        Slot 0 is the oldest. `centred`: the mean of the article's chunks is taken away first.
    """
    chunks = article.chunks
    if centred:
        chunks = unit(chunks - chunks.mean(axis=0))
    return np.asarray((chunks @ chunks.T)[article.context_rows], np.float32)


def lag_scores(article: Article, weights: Doubles, *, centred: bool = False) -> Floats:
    """Score the article's chunks by the weighted sum of `lag_cosines`; shape (n, m)."""
    chunks = article.chunks
    if centred:
        chunks = unit(chunks - chunks.mean(axis=0))
    mixed = np.einsum("k,nkd->nd", weights.astype(np.float32), chunks[article.context_rows])
    return np.asarray(mixed @ chunks.T, np.float32)


@dataclass(frozen=True)
class Floors:
    """Fitted on some articles, to be read on others.

    Attributes
    ----------
    lag, centred : (K,) float64
        Logit weights of the lag cosines, plain and with the article's mean taken away.
    scalars : (K,) float64
        Least-squares weights: the target as a weighted sum of the context.
    """

    lag: Doubles
    centred: Doubles
    scalars: Doubles


@dataclass(frozen=True)
class Readout:
    """How a model's answers become probabilities of candidates.

    A vector has no temperature of its own, and does not say whether an article's mean is to be
    taken away; both are fitted on other articles, so that no model fails for the want of them.
    """

    centred: bool
    beta: float


def fit_floors(articles: Sequence[Article]) -> Floors:
    """Fit the floors to articles.

    Raises
    ------
    ValueError
        There is no window.
    """
    if not articles:
        raise ValueError("no windows to fit the floors on")
    k = articles[0].context_length
    gram, cross = np.zeros((k, k)), np.zeros(k)
    for a in articles:
        context, target = a.chunks[a.context_rows], a.chunks[a.target_rows]
        gram += np.einsum("nid,njd->ij", context, context, optimize=True)
        cross += np.einsum("nid,nd->i", context, target, optimize=True)
    return Floors(
        lag=fit_logit(articles, map(lag_cosines, articles))[0],
        centred=fit_logit(articles, (lag_cosines(a, centred=True) for a in articles))[0],
        scalars=np.linalg.solve(gram + 1e-9 * np.trace(gram) * np.eye(k), cross),
    )


def fit_readout(articles: Sequence[Article], said: Said) -> Readout:
    """Fit the inverse temperature of a model's scores, and choose plain or centred cosines.

    A model whose scores point the wrong way gets 0, a uniform guess: no fit turns it round.
    """
    best, best_value = Readout(False, 0.0), -np.inf
    for centred in (False, True) if isinstance(said, np.ndarray) else (False,):
        scores = cosines(articles, said, centred=centred)
        [beta], value = fit_logit(articles, (s[:, None] for s in scores))
        if beta > 0 and value > best_value:
            best, best_value = Readout(centred, float(beta)), value
    return best
