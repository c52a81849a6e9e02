"""What a set of windows holds before any model: cosines by lag, and readings that cannot decide.

Everything follows from the cosines of chunks k apart, which need no copy of the vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .sequences import SequenceSet

__all__ = [
    "Distinctness",
    "Narrative",
    "NextToken",
    "Readings",
    "distinctness",
    "distinctness_scores",
    "lag_cosines",
    "narrative_delta",
    "next_token_delta",
    "read",
    "same_article_cosine",
]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Readings:
    """Means over windows.

    Attributes
    ----------
    windows, articles
        How many there are.
    coherence
        Mean cosine of neighbouring context chunks.
    coherence_floor
        Mean cosine of any two chunks of one article, articles weighted by their windows: topic
        alone, without order.
    temporal_signal
        Mean of cos(c_4, y) − cos(c_0, y). Without order it is 0.
    by_place
        Mean cos(c_i, y), i from the oldest chunk to the last.
    """

    windows: int
    articles: int
    coherence: float
    coherence_floor: float
    temporal_signal: float
    by_place: tuple[float, ...]


def lag_cosines(sequences: SequenceSet, lag: int) -> Floats:
    """Return the cosine of each row with the row `lag` after it, shape (M − lag,).

    Rows of different articles are met as well: look up only what lies inside a window.
    """
    v = sequences.vectors
    return np.asarray(np.einsum("ij,ij->i", v[: len(v) - lag], v[lag:]))


def read(sequences: SequenceSet) -> Readings:
    """Take the readings of the data gates (`lvm.md` §1)."""
    s, k = sequences, sequences.context_length
    lags = {lag: lag_cosines(s, lag) for lag in range(1, k + 1)}
    by_place = tuple(_mean(lags[k - i][s.starts + i]) for i in range(k))
    inside = [_mean(lags[1][s.starts + i]) for i in range(k - 1)]
    return Readings(
        windows=len(s),
        articles=len(np.unique(s.window_article)),
        coherence=float(np.mean(inside)) if inside else float("nan"),
        coherence_floor=same_article_cosine(s),
        temporal_signal=by_place[-1] - by_place[0],
        by_place=by_place,
    )


def same_article_cosine(sequences: SequenceSet) -> float:
    """Return the mean cosine of two chunks of one article, articles weighted by their windows."""
    s = sequences
    n = np.bincount(s.article, minlength=len(s.article_ids)).astype(float)
    weight = np.bincount(s.window_article, minlength=len(s.article_ids))
    first = np.searchsorted(s.article, np.arange(len(n)))
    used = np.flatnonzero(weight)  # an article with a window has at least two chunks
    total = np.array([np.sum(s.vectors[first[a] : first[a] + int(n[a])], 0) for a in used])
    pairs = (np.einsum("ij,ij->i", total, total) - n[used]) / (n[used] * (n[used] - 1))
    return float(np.average(pairs, weights=weight[used])) if used.size else float("nan")


def distinctness_scores(sequences: SequenceSet) -> tuple[Floats, Floats]:
    """Return each window's forward-distinctness, as published and as corrected, (N,) each.

    Published: 1 − cos(y, c_4), which ranks highest the targets *least* like the last context.
    Corrected: cos(y, c_4) − max over the older c_i of cos(y, c_i), which asks whether the target
    is nearer to the last context than to what went before it.
    """
    s, k = sequences, sequences.context_length
    to_target = np.stack([lag_cosines(s, k - i)[s.starts + i] for i in range(k)], 1)
    older = to_target[:, :-1].max(1) if k > 1 else np.zeros(len(s), np.float32)
    return 1 - to_target[:, -1], to_target[:, -1] - older


@dataclass(frozen=True)
class Distinctness:
    """What either score selects."""

    published: float
    """Mean of 1 − cos(y, c_4); it is 1 − r_1 and no more."""
    corrected: float
    """Mean of cos(y, c_4) − max of the older cosines."""
    last_is_nearest: float
    """Share of windows in which c_4 is nearest to the target; by chance 1/K."""
    last_cosine_of_published_top: float
    """Mean cos(y, c_4) of the 30 % that the published score selects."""
    last_cosine_of_corrected_top: float
    """The same of the 30 % that the corrected one selects."""


def distinctness(sequences: SequenceSet) -> Distinctness:
    """Compare what the published and the corrected score select for the first stage of P5."""
    published, corrected = distinctness_scores(sequences)
    top = max(1, round(0.3 * len(sequences)))

    def last_cosine(score: Floats) -> float:
        return _mean(1 - published[np.argsort(-score, kind="stable")[:top]])

    return Distinctness(
        published=_mean(published),
        corrected=_mean(corrected),
        last_is_nearest=_mean(corrected > 0),
        last_cosine_of_published_top=last_cosine(published),
        last_cosine_of_corrected_top=last_cosine(corrected),
    )


@dataclass(frozen=True)
class Narrative:
    """Narrative Δ: what is measured, and what the ends of the runs alone say it must be."""

    measured: float
    """Mean of cos(c_4, y) − cos(c_4, c_3)."""
    telescoped: float
    """Σ over runs of (last − first neighbouring cosine), through the number of windows."""
    bound: float
    """No data with as many runs and windows can exceed it: 2 · runs / windows."""


def narrative_delta(sequences: SequenceSet) -> Narrative:
    """Measure narrative Δ, and show that it telescopes (`lvm.md` §2.4).

    In a run of windows that follow one another, each window's first term is the next one's second
    term. All but the first and the last cosine cancel, whatever the text says.
    """
    s, k = sequences, sequences.context_length
    if k < 2:
        return Narrative(float("nan"), float("nan"), float("nan"))
    near = lag_cosines(s, 1)
    gains = near[s.starts + k - 1] - near[s.starts + k - 2]
    follows = np.diff(s.starts) == 1
    same = s.window_article[1:] == s.window_article[:-1]
    first = s.starts[np.r_[True, ~(follows & same)]]
    last = s.starts[np.r_[~(follows & same), True]]
    ends = near[last + k - 1].astype(float) - near[first + k - 2]
    return Narrative(_mean(gains), float(ends.sum() / len(s)), 2 * len(first) / len(s))


@dataclass(frozen=True)
class NextToken:
    """P6's Δ, with time as it is and reversed."""

    forward: float
    """Mean of cos(c_4, chunk after next) − cos(c_4, next)."""
    backward: float
    """The same, read from the window's first chunk towards the start of the article."""


def next_token_delta(sequences: SequenceSet) -> NextToken:
    """Measure P6's direction, and the same with time reversed (`lvm.md` §2.4).

    Both are r_2 − r_1, a property of distance and not of direction.
    """
    s, k = sequences, sequences.context_length
    near, far = lag_cosines(s, 1), lag_cosines(s, 2)
    ahead = s.starts[s.at_offset(1).present] + k - 1
    behind = s.starts[s.at_offset(-k - 2).present]
    return NextToken(
        forward=_mean(far[ahead] - near[ahead]), backward=_mean(far[behind - 2] - near[behind - 1])
    )


def _mean(values: NDArray[np.floating | np.bool_]) -> float:
    return float(np.mean(values, dtype=np.float64)) if values.size else float("nan")
