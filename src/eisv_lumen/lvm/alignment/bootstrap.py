"""Intervals over articles: windows of one article are not independent, articles are."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from ...expression.intervals import cluster_interval

__all__ = ["MIN_ARTICLES", "ArticleBootstrap", "difference"]

Doubles = npt.NDArray[np.float64]
Interval = tuple[float, float]

MIN_ARTICLES: Final = 8
"""With fewer, no interval over articles decides anything."""


class ArticleBootstrap:
    """Intervals of what windows say, over the articles that they are of.

    Parameters
    ----------
    codes : (N,)
        The article of each window.
    n_resamples, seed : int
        Number of resamples and seed of the draws.

    Raises
    ------
    ValueError
        There are fewer than `MIN_ARTICLES` articles.
    """

    def __init__(self, codes: npt.ArrayLike, n_resamples: int = 1999, seed: int = 0) -> None:
        names, self.codes = np.unique(np.asarray(codes), return_inverse=True)
        self.n_articles = names.size
        self.n_resamples, self.seed = n_resamples, seed
        if self.n_articles < MIN_ARTICLES:
            raise ValueError(
                f"{self.n_articles} articles: an interval over articles needs at least "
                f"{MIN_ARTICLES}; give more"
            )

    def interval(self, over: npt.ArrayLike, under: npt.ArrayLike | None = None) -> Interval:
        """Return the 95 % interval of sum(over) / sum(under); a mean over windows without `under`.

        It is a bootstrap-t over articles (`expression/intervals.py`). Articles without weight say
        nothing; shares that are 0 or 1 in every article have an interval, too.
        """
        values = np.asarray(over, np.float64)
        share = under is None and bool(np.isin(values, (0.0, 1.0)).all())
        return cluster_interval(
            values, self.codes, under, bounds=(0.0, 1.0) if share else None,
            n_resamples=self.n_resamples, seed=self.seed,
        )  # fmt: skip


def difference(a: float, inside_a: Interval, b: float, inside_b: Interval) -> Interval:
    """Return the interval of a − b of two independent sets, from theirs.

    The method of variance estimates recovery (Zou & Donner 2008).
    """
    down = math.hypot(a - inside_a[0], inside_b[1] - b)
    up = math.hypot(inside_a[1] - a, b - inside_b[0])
    return a - b - down, a - b + up
