"""Intervals over articles: windows of one article are not independent, articles are."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["MIN_ARTICLES", "ArticleBootstrap"]

Doubles = npt.NDArray[np.float64]

MIN_ARTICLES: Final = 8
"""With fewer, a percentile interval is too narrow to decide anything."""


class ArticleBootstrap:
    """Resamples articles, with replacement, once for all statistics: differences are paired.

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

    def __init__(self, codes: npt.ArrayLike, n_resamples: int = 2000, seed: int = 0) -> None:
        names, self.codes = np.unique(np.asarray(codes), return_inverse=True)
        self.n_articles = names.size
        if self.n_articles < MIN_ARTICLES:
            raise ValueError(
                f"{self.n_articles} articles: an interval over articles needs at least "
                f"{MIN_ARTICLES}; give more"
            )
        even = np.full(self.n_articles, 1 / self.n_articles)
        draws = np.random.default_rng(seed).multinomial(self.n_articles, even, n_resamples)
        self.counts = draws.astype(np.float64)

    def ratios(self, over: npt.ArrayLike, under: npt.ArrayLike | None = None) -> Doubles:
        """Return sum(over) / sum(under) in each resample; a mean over windows without `under`."""
        above = self.counts @ self._sums(over)
        below = self.counts @ self._sums(np.ones(self.codes.size) if under is None else under)
        return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below != 0))

    def interval(
        self, over: npt.ArrayLike, under: npt.ArrayLike | None = None
    ) -> tuple[float, float]:
        """Return the 95 % percentile interval of `ratios`."""
        return percentiles(self.ratios(over, under))

    def _sums(self, values: npt.ArrayLike) -> Doubles:
        sums = np.bincount(self.codes, np.asarray(values, np.float64), self.n_articles)
        return np.asarray(sums, np.float64)


def percentiles(resampled: Doubles) -> tuple[float, float]:
    """Return the middle 95 % of resampled values."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)
