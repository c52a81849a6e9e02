"""Intervals that cover: for windows, for few clusters of them, for shapes, shares and seeds.

A percentile bootstrap over 8 to 18 articles covers its mean in 77 to 92 of 100 cases where it says
95. What is done here instead, and how often it covers in each design, is in `results/coverage.json`
(`python -m tools.coverage`).

- *Means of windows, ratios over clusters*: the bootstrap-t (Hall 1988; Davison & Hinkley 1997,
  §5.2). The estimate is studentised by its jackknife error, which for clusters is CV3
  (MacKinnon, Nielsen & Webb 2023), in the sample and in each resample; the interval is widened to
  the one of Student's t, with one degree of freedom less than there are effective clusters
  (Kish 1965; Carter, Schnepel & Steigerwald 2017), where that reaches farther.
- *Means over shapes*: Student's t with the degrees of freedom of Welch and Satterthwaite (1946);
  the variance of a shape with few windows leans on that of all.
- *Shares*: Clopper & Pearson (1934); over clusters with the effective number of windows (Korn &
  Graubard 1998). A mean of bounded values that are all alike gets the bound
  that they give for the mass elsewhere.
- *Seeds and windows crossed*: variances of either kind added (Cameron, Gelbach & Miller 2011),
  with the degrees of freedom of Satterthwaite.

NumPy alone: the file travels with the published metrics. (It is not called statistics.py, because
beside a Space's app.py it would stand before the standard library's module of that name.)
"""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = [
    "cluster_interval",
    "crossed_interval",
    "macro_interval",
    "mean_interval",
    "share_interval",
    "t_quantile",
]

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]
_AT_ONCE = 2_000_000  # numbers of the resamples that are held at a time


@cache
def t_quantile(level: float, df: float) -> float:
    """Return the t below whose size Student's t stays with probability `level`.

    With t = √df · tan θ the density is that of cos θ to the power df − 1, which has no tails: the
    integral is a Gauss-Legendre sum, and t is found by bisection.

    Examples
    --------
    >>> round(t_quantile(0.95, 9), 4), round(t_quantile(0.95, 1), 3)
    (2.2622, 12.706)
    """
    n = max(df, 1.0)
    if n > 1e6:
        return NormalDist().inv_cdf((1 + level) / 2)
    x, w = np.polynomial.legendre.leggauss(64)
    constant = 2 * math.exp(math.lgamma((n + 1) / 2) - math.lgamma(n / 2)) / math.sqrt(math.pi)
    low, high = 0.0, 1e6
    for _ in range(100):
        t = (low + high) / 2
        end = math.atan(t / math.sqrt(n))
        inside = constant * end / 2 * float(w @ np.cos(end * (x + 1) / 2) ** (n - 1))
        low, high = (t, high) if inside < level else (low, t)
    return (low + high) / 2


def share_interval(hits: int, n: int, level: float = 0.95) -> Interval:
    """Return the exact interval of a share, Clopper and Pearson's.

    Parameters
    ----------
    hits, n
        Successes, and how many there could have been (≥ 1).
    level
        Coverage, at least.

    Examples
    --------
    >>> [round(x, 3) for x in share_interval(0, 20)], [round(x, 3) for x in share_interval(5, 20)]
    ([0.0, 0.168], [0.087, 0.491])
    """
    k = np.arange(n + 1)
    binomial = np.array(
        [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in k]
    )

    def at_least(p: float) -> float:
        """Probability of `hits` or more."""
        logs = binomial + k * math.log(p) + (n - k) * math.log1p(-p)
        return float(np.exp(logs[hits:]).sum())

    def solve(wanted: float, beyond: int) -> float:
        low, high = 1e-12, 1 - 1e-12
        for _ in range(60):
            middle = (low + high) / 2
            tail = at_least(middle)
            if beyond:  # `hits` or fewer
                logs = binomial + k * math.log(middle) + (n - k) * math.log1p(-middle)
                tail = 1 - float(np.exp(logs[: hits + 1]).sum())
            low, high = (middle, high) if tail < wanted else (low, middle)
        return (low + high) / 2

    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else solve(tail, 0)
    high = 1.0 if hits == n else solve(1 - tail, 1)
    return low, high


def mean_interval(
    values: npt.ArrayLike,
    *,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
    n_resamples: int = 1999,
    seed: int = 0,
) -> Interval:
    """Return the interval of a mean over independent windows.

    Parameters
    ----------
    values : array_like, shape (n,)
        One value for each window; of pairs, their differences.
    bounds
        Least and greatest value that there can be, where there are such. The interval stays within
        them, and is an interval where all values are alike.
    level, n_resamples, seed
        Coverage, number of resamples, seed of the draws.

    Returns
    -------
    low, high : float
        NaN where there are no values; the bounds, or without them minus and plus infinity, where
        one alone says nothing of its spread.

    Examples
    --------
    >>> [round(x, 3) for x in mean_interval(np.ones(20), bounds=(0, 1))]
    [0.832, 1.0]
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return math.nan, math.nan
    if _is_share(x, bounds):
        return share_interval(int(x.sum()), x.size, level)
    if x.size == 1 and bounds is None:
        return -math.inf, math.inf
    if np.ptp(x) <= 1e-12 * max(1.0, abs(x[0])):
        return _alike(float(x[0]), x.size, bounds, level)
    return _within(_bootstrap_t(x, np.ones(x.size), level, n_resamples, seed), bounds)


def cluster_interval(
    over: npt.ArrayLike,
    clusters: npt.ArrayLike,
    under: npt.ArrayLike | None = None,
    *,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
    n_resamples: int = 1999,
    seed: int = 0,
) -> Interval:
    """Return the interval of sum(over) / sum(under), whose windows come in clusters.

    Parameters
    ----------
    over : array_like, shape (n,)
        A value for each window; of pairs, their differences.
    clusters : array_like, shape (n,)
        The article (book, log) of each window: windows of different clusters are independent.
    under : array_like, shape (n,), optional
        Weights; without them the ratio is the mean over windows.
    bounds, level, n_resamples, seed
        As for `mean_interval`.

    Raises
    ------
    ValueError
        There are fewer than two clusters.
    """
    _, codes = np.unique(np.asarray(clusters), return_inverse=True)
    n = int(codes.max(initial=-1)) + 1
    if n < 2:
        raise ValueError(f"{n} clusters: an interval over clusters needs two or more")
    x = np.asarray(over, dtype=np.float64)
    w = np.ones(x.size) if under is None else np.asarray(under, dtype=np.float64)
    a, b = np.bincount(codes, x, n), np.bincount(codes, w, n)
    a, b = a[b != 0], b[b != 0]
    rate = a.sum() / b.sum()
    if np.abs(a - rate * b).max() <= 1e-12 * max(1.0, np.abs(a).max()):
        return _alike(float(rate), a.size, bounds, level)
    low, high = _bootstrap_t(a, b, level, n_resamples, seed)
    if under is None and _is_share(x, bounds):
        few, many = _share_of_clusters(a, b, level)
        low, high = min(low, few), max(high, many)
    return _within((low, high), bounds)


def macro_interval(
    values: npt.ArrayLike,
    strata: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Interval:
    """Return the interval of a mean over strata of the means within them.

    Parameters
    ----------
    values, strata : array_like, shape (n,)
        A value for each window, and its shape.
    weights : array_like, shape (strata,), optional
        Weight of each stratum, in the order of their codes; evenly by default.
    bounds, level
        As for `mean_interval`.
    """
    x, variances, df = _strata(np.asarray(values, dtype=np.float64)[None], strata)
    w = np.full(x.size, 1 / x.size) if weights is None else np.asarray(weights, dtype=np.float64)
    w = w / w.sum()
    mean, parts = float(x[0] @ w), variances * w**2
    total = float(parts.sum())
    if total <= 1e-24:
        return _alike(mean, len(np.asarray(strata)), bounds, level)
    half = t_quantile(level, total**2 / float((parts**2 / df).sum())) * math.sqrt(total)
    return _within((mean - half, mean + half), bounds)


def crossed_interval(
    values: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike | None = None,
    strata: npt.ArrayLike | None = None,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Interval:
    """Return the interval of a recipe's mean: several seeds, each read on the same windows.

    Parameters
    ----------
    values : array_like, shape (seeds, n)
        A row for each seed, a column for each window; of pairs, their differences.
    clusters : array_like, shape (n,), optional
        The article of each window, where windows of one are not independent.
    strata : array_like, shape (n,), optional
        The shape of each window, where the mean is over shapes. Not with `clusters`.
    bounds, level
        As for `mean_interval`.

    Raises
    ------
    ValueError
        There are fewer than two seeds, or both clusters and strata.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"values {x.shape}: a row for each of two seeds or more is wanted")
    if strata is not None and clusters is not None:
        raise ValueError("give clusters or strata, not both")
    n = x.shape[1]
    if strata is not None:
        means, variances, degrees = _strata(x, strata)
        per_seed = means.mean(1)
        parts = [(float(v) / means.shape[1] ** 2, float(d))
                 for v, d in zip(variances, degrees, strict=True)]  # fmt: skip
    else:
        codes = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
        size = int(codes.max()) + 1
        per_seed = x.mean(1)
        a = np.bincount(codes, x.mean(0), size).astype(np.float64)
        b = np.bincount(codes, minlength=size).astype(np.float64)
        _, error = _jackknife(a[None], b[None], np.ones((1, size)))
        parts = [(float(error[0]) ** 2, size - 1.0)]
    parts.append((float(per_seed.var(ddof=1)) / len(x), len(x) - 1.0))
    mean, total = float(per_seed.mean()), sum(v for v, _ in parts)
    if total <= 1e-24:
        return _alike(mean, n, bounds, level)
    df = total**2 / sum(v**2 / d for v, d in parts)
    half = t_quantile(level, df) * math.sqrt(total)
    return _within((mean - half, mean + half), bounds)


def _strata(x: Floats, strata: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return means (rows, strata), and the variances of the rows' mean with degrees of freedom.

    A stratum's variance is that of its windows and, as if of one window more, that of all; where it
    has fewer than four windows, of the stratum that varies most: so few windows that happen to be
    alike do not count as known.
    """
    _, codes, count = np.unique(np.asarray(strata), return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(codes, row) / count for row in x])
    row = x.mean(0)
    squares = np.bincount(codes, (row - means.mean(0)[codes]) ** 2)
    free = count - 1.0
    pooled = squares.sum() / max(free.sum(), 1.0)
    if not free.sum():
        pooled = float(row.var(ddof=1)) if row.size > 1 else 0.0
    known = np.where(count >= 4, squares / np.maximum(free, 1.0), 0.0)
    prior = np.where(count >= 4, pooled, max(pooled, float(known.max())))
    variances = (squares + prior) / (free + 1) / count
    return means, variances, np.maximum(free, 1.0)


def _bootstrap_t(a: Floats, b: Floats, level: float, n_resamples: int, seed: int) -> Interval:
    """Return the bootstrap-t interval of sum(a) / sum(b), no narrower than Student's."""
    n = a.size
    rng = np.random.default_rng(seed)
    one = np.ones((1, n))
    value, error = (float(found[0]) for found in _jackknife(a[None], b[None], one))
    step = max(1, _AT_ONCE // n)
    drawn = []
    for start in range(0, n_resamples, step):
        rows = min(step, n_resamples - start)
        counts = rng.multinomial(n, np.full(n, 1 / n), rows).astype(np.float64)
        again, spread = _jackknife(a[None], b[None], counts)
        good = spread > 1e-9 * error  # a resample of one cluster alone has none
        drawn.append((again[good] - value) / spread[good])
    tail = (1 - level) / 2
    left, right = np.quantile(np.concatenate(drawn), [tail, 1 - tail])
    effective = b.sum() ** 2 / (b**2).sum()  # clusters of one size that would say as much
    student = t_quantile(level, float(effective) - 1)
    return value - max(float(right), student) * error, value + max(-float(left), student) * error


def _is_share(x: Floats, bounds: tuple[float, float] | None) -> bool:
    limits = bounds is not None and bounds[0] == 0 and bounds[1] == 1
    return limits and bool(np.isin(x, (0.0, 1.0)).all())


def _share_of_clusters(a: Floats, b: Floats, level: float) -> Interval:
    """Return Korn and Graubard's interval: Clopper and Pearson's of as many windows as tell apart.

    That many independent windows would have the error that the clusters show.
    """
    value, error = (float(found[0]) for found in _jackknife(a[None], b[None], np.ones((1, a.size))))
    n = float(b.sum())
    shrink = (t_quantile(level, n - 1) / t_quantile(level, a.size - 1)) ** 2
    effective = max(1, int(min(n, value * (1 - value) / error**2 * shrink)))
    hits = value * effective
    return (
        share_interval(math.floor(hits), effective, level)[0],
        share_interval(math.ceil(hits), effective, level)[1],
    )


def _jackknife(a: Floats, b: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return sum(a) / sum(b) and its jackknife error, where cluster g stands counts[:, g] times."""
    n = counts.sum(1)
    above, below = (counts * a).sum(1), (counts * b).sum(1)
    value = above / below
    if counts.shape[1] > 200:  # leaving one of many out is linear
        influence = (a - value[:, None] * b) / below[:, None]
        return value, np.sqrt((counts * influence**2).sum(1) * n / (n - 1))
    rest = below[:, None] - b
    left_out = np.where(
        np.abs(rest) > 1e-12 * np.abs(below[:, None]),
        (above[:, None] - a) / np.where(rest == 0, 1.0, rest),
        value[:, None],
    )
    return value, np.sqrt((counts * (left_out - value[:, None]) ** 2).sum(1) * (n - 1) / n)


def _alike(value: float, n: int, bounds: tuple[float, float] | None, level: float) -> Interval:
    """Return the interval where all n values are one: of the mass elsewhere, 1 − (α/2)^(1/n)."""
    if bounds is None:
        return value, value
    low, high = bounds
    elsewhere = 1 - ((1 - level) / 2) ** (1 / n)
    return value - elsewhere * (value - low), value + elsewhere * (high - value)


def _within(found: Interval, bounds: tuple[float, float] | None) -> Interval:
    if bounds is None:
        return found
    return max(found[0], bounds[0]), min(found[1], bounds[1])
