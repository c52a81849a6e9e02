"""The Lumen-like process: it resembles what is published, and its log is a real anima.db."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from eisv_lumen import SHAPES
from eisv_lumen.core.errors import InputError
from eisv_lumen.eisv import anima_to_eisv
from eisv_lumen.expression.vocabulary import PRIMITIVES, REAL_MIX
from eisv_lumen.study.process_distances import energy_distance, ks_each, scaled, two_sample_auc
from eisv_lumen.trajectory.series import windows_from_arrays
from eisv_lumen.trajectory.simulate.lumen_like import (
    abrupt_summaries,
    balanced_windows,
    constants,
    lumen_like,
    lumen_log,
    round_as_real,
    summaries_like_real,
    synthetic_summaries,
    write_anima_db,
)
from eisv_lumen.trajectory.sources.summaries import for_fitting, read_summaries
from eisv_lumen.trajectory.windows import classify

DRIFT = SHAPES.index("drift_dissonance")
REAL = Path(__file__).parents[2].parent / "shared/data/lumen_real_windows.jsonl"


@pytest.fixture(scope="module")
def long_run():
    return lumen_like(2_000_000, seed=901)


@pytest.fixture(scope="module")
def shapes_at_20(long_run):
    return classify(long_run.t, long_run.X)


@pytest.fixture(scope="module")
def balanced():
    return balanced_windows(60, seed=4)


@pytest.fixture(scope="module")
def anima(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "anima.db"
    n_null = write_anima_db(path, 30_000, seed=5, n_expressions=120)
    return path, n_null


def test_the_mix_of_shapes_is_the_published_one(shapes_at_20):
    mix = np.bincount(shapes_at_20, minlength=9) / len(shapes_at_20)
    for shape, published in REAL_MIX.items():
        assert mix[SHAPES.index(shape)] == pytest.approx(published, rel=0.25, abs=0.001), shape


@pytest.mark.parametrize(("k", "published"), [(4, 0.65), (8, 0.77), (10, 0.81), (15, 0.91)])
def test_shorter_windows_agree_as_often_as_published(long_run, shapes_at_20, k, published):
    last = classify(long_run.t[20 - k :], long_run.X[20 - k :], window=k, stride=10)
    assert np.mean(last[: len(shapes_at_20)] == shapes_at_20) == pytest.approx(published, abs=0.025)


def test_states_are_finite_in_range_and_in_whole_thousandths(long_run):
    assert np.isfinite(long_run.X).all() and np.isfinite(long_run.t).all()
    assert long_run.X.min() >= 0 and (long_run.X <= [1, 1, 1, 0.3]).all()
    anima = long_run.X[:1000, :2] * 1000
    np.testing.assert_allclose(anima, np.round(anima), atol=1e-9)


def test_the_log_has_lumens_rhythm_near_duplicates_and_long_gaps(long_run):
    dt = np.diff(long_run.t)
    assert np.median(dt) == pytest.approx(2.3, abs=0.1)
    assert dt.min() > 0
    assert 0.005 < np.mean(dt < 0.2) < 0.1
    assert dt.max() > 3600


def test_stretches_of_exactly_constant_clarity_and_zero_entropy_occur(long_run):
    I, S = long_run.X[:, 1], long_run.X[:, 2]
    assert np.mean(I[1:] == I[:-1]) > 0.4
    assert np.mean(S == 0) > 0.05


def test_runs_follow_their_seed():
    a, b, c = (lumen_log(5_000, seed) for seed in (1, 1, 2))
    assert np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])
    assert not np.array_equal(a[1], c[1])
    with pytest.raises(InputError, match="n_states=0"):
        lumen_like(0, seed=1)


def test_a_run_of_one_state_and_an_interval_of_none():
    series = lumen_like(1, seed=0, drift=True)
    assert len(series) == 1 and series.ethical_drift.shape == (1,)


def test_drift_leaves_the_other_dimensions_alone_and_is_independent_of_them():
    plain, adrift = lumen_like(200_000, seed=3), lumen_like(200_000, seed=3, drift=True)
    assert plain.ethical_drift is None
    assert np.array_equal(plain.X, adrift.X) and np.array_equal(plain.t, adrift.t)
    drift = adrift.ethical_drift
    assert drift.min() >= 0 and drift.max() <= 1
    assert 0.001 < np.mean(drift > 0.3) < 0.03
    for column in adrift.X.T:
        assert abs(np.corrcoef(drift, column)[0, 1]) < 0.02
    moved = np.abs(np.diff(adrift.X, axis=0)).max(axis=1)
    assert abs(np.corrcoef(drift[1:], moved)[0, 1]) < 0.02


def test_drift_is_a_nuisance_in_windows_of_every_shape(balanced):
    """Among windows whose drift stays low, the drift column does not tell the shape."""
    highest = balanced.ethical_drift.max(axis=1)
    assert (highest[balanced.shape == DRIFT] > 0.3).all()
    median = [np.median(highest[balanced.shape == s]) for s in range(9) if s != DRIFT]
    assert min(median) > 0.08
    assert max(median) - min(median) < 0.06


def test_balanced_windows_are_balanced_labelled_and_disjoint(balanced):
    assert np.bincount(balanced.shape).tolist() == [60] * 9
    again = windows_from_arrays(balanced.t, balanced.X, balanced.ethical_drift)
    assert np.array_equal(again.shape, balanced.shape)
    rows = balanced.X.reshape(len(balanced), -1)
    assert len(np.unique(rows, axis=0)) > 0.98 * len(rows)  # windows of perfect rest may coincide


def test_balanced_windows_follow_their_seed(balanced):
    again, other = balanced_windows(60, seed=4), balanced_windows(60, seed=5)
    assert np.array_equal(again.X, balanced.X) and np.array_equal(again.t, balanced.t)
    seen = {x.tobytes() for x in balanced.X[:, :, [0, 2]]}
    shared = [x.tobytes() in seen for x in other.X[:, :, [0, 2]]]
    assert not any(shared)


def test_without_drift_there_are_eight_shapes():
    windows = balanced_windows(5, seed=1, drift=False, window=8)
    assert np.bincount(windows.shape, minlength=9).tolist() == [
        0 if s == DRIFT else 5 for s in range(9)
    ]
    assert not windows.ethical_drift.any()


def test_a_shape_that_no_window_can_have_is_named():
    with pytest.raises(InputError, match=r"window=2: .* entropy_spike_recovery, convergence"):
        balanced_windows(1, window=2, seed=0)


def test_summaries_are_rounded_as_the_real_ones_and_labelled_by_the_rules():
    shape, summary = summaries_like_real(4_000, seed=2)
    assert summary.shape == (4_000, 14) and (summary[:, 0] == 4).all()
    np.testing.assert_array_equal(summary, np.round(summary, 4))
    np.testing.assert_array_equal(summary[:, 1], np.round(summary[:, 1], 2))
    # What must follow from a summary by the rules alone: means of rates beyond their limits.
    slow = shape == SHAPES.index("convergence")
    assert (np.abs(summary[slow, 6:14]) <= 0.05).all()
    void = shape == SHAPES.index("void_rising")
    assert void.any() and (summary[void, 9] >= 0.05).all()
    again = summaries_like_real(4_000, seed=2)
    assert np.array_equal(again[0], shape) and np.array_equal(again[1], summary)


def test_abrupt_summaries_hold_an_abrupt_step_and_are_as_the_natural_ones_that_do():
    shape, summary = abrupt_summaries(2_000, seed=2)
    assert len(shape) == 2_000 and (np.abs(summary[:, 10:]).max(1) >= 0.5).all()
    np.testing.assert_array_equal(summary, round_as_real(summary))
    natural_shape, natural = summaries_like_real(40_000, seed=2)
    abrupt = np.abs(natural[:, 10:]).max(1) > 0.5
    assert 0.02 < abrupt.mean() < 0.1
    mix, expected = (np.bincount(s, minlength=9) / len(s) for s in (shape, natural_shape[abrupt]))
    np.testing.assert_allclose(mix, expected, atol=0.04)
    assert not {row.tobytes() for row in summary} & {row.tobytes() for row in natural}
    assert np.array_equal(abrupt_summaries(2_000, seed=2)[1], summary)
    with pytest.raises(InputError, match="n=-1, seed=2"):
        abrupt_summaries(-1, seed=2)


def test_synthetic_summaries_are_balanced_rounded_and_follow_their_seed():
    shape, summary = synthetic_summaries(95, seed=2)
    assert np.bincount(shape, minlength=9).tolist() == [11] * 5 + [10] * 4
    np.testing.assert_array_equal(summary, round_as_real(summary))
    assert (summary[:, 0] == 4).all()
    assert (summary[shape == SHAPES.index("void_rising"), 9] > 0.05).all()
    again, other = synthetic_summaries(95, seed=2), synthetic_summaries(95, seed=3)
    assert np.array_equal(again[1], summary) and not np.array_equal(other[1], summary)
    assert synthetic_summaries(0, seed=2)[1].shape == (0, 14)
    with pytest.raises(InputError, match="n=-1, seed=2"):
        synthetic_summaries(-1, seed=2)


def test_an_anima_db_reads_back_as_the_process(anima):
    path, n_null = anima
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT * FROM state_history ORDER BY id").fetchall()
    assert len(rows) == 30_000 + n_null
    assert n_null == sum(None in row[2:6] for row in rows) > 0
    usable = [row for row in rows if None not in row[2:6]]
    series = lumen_like(30_000, seed=5)
    assert np.array_equal(anima_to_eisv([row[2:6] for row in usable]), series.X)
    t = np.array([row[1] for row in usable], "datetime64[us]").astype(np.int64) / 1e6
    assert np.array_equal(t, series.t)


def test_an_anima_db_has_lumens_expressions(anima):
    with sqlite3.connect(anima[0]) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute("SELECT * FROM primitive_history ORDER BY id").fetchall()
        first, last = db.execute(
            "SELECT min(timestamp), max(timestamp) FROM state_history"
        ).fetchone()
    assert len(rows) == 120
    for row in rows:
        tokens = row["tokens"].split(",")
        assert set(tokens) <= set(PRIMITIVES) and 1 <= len(tokens) <= 3
        assert len(row["category_pattern"].split(",")) == len(tokens)
        assert 0 <= row["score"] <= 1 and first < row["timestamp"] <= last


def test_an_anima_db_has_the_same_bytes_every_time(anima, tmp_path):
    path, _ = anima
    write_anima_db(tmp_path / "again.db", 30_000, seed=5, n_expressions=120)
    assert (tmp_path / "again.db").read_bytes() == path.read_bytes()


def test_an_anima_db_refuses_more_expressions_than_windows(tmp_path):
    with pytest.raises(InputError, match="at most 1 expressions"):
        write_anima_db(tmp_path / "a.db", 20, seed=0)
    assert not list(tmp_path.iterdir())


def test_regimes_are_whole_and_no_constant_is_a_row_of_the_real_data():
    table = constants()
    assert sum(r["share"] for r in table["regimes"].values()) == pytest.approx(1, abs=0.3)
    fields = {tuple(sorted(r)) for r in table["regimes"].values()}
    assert len(fields) == 1


def test_distances_agree_with_slow_definitions():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 2)), rng.normal(0.7, 1, size=(40, 2))
    slow = [
        max(abs(np.mean(a[:, j] <= x) - np.mean(b[:, j] <= x)) for x in [*a[:, j], *b[:, j]])
        for j in range(2)
    ]
    np.testing.assert_allclose(ks_each(a, b), slow)

    def mean_norm(x, y, same=False):
        pairs = [(i, j) for i in range(len(x)) for j in range(len(y)) if not (same and i == j)]
        return np.mean([np.linalg.norm(x[i] - y[j]) for i, j in pairs])

    expected = 2 * mean_norm(a, b) - mean_norm(a, a, True) - mean_norm(b, b, True)
    assert energy_distance(a, b) == pytest.approx(expected)


def test_the_two_sample_forest_tells_what_differs_and_nothing_else():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    assert two_sample_auc(a, b + np.array([5, 0, 0]), seed=0) > 0.99
    assert 0.3 < two_sample_auc(a, b, seed=0) < 0.7


def test_the_process_is_nearer_to_the_fitting_half_than_chance_allows_for_the_idealised():
    if not REAL.exists():
        pytest.skip(f"{REAL} is not there: distances to real windows cannot be taken")
    known = read_summaries(REAL)
    half = known.take(for_fitting(known.id))
    shape, real = half.shape, half.values
    labels, summary = summaries_like_real(5_000, seed=8)
    assert energy_distance(scaled(real), scaled(summary[:2000])) < 0.1
    assert np.mean(labels == SHAPES.index("convergence")) == pytest.approx(
        np.mean(shape == SHAPES.index("convergence")), abs=0.1
    )
