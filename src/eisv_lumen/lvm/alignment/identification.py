"""The true next chunk among the chunks of its article: ranks, bits, and the logit between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .articles import Article, Floats, Ints, unit

__all__ = ["Identified", "Said", "cosines", "fit_logit", "identify", "log_softmax", "ranks"]

Said = Floats | Sequence[Floats]
"""What a model says of a set's windows: predicted vectors (N, D), or, of a ranker, for each article
the scores (n, m) of its windows over its chunks."""

Doubles = npt.NDArray[np.float64]

TIE: Final = 1e-6
"""Scores closer than this are one score: two sums of the same numbers may differ by as much."""

_PENALTY = 1e-6  # on weights, so that a perfect model's do not run away
_STEPS = 60


class Identified(NamedTuple):
    """How well each window's target was told from its article's other chunks; each (N,).

    Where scores tie, recalls and reciprocal rank are their means over all orders of the tied.
    """

    bits: Doubles
    """log2 p(target) − log2(1/candidates): above 0, better than a uniform guess."""
    uniform: Doubles
    """log2(candidates), the most that `bits` can be."""
    recall_1: Doubles
    recall_5: Doubles
    reciprocal: Doubles


def cosines(articles: Sequence[Article], said: Said, *, centred: bool = False) -> list[Floats]:
    """Return a model's scores of all chunks of the article, an (n, m) array an article.

    Parameters
    ----------
    articles, said
        A ranker's scores are returned as they are.
    centred : bool
        Take the mean of the article's chunks from predictions and chunks before the cosine.
    """
    if not isinstance(said, np.ndarray):
        return list(said)
    p = unit(said)
    found = []
    for a in articles:
        middle = a.chunks.mean(axis=0) if centred else np.float32(0)
        pool, own = (a.chunks, p[a.windows])
        if centred:
            pool, own = unit(pool - middle), unit(own - middle)
        found.append(np.asarray(own @ pool.T, np.float32))
    return found


def hide_context(article: Article, scores: Floats) -> Floats:
    """Copy scores (n, m) with −inf at what is no candidate: the context, and copies of another."""
    return np.where(article.candidates, scores, np.float32(-np.inf))


def log_softmax(scores: Floats) -> Floats:
    """Return log probabilities [nats] along the last axis; −inf stays −inf."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def ranks(scores: Floats, target: Ints) -> tuple[Ints, Ints]:
    """Count the candidates above the target, and those that tie with it (itself left out)."""
    own = np.take_along_axis(scores, target[:, None], axis=1)
    above = (scores > own + TIE).sum(axis=1)
    return above, (scores >= own - TIE).sum(axis=1) - above - 1


def recall_at(k: int, above: Ints, tied: Ints) -> Doubles:
    """Return the chance that the target is among the first k, ties in random order."""
    return np.clip((k - above) / (tied + 1.0), 0.0, 1.0)


def reciprocal_rank(above: Ints, tied: Ints) -> Doubles:
    """Return the mean of 1/rank, ties in random order."""
    top = int((above + tied).max(initial=0)) + 1
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, top + 1))])
    return np.asarray((harmonic[above + tied + 1] - harmonic[above]) / (tied + 1))


def identify(
    articles: Sequence[Article],
    scores: Sequence[Floats],
    beta: float = 1.0,
    *,
    n: int | None = None,
    hide: Callable[[Article, Floats], Floats] = hide_context,
) -> Identified:
    """Read scores as p(candidate) ∝ exp(beta · score) over the article's chunks.

    Parameters
    ----------
    articles, scores
        And an (n, m) array for each.
    beta : float
        Inverse temperature, ≥ 0.
    n : int, optional
        N, windows in the whole set; NaN at those of other articles. By default these are all.
    hide
        Marks what is no candidate with −inf; by default each window's context.
    """
    size = sum(a.windows.size for a in articles) if n is None else n
    out = Identified(*(np.full(size, np.nan) for _ in Identified._fields))
    for a, s in zip(articles, scores, strict=True):
        w, target = a.windows, a.target_rows
        left = hide(a, s)
        out.uniform[w] = np.log2(np.isfinite(left).sum(axis=1))
        with np.errstate(invalid="ignore"):  # 0 · −inf, where beta is 0
            tempered = np.where(np.isneginf(left), left, np.float32(beta) * left)
        nats = np.take_along_axis(log_softmax(tempered), target[:, None], axis=1)[:, 0]
        out.bits[w] = nats / np.log(2) + out.uniform[w]
        above, tied = ranks(left, target)
        out.recall_1[w], out.recall_5[w] = recall_at(1, above, tied), recall_at(5, above, tied)
        out.reciprocal[w] = reciprocal_rank(above, tied)
    return out


def fit_logit(articles: Sequence[Article], features: Iterable[Floats]) -> tuple[Doubles, float]:
    """Fit weights w of p(candidate) ∝ exp(w · features) to the true targets, context excluded.

    The conditional logit of McFadden (1974): concave, so Newton's method finds the one optimum.

    Parameters
    ----------
    articles, features
        And an array (n, F, m) for each.

    Returns
    -------
    weights : (F,) float64
    log_likelihood : float
        Mean over windows [nats], less a very small penalty on the weights.
    """
    held = []
    for a, feature in zip(articles, features, strict=True):
        x = np.ascontiguousarray(feature.transpose(0, 2, 1))  # (n, m, F)
        x = x - np.take_along_axis(x, a.target_rows[:, None, None], axis=1)
        many = a.candidates.sum(axis=1)
        for count in np.unique(many):  # one block, but where chunks repeat
            windows = many == count
            held.append(x[windows][a.candidates[windows]].reshape(-1, count, x.shape[2]))
    n = sum(len(x) for x in held)
    w = np.zeros(held[0].shape[2])
    value, slope, bend = _likelihood(held, w, n)
    for _ in range(_STEPS):
        step = np.linalg.solve(bend, slope)
        tried = _likelihood(held, w + step, n)
        while tried[0] < value and np.abs(step).max() > 1e-9:  # far off, Newton overshoots
            step /= 2
            tried = _likelihood(held, w + step, n)
        if tried[0] <= value + 1e-10:
            break
        w, (value, slope, bend) = w + step, tried
    return w, value


def _likelihood(held: list[Floats], w: Doubles, n: int) -> tuple[float, Doubles, Doubles]:
    """Mean log-likelihood [nats] less the penalty, its gradient, and its Hessian's negative.

    Features are less those of the target, so that the target's own logit is 0.
    """
    value, slope, bend = 0.0, np.zeros(w.size), np.zeros((w.size, w.size))
    w32 = w.astype(np.float32)
    for x in held:
        logits = x @ w32
        top = np.maximum(logits.max(axis=1, keepdims=True), 0)
        p = np.exp(logits - top)
        total = p.sum(axis=1, keepdims=True)
        value -= float((top + np.log(total)).sum())
        p /= total
        mean = np.einsum("nm,nmf->nf", p, x)
        slope -= mean.sum(axis=0)
        flat = x.reshape(-1, w.size)
        bend += (flat * p.reshape(-1, 1)).T @ flat - mean.T @ mean
    ridge = _PENALTY * np.eye(w.size)
    penalised = value / n - _PENALTY * float(w @ w) / 2
    return penalised, slope / n - _PENALTY * w, bend / n + ridge
