"""Ask a model everything that the tests want to know: a few batched passes over a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...core.errors import InputError
from ..data.sequences import SequenceSet
from ..data.splits import wholes_of
from .ablations import ablate, backward, contexts_of, shuffled
from .articles import Article, Floats, articles_of_rows
from .five_cat import ROLLOUT_STEPS
from .identification import Said
from .records import Answers

__all__ = ["Predictor", "articles_of", "ask", "ask_plainly"]


@dataclass(frozen=True)
class Predictor:
    """Something that says what comes next: a vector, or scores over the chunks of an article.

    Attributes
    ----------
    name
        As in tables.
    predict
        (N, K, D) contexts to (N, D) vectors; None for what only ranks.
    scores
        (n, K, D) contexts and a (m, D) pool to (n, m) scores; None where the cosine with
        `predict` is meant.
    ahead
        Chunks between context and what is predicted.
    """

    name: str
    predict: Callable[[Floats], Floats] | None = None
    scores: Callable[[Floats, Floats], Floats] | None = None
    ahead: int = 0


def articles_of(sequences: SequenceSet, ahead: int = 0) -> tuple[Article, ...]:
    """Cut a set into its articles.

    Raises
    ------
    InputError
        It has no windows.
    """
    found = articles_of_rows(
        sequences.vectors, sequences.article, sequences.position, sequences.starts,
        sequences.context_length, ahead, wholes_of(sequences),
    )  # fmt: skip
    if not found:
        raise InputError("the set of sequences has no windows; give longer articles")
    return found


def ask_plainly(model: Predictor, articles: Sequence[Article]) -> Said:
    """Return what a model says of the contexts as they are."""
    return _say(model, articles, contexts_of(articles))


def ask(
    model: Predictor, articles: Sequence[Article], seed: int = 0, *, restore: bool = False
) -> Answers:
    """Return all that the tests read of a model.

    Parameters
    ----------
    model
        Asked with whole arrays, one for each kind of context; never window by window.
    articles
        Of one set.
    seed
        Of the shuffled contexts.
    restore
        Ablate as published (`ablations.leave_out`).

    Raises
    ------
    InputError
        The model's answer is not finite or has the wrong shape.
    """
    contexts = contexts_of(articles)
    plain = _say(model, articles, contexts)
    mixed = _say(model, articles, shuffled(contexts, seed))
    behind = _say(model, articles, backward(articles))
    if model.predict is None:
        return Answers(plain, mixed, behind)
    vectors = plain if isinstance(plain, np.ndarray) else _predict(model, contexts)
    ablated = {
        name: [_predict(model, c) for c in those]
        for name, those in ablate(contexts, seed, restore=restore).items()
    }
    steps = None if model.ahead else roll_out(model, contexts, vectors)
    return Answers(plain, mixed, behind, vectors, ablated, steps)


def roll_out(model: Predictor, contexts: Floats, first: Floats) -> Floats:
    """Feed predictions back as context, at length 1; (N, `ROLLOUT_STEPS`, D)."""
    from .articles import unit

    steps = [first]
    while len(steps) < ROLLOUT_STEPS:
        contexts = np.concatenate([contexts[:, 1:], unit(steps[-1])[:, None]], axis=1)
        steps.append(_predict(model, contexts))
    return np.stack(steps, axis=1)


def _say(model: Predictor, articles: Sequence[Article], contexts: Floats) -> Said:
    if model.scores is None:
        return _predict(model, contexts)
    found = []
    for a in articles:
        scores = np.asarray(model.scores(contexts[a.windows], a.chunks), np.float32)
        if scores.shape != (a.windows.size, len(a.chunks)) or not np.isfinite(scores).all():
            raise InputError(
                f"{model.name}: scores of shape {scores.shape}, finite: {np.isfinite(scores).all()}"
                f"; they must be finite and ({a.windows.size}, {len(a.chunks)})"
            )
        found.append(scores)
    return found


def _predict(model: Predictor, contexts: Floats) -> Floats:
    assert model.predict is not None
    found = np.asarray(model.predict(contexts), np.float32)
    if found.shape != (len(contexts), contexts.shape[2]):
        raise InputError(
            f"{model.name}: predictions of shape {found.shape}; they must be "
            f"({len(contexts)}, {contexts.shape[2]})"
        )
    bad = ~np.isfinite(found).all(axis=1)
    if bad.any():
        raise InputError(
            f"{model.name}, window {int(np.argmax(bad))}: its prediction is not finite"
        )
    return found
