"""From answers to readings: fit on some articles, read on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .articles import Article, Floats, candidates, unit
from .five_cat import cosine_at, rollout_cosines
from .floors import fit_floors, fit_readout, lag_scores
from .identification import TIE, Doubles, Said, cosines, identify
from .records import COPY, LAG, LAG_CENTRED, SCALARS, Answers, Calibration, Readings

__all__ = ["calibrate", "copy_last", "read"]


def calibrate(
    articles: Sequence[Article],
    answers: Answers,
    nulls: Mapping[str, Said],
    *,
    n: int | None = None,
) -> Calibration:
    """Fit floors, temperatures and scales to articles that will not be read.

    Parameters
    ----------
    articles
        To fit on.
    answers
        What the model says of them: `plain`, and `shuffled` where order is to be read.
    nulls
        What models say that were taught on data without order, by name.
    n : int, optional
        N of the whole set that was asked, where `articles` are a part of it.
    """
    said = {"": answers.plain, COPY: copy_last(articles, n), **nulls}
    mixed = answers.shuffled
    vectors = {name: s for name, s in said.items() if name and isinstance(s, np.ndarray)}
    if answers.vectors is not None:
        vectors[""] = answers.vectors
    return Calibration(
        fit_floors(articles),
        {name: fit_readout(articles, s) for name, s in said.items()},
        {name: _scale(articles, s) for name, s in vectors.items()},
        None if mixed is None else fit_readout(articles, mixed),
    )


def read(
    articles: Sequence[Article],
    answers: Answers,
    nulls: Mapping[str, Said],
    fitted: Calibration,
    *,
    n: int | None = None,
) -> Readings:
    """Read what a model and its nulls said of the windows of some articles.

    Parameters
    ----------
    articles
        Whose windows are read.
    answers, nulls
        What the model said, and on the plain contexts its nulls.
    fitted
        By `calibrate`, on other articles.
    n : int, optional
        N of the whole set, where `articles` are a part of it; the other windows get NaN.
    """
    size = sum(a.windows.size for a in articles) if n is None else n
    nulls = {COPY: copy_last(articles, size), **nulls}
    mine = fitted.readouts[""]
    scores = cosines(articles, answers.plain, centred=mine.centred)
    found = identify(articles, scores, mine.beta, n=size)
    floor_bits = {}
    for name, weights, centred in (
        (LAG, fitted.floors.lag, False),
        (LAG_CENTRED, fitted.floors.centred, True),
    ):
        lagged = [lag_scores(a, weights, centred=centred) for a in articles]
        floor_bits[name] = identify(articles, lagged, n=size).bits
    for name, said in nulls.items():
        own = fitted.readouts[name]
        null = cosines(articles, said, centred=own.centred)
        floor_bits[name] = identify(articles, null, own.beta, n=size).bits
    lost = forward = None
    if answers.shuffled is not None and fitted.shuffled is not None:
        own = fitted.shuffled
        without = cosines(articles, answers.shuffled, centred=own.centred)
        lost = found.bits - identify(articles, without, own.beta, n=size).bits
    if answers.backward is not None:
        behind = cosines(articles, answers.backward, centred=mine.centred)
        forward = _arrow(articles, scores, behind, mine.beta, size)
    plain = Readings(**found._asdict(), floor_bits=floor_bits, lost=lost, forward=forward)
    if answers.vectors is None:
        return plain
    return _with_vectors(plain, articles, answers, nulls, fitted, size)


def _scale(articles: Sequence[Article], said: Floats) -> float:
    above = below = 0.0
    for a in articles:
        p, y = said[a.windows], a.chunks[a.target_rows]
        above += float(np.vdot(p, y))
        below += float(np.vdot(p, p))
    return max(above / below, 0.0) if below > 0 else 0.0


def copy_last(articles: Sequence[Article], n: int | None = None) -> Floats:
    """Predict each window's last context chunk again, (N, D)."""
    size = sum(a.windows.size for a in articles) if n is None else n
    out = np.zeros((size, articles[0].chunks.shape[1]), np.float32)
    for a in articles:
        out[a.windows] = a.chunks[a.context_rows[:, -1]]
    return out


def _arrow(
    articles: Sequence[Article],
    ahead: Sequence[Floats],
    behind: Sequence[Floats],
    beta: float,
    n: int,
) -> Doubles:
    """Compare the bits of one target from either side, among the same candidates."""
    whole = np.full(n, np.nan)

    def hide_both(article: Article, scores: Floats) -> Floats:
        offsets = range(article.ahead + 1, article.ahead + article.context_length + 1)
        after = [article.rows_at(offset) for offset in offsets]
        present = np.logical_and.reduce([here for _, here in after])
        whole[article.windows] = np.where(present, 0.0, np.nan)
        known = np.column_stack([article.context_rows, *(rows for rows, _ in after)])
        there = candidates(article.equal, known, article.target_rows)
        return np.where(there, scores, np.float32(-np.inf))

    one = identify(articles, ahead, beta, n=n, hide=hide_both).bits
    other = identify(articles, behind, beta, n=n, hide=hide_both).bits
    gain = one - other
    return whole + np.where(np.abs(gain) <= TIE, 0.5, gain > 0)


def _with_vectors(
    plain: Readings,
    articles: Sequence[Article],
    answers: Answers,
    nulls: Mapping[str, Said],
    fitted: Calibration,
    n: int,
) -> Readings:
    """Add what can be read of predicted vectors alone."""
    said = np.asarray(answers.vectors, np.float32)
    scaled = np.float32(fitted.scales[""]) * said
    with_last, target_with_last = np.full(n, np.nan), np.full(n, np.nan)
    scalars = np.full(n, np.nan)
    weights = fitted.floors.scalars.astype(np.float32)
    for a in articles:
        context, y = a.chunks[a.context_rows], a.chunks[a.target_rows]
        with_last[a.windows] = np.einsum("nd,nd->n", scaled[a.windows], context[:, -1])
        target_with_last[a.windows] = np.einsum("nd,nd->n", y, context[:, -1])
        scalars[a.windows] = np.square(np.einsum("k,nkd->nd", weights, context) - y).sum(axis=1)
    errors = {SCALARS: scalars}
    for name, scale in fitted.scales.items():
        if name:
            errors[name] = _errors(articles, np.float32(scale) * np.asarray(nulls[name]), n)
    rollout, rollout_floors = None, {}
    if answers.rollout is not None:
        steps = answers.rollout.shape[1]
        rollout = rollout_cosines(articles, answers.rollout)
        rollout_floors = _rollout_floors(articles, steps, n)
    return Readings(
        **{
            **vars(plain),
            "cosine": cosine_at(articles, unit(said), 0),
            "error": _errors(articles, scaled, n),
            "floor_errors": errors,
            "with_last": with_last,
            "target_with_last": target_with_last,
            "rollout": rollout,
            "rollout_floors": rollout_floors,
        }
    )


def _errors(articles: Sequence[Article], predictions: Floats, n: int) -> Doubles:
    out = np.full(n, np.nan)
    for a in articles:
        out[a.windows] = np.square(predictions[a.windows] - a.chunks[a.target_rows]).sum(axis=1)
    return out


def _rollout_floors(articles: Sequence[Article], steps: int, n: int) -> dict[str, Doubles]:
    """Cosines with the chunk of each step: of c_4, of the mean of the others, of anything."""
    last = np.full((n, steps), np.nan)
    mean = np.full((n, steps), np.nan)
    for a in articles:
        gram = a.chunks @ a.chunks.T
        total = a.chunks.sum(axis=0)
        others = unit(total - a.chunks)
        with_others = np.einsum("md,md->m", others, a.chunks)
        for h in range(steps):
            rows, present = a.rows_at(h)
            last[a.windows, h] = np.where(present, gram[a.context_rows[:, -1], rows], np.nan)
            mean[a.windows, h] = np.where(present, with_others[rows], np.nan)
    return {COPY: last, "article mean": mean, "random direction": np.where(np.isnan(last), last, 0)}
