"""Intervals: against SciPy's quantiles, in the cases that used to be degenerate, by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.expression.coherence import percentile_interval
from eisv_lumen.expression.intervals import (
    cluster_interval,
    crossed_interval,
    macro_interval,
    mean_interval,
    share_interval,
    t_quantile,
)


@settings(deadline=None)
@given(st.floats(1, 1e5), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_t_quantiles_are_scipys(df, level):
    stats = pytest.importorskip("scipy.stats")
    assert t_quantile(level, df) == pytest.approx(stats.t.ppf((1 + level) / 2, df), rel=1e-6)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (0, 20), (1, 20), (10, 20), (20, 20), (3, 900)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_shares_have_the_exact_interval(hits, n, level):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(hits, n).proportion_ci(level, "exact")
    assert share_interval(hits, n, level) == pytest.approx(tuple(expected), abs=1e-6)
    values = np.arange(n) < hits
    assert mean_interval(values, bounds=(0, 1), level=level) == share_interval(hits, n, level)


def test_values_that_are_all_alike_have_an_interval_where_they_are_bounded():
    low, high = mean_interval([0.5] * 10, bounds=(0, 1))
    elsewhere = 1 - 0.025**0.1
    assert (low, high) == pytest.approx((0.5 - elsewhere / 2, 0.5 + elsewhere / 2))
    assert mean_interval([0.5] * 10) == (0.5, 0.5)
    assert mean_interval([0.5]) == (-math.inf, math.inf)
    assert np.isnan(mean_interval([])).all()
    low, high = cluster_interval(np.ones(80), np.repeat(np.arange(8), 10), bounds=(0, 1))
    assert (low, high) == pytest.approx((0.025 ** (1 / 8), 1))
    assert macro_interval(np.ones(4), [0, 1, 1, 2], bounds=(0, 1))[0] == pytest.approx(0.025**0.25)


def test_a_lower_level_is_a_narrower_interval():
    x = np.random.default_rng(0).exponential(1, 30)
    code, strata = np.repeat(np.arange(10), 3), np.repeat(np.arange(3), 10)
    for interval in (
        lambda level: mean_interval(x, level=level),
        lambda level: cluster_interval(x, code, level=level),
        lambda level: macro_interval(x, strata, level=level),
        lambda level: crossed_interval(np.stack([x, x + 1]), level=level),
    ):
        (a, b), (c, d) = interval(0.95), interval(0.5)
        assert a < c < d < b
    assert percentile_interval(np.arange(101), 0.5) == (25, 75)
    assert percentile_interval(np.arange(101), 0.9) == pytest.approx((5, 95))


def test_a_cluster_counts_once_however_many_windows_it_has():
    per_article = np.random.default_rng(1).normal(0, 1, 12)
    few = cluster_interval(per_article, np.arange(12), seed=3)
    many = cluster_interval(np.repeat(per_article, 40), np.repeat(np.arange(12), 40), seed=3)
    assert few == pytest.approx(many)
    weighted = cluster_interval(per_article * 2, np.arange(12), np.full(12, 2.0), seed=3)
    assert weighted == pytest.approx(few)
    with pytest.raises(ValueError, match="1 clusters"):
        cluster_interval([1.0, 2.0], [0, 0])


def test_the_jackknife_error_is_that_of_leaving_each_out():
    """At a level where only Student's t speaks, the half width is t times the jackknife error."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(1, 1, 9), rng.uniform(1, 2, 9)
    rest = np.array([np.delete(a, k).sum() / np.delete(b, k).sum() for k in range(9)])
    error = np.sqrt(8 / 9 * ((rest - a.sum() / b.sum()) ** 2).sum())
    low, high = cluster_interval(a, np.arange(9), b)
    effective = b.sum() ** 2 / (b**2).sum()
    least = t_quantile(0.95, effective - 1) * error
    value = a.sum() / b.sum()
    assert value - low >= least - 1e-12 and high - value >= least - 1e-12
    assert min(value - low, high - value) == pytest.approx(least, rel=0.3)


def test_means_over_shapes_are_welchs_where_shapes_have_many_windows():
    rng = np.random.default_rng(3)
    strata = np.repeat([0, 1], [200, 400])
    x = rng.normal(0, 1 + strata, 600)
    error = np.sqrt(sum(x[strata == k].var(ddof=1) / (strata == k).sum() for k in (0, 1))) / 2
    mean = (x[strata == 0].mean() + x[strata == 1].mean()) / 2
    low, high = macro_interval(x, strata)
    assert (low + high) / 2 == pytest.approx(mean)
    assert high - low == pytest.approx(2 * 1.964 * error, rel=0.01)
    heavy = macro_interval(x, strata, weights=[1, 2])
    assert (heavy[0] + heavy[1]) / 2 == pytest.approx(x.mean())


def test_seeds_and_windows_both_widen():
    rng = np.random.default_rng(4)
    windows, luck = rng.normal(0, 1, (1, 100)), rng.normal(0, 1, (5, 1))
    still = crossed_interval(np.repeat(windows, 5, axis=0))
    low, high = crossed_interval(windows + luck)
    assert high - low > 3 * (still[1] - still[0])
    alone = crossed_interval(np.repeat(luck, 100, axis=1))
    expected = t_quantile(0.95, 4) * luck.std(ddof=1) / np.sqrt(5)
    assert (alone[1] - alone[0]) / 2 == pytest.approx(expected)
    articles = np.repeat(np.arange(10), 10)
    assert np.diff(crossed_interval(np.repeat(windows, 5, axis=0), clusters=articles))[0] > 0
    for wrong in (np.zeros(3), np.zeros((1, 3))):
        with pytest.raises(ValueError, match="a row for each of two seeds"):
            crossed_interval(wrong)
    with pytest.raises(ValueError, match="not both"):
        crossed_interval(np.zeros((2, 2)), clusters=[0, 1], strata=[0, 1])


@pytest.mark.parametrize("kind", ["articles", "windows", "shapes", "seeds"])
def test_intervals_hold_the_truth_as_often_as_they_say(kind):
    rng = np.random.default_rng(5)
    strata = np.repeat(np.arange(5), [40, 20, 6, 2, 1])
    held = 0
    for seed in range(200):
        if kind == "articles":
            code = np.repeat(np.arange(10), rng.lognormal(3, 0.7, 10).astype(int) + 2)
            x = rng.normal(0, 0.5, 10)[code] + rng.normal(0, 1, code.size)
            low, high = cluster_interval(x, code, n_resamples=399, seed=seed)
        elif kind == "windows":
            low, high = mean_interval(rng.exponential(1, 20) - 1, n_resamples=399, seed=seed)
        elif kind == "shapes":
            low, high = macro_interval(rng.normal(0, 1, strata.size), strata)
        else:
            x = rng.normal(0, 0.2, (3, 1)) + rng.normal(0, 1, (1, 60)) + rng.normal(0, 1, (3, 60))
            low, high = crossed_interval(x)
        held += low <= 0 <= high
    assert held >= 0.92 * 200
