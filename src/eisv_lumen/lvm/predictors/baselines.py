"""Predictors that are not trained, or by one linear solve: what every model has to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from ...core.errors import InputError
from ..alignment.articles import Floats, unit
from ..alignment.floors import fit_floors
from ..alignment.identification import Doubles
from ..alignment.predictions import Predictor, articles_of
from ..data.sequences import SequenceSet

__all__ = [
    "BASELINES",
    "baseline",
    "oracle",
    "ridge",
    "shuffled_articles",
    "shuffled_targets",
]

_ALPHAS: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


def _random(contexts: Floats) -> Floats:
    n, _, d = contexts.shape
    return unit(np.random.default_rng(0).standard_normal((n, d)))


_UNTRAINED: Final[dict[str, Callable[[Floats], Floats]]] = {
    "copy-last": lambda c: c[:, -1],
    "context-mean": lambda c: c.mean(axis=1),
    "minus-last": lambda c: -c[:, -1],
    "random": _random,
}
BASELINES: Final = (
    *_UNTRAINED, "lag-cosine", "lag-cosine-centred", "ridge", "ridge-shuffled", "oracle",
)  # fmt: skip
"""Names that `lvm align` takes in place of a trained model."""


def baseline(
    name: str,
    *,
    train: SequenceSet | None = None,
    validation: SequenceSet | None = None,
    asked: Sequence[SequenceSet] = (),
) -> Predictor:
    """Build a baseline by its name.

    Parameters
    ----------
    name
        One of `BASELINES`.
    train
        What ridge regression is fitted to.
    validation
        What the lag cosines' weights are fitted to, and ridge's penalty is chosen on.
    asked
        All sets that an oracle will be asked of.

    Raises
    ------
    InputError
        There is no such baseline, or it needs a set that is not given.
    """
    if name in _UNTRAINED:
        return Predictor(name, predict=_UNTRAINED[name])
    if name == "oracle":
        return oracle(*asked)
    if name not in BASELINES:
        raise InputError(f"{name}: no model folder and no baseline; use {', '.join(BASELINES)}")
    if validation is None:
        raise InputError(f"{name}: is fitted to validation articles; give --validation")
    if name in ("lag-cosine", "lag-cosine-centred"):
        centred = name != "lag-cosine"
        floors = fit_floors(articles_of(validation))
        return lag_ranker(name, floors.centred if centred else floors.lag, centred=centred)
    if train is None:
        raise InputError(f"{name}: is fitted to training articles; give --train")
    return ridge(train, validation, null_seed=0 if name == "ridge-shuffled" else None)


def lag_ranker(name: str, weights: Doubles, *, centred: bool) -> Predictor:
    """Score candidates by the weighted cosines with the context chunks.

    Parameters
    ----------
    name
        Its name.
    weights : (K,)
        For the oldest context chunk first.
    centred : bool
        Take the mean of the pool from pool and context first.
    """

    def scores(contexts: Floats, pool: Floats) -> Floats:
        if centred:
            middle = pool.mean(axis=0)
            contexts, pool = unit(contexts - middle), unit(pool - middle)
        mixed = np.einsum("k,nkd->nd", weights.astype(np.float32), contexts)
        return np.asarray(mixed @ pool.T, np.float32)

    return Predictor(name, scores=scores)


def ridge(
    train: SequenceSet, validation: SequenceSet, *, null_seed: int | None = None
) -> Predictor:
    """Fit linear regression from the five context vectors to the target, with a penalty.

    Parameters
    ----------
    train, validation
        To fit on, and to choose the penalty on by squared error.
    null_seed : int, optional
        Shuffle the targets within their articles first: a model that knows the topic but cannot
        know the order.
    """
    x, y = _flat(train.contexts()), train.targets()
    if null_seed is not None:
        y = y[shuffled_targets(train, null_seed)]
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    centred = x - x_mean
    gram = (centred.T @ centred).astype(np.float64)
    cross = (centred.T @ (y - y_mean)).astype(np.float64)
    asked, told = _flat(validation.contexts()) - x_mean, validation.targets() - y_mean
    best, best_error = np.zeros_like(cross, np.float32), np.inf
    for alpha in _ALPHAS:
        weights = np.linalg.solve(gram + alpha * np.eye(len(gram)), cross).astype(np.float32)
        error = float(np.square(asked @ weights - told).mean())
        if error < best_error:
            best, best_error = weights, error
    name = "ridge" if null_seed is None else "ridge-shuffled"
    return Predictor(name, predict=lambda c: (_flat(c) - x_mean) @ best + y_mean)


def shuffled_targets(sequences: SequenceSet, seed: int) -> np.typing.NDArray[np.int64]:
    """Draw a permutation of the windows that keeps each in its article, shape (N,)."""
    draw = np.random.default_rng(seed).random(len(sequences))
    order = np.lexsort((draw, sequences.window_article))
    home = np.argsort(sequences.window_article, kind="stable")
    out = np.empty(len(sequences), np.int64)
    out[home] = order
    return out


def shuffled_articles(sequences: SequenceSet, seed: int) -> SequenceSet:
    """Put the chunks of each article in a random order: what teaches a model topic, but no order.

    Windows lie where they lay, and now hold chunks of their article at random.
    """
    draw = np.random.default_rng(seed).random(len(sequences.vectors))
    order = np.lexsort((draw, sequences.article))
    texts = tuple(sequences.texts[i] for i in order) if sequences.texts else ()
    return replace(sequences, vectors=sequences.vectors[order], texts=texts)


def oracle(*sets: SequenceSet) -> Predictor:
    """Know every window of the sets by its context; say the context's mean of any other.

    It has to be asked to be right: with its context changed it knows no more than the topic. So
    it passes tests of order as a real perfect model would.
    """
    known = {
        context.tobytes(): target
        for s in sets
        for context, target in zip(s.contexts(), s.targets(), strict=True)
    }

    def predict(asked: Floats) -> Floats:
        found = [known.get(c.tobytes()) for c in asked]
        other = asked.mean(axis=1)
        return np.stack([o if y is None else y for y, o in zip(found, other, strict=True)])

    return Predictor("oracle", predict=predict)


def _flat(contexts: Floats) -> Floats:
    return contexts.reshape(len(contexts), -1)
