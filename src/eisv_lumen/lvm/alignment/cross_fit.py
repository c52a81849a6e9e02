"""Readings where there is but one set: each half of the articles is read by fits to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .articles import Article
from .fit_and_read import calibrate, read
from .identification import Said
from .records import Answers, Readings, merge

__all__ = ["cross_read"]


def cross_read(
    articles: Sequence[Article], answers: Answers, nulls: Mapping[str, Said], seed: int = 0
) -> Readings:
    """Read a whole set, nothing by a temperature or floor that was fitted to itself.

    Parameters
    ----------
    articles
        Of the whole set, at least two.
    answers, nulls
        To the whole set; predicted vectors, not scores.
    seed
        Of the draw of the halves.
    """
    order = np.random.default_rng(seed).permutation(len(articles))
    halves = [[articles[i] for i in order[side::2]] for side in (0, 1)]
    n = sum(a.windows.size for a in articles)
    found = [
        read(mine, answers, nulls, calibrate(other, answers, nulls, n=n), n=n)
        for mine, other in (halves, halves[::-1])
    ]
    return merge(*found)
