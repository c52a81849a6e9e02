"""The compiled kernel against the plain definition: every label equal, on every window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.rules import kernel
from eisv_lumen.trajectory.rules.thresholds import SCREEN
from eisv_lumen.trajectory.series import Series, concatenate, cut, windows_from_arrays
from eisv_lumen.trajectory.windows import (
    SUMMARY_FIELDS,
    classify,
    classify_stream,
    count_windows,
    label_each,
    summarize,
)

from .reference import as_states, shape_of, summary_of, windows_of


def around(*thresholds):
    """Each threshold with its neighbours one ulp away."""
    return [float(y) for x in thresholds for y in (np.nextafter(x, -9), x, np.nextafter(x, 9))]


# Values at which a rule turns: ranges, drift, rates, stillness, each with its neighbours.
STEPS = [0.0, -0.0, *around(0.05, -0.05, 1e-9, -1e-9, 0.2, -0.2, 0.1, 0.025), 0.01, -0.01, 0.3]
DRIFTS = [0.0, 1.0, *around(0.3)]
GAPS = [0.0, 0.0, 1.0, 1.0, 1.0, 0.5, 2.0, 0.1, 2.3, 1e-3, 3600.0, *around(1e-6), 1e-9]
STARTS = [0.0, 0.5, *around(0.2, 0.3, 1.0)]


def random_series(rng, n, near=True):
    """An adversarial series: rates, ranges and drifts drawn at and around the thresholds."""
    gaps = rng.choice(GAPS, n) if rng.random() < 0.5 else np.full(n, rng.choice(GAPS))
    if rng.random() < 0.3:
        gaps = rng.exponential(2.0, n)
    t = np.cumsum(gaps)
    scale = rng.choice([0.0, 0.02, 0.2, 1.0, 1.0], 4)
    steps = rng.choice(STEPS, (n, 4)) * scale
    if rng.random() < 0.5:
        steps *= np.maximum(gaps, 1e-3)[:, None]  # so that rates, not differences, are thresholds
    X = rng.choice(STARTS, 4) + np.cumsum(steps, axis=0)
    if rng.random() < 0.3:
        X = rng.choice(STARTS + STEPS, (n, 4))
    drift = rng.choice(DRIFTS, n, p=[0.9, 0.02, 0.03, 0.03, 0.02])
    return t, X, drift


def expected(t, X, drift, window, stride):
    return [shape_of(w) for w in windows_of(as_states(t, X, drift), window, stride)]


def names(codes):
    return [SHAPES[c] for c in codes]


@st.composite
def series(draw, most=48):
    n = draw(st.integers(2, most))
    near = st.sampled_from(STEPS)
    step = draw(st.sampled_from([near, st.floats(-0.3, 0.3), st.just(0.0)]))
    gap = draw(st.sampled_from([st.sampled_from(GAPS), st.just(1.0), st.floats(0, 10)]))
    gaps = draw(st.lists(gap, min_size=n, max_size=n))
    columns = []
    for _ in range(4):
        start = draw(st.sampled_from(STARTS))
        moves = np.array(draw(st.lists(step, min_size=n, max_size=n)))
        by_rate = draw(st.booleans())
        moves = moves * np.array(gaps) if by_rate else moves
        walks = draw(st.booleans())
        columns.append(start + (np.cumsum(moves) if walks else moves))
    drift = draw(st.none() | st.lists(st.sampled_from(DRIFTS), min_size=n, max_size=n))
    offset = draw(st.sampled_from([0.0, 1.7e9, -5.0]))
    return offset + np.cumsum(gaps), np.column_stack(columns), drift


@settings(max_examples=400, deadline=None)
@given(series(), st.data())
def test_every_label_is_that_of_the_definition(s, data):
    t, X, drift = s
    window = data.draw(st.integers(2, len(t)))
    stride = data.draw(st.integers(1, len(t) + 2))
    codes = classify(t, X, window=window, stride=stride, ethical_drift=drift)
    assert codes.dtype == np.int8
    assert names(codes) == expected(t, X, drift, window, stride)


@pytest.mark.parametrize("seed", range(6))
def test_every_label_on_long_adversarial_series(seed):
    rng = np.random.default_rng(seed)
    seen = set()
    for _ in range(60):
        t, X, drift = random_series(rng, int(rng.integers(200, 1500)))
        window = int(rng.choice([2, 3, 4, 7, 10, 15, 20, 33]))
        stride = int(rng.choice([1, 2, 5, 10, window, window + 3]))
        stride = max(stride, len(t) // 150)
        codes = classify(t, X, window=window, stride=stride, ethical_drift=drift)
        want = expected(t, X, drift, window, stride)
        assert names(codes) == want
        seen.update(want)
    assert seen == set(SHAPES)


@pytest.mark.parametrize(("window", "stride"), [(20, 10), (15, 11), (7, 300)])
def test_chunk_borders_inside_the_series(window, stride):
    rng = np.random.default_rng(window)
    for _ in range(3):
        t, X, drift = random_series(rng, 2 * kernel.CHUNK + 500)
        codes = classify(t, X, window=window, stride=stride, ethical_drift=drift)
        assert names(codes) == expected(t, X, drift, window, stride)


@pytest.mark.parametrize("longer", [-1, 0, 1, 500])
def test_windows_longer_than_a_chunk(longer):
    window = kernel.CHUNK + longer
    rng = np.random.default_rng(window)
    for _ in range(3):
        t, X, drift = random_series(rng, kernel.CHUNK + 1000)
        codes = classify(t, X, window=window, stride=97, ethical_drift=drift)
        assert names(codes) == expected(t, X, drift, window, 97)


def test_rough_marks_are_the_exact_ones_where_they_raise_no_doubt():
    rng = np.random.default_rng(0)
    marks, exact = np.empty(3, np.uint8), np.empty(3, np.uint8)
    dt, d1 = np.empty(2), np.empty((4, 2))
    off = 10.0 ** rng.uniform(-17, -4, (20_000, 4)) * rng.choice([-1, 0, 1], (20_000, 4))
    trusted = {True: 0, False: 0}
    for near in off:  # each series about a limit, nearer than the margin or not
        gaps = 10.0 ** rng.uniform(-6.2, 3, 3)
        rates = rng.choice([0.05, -0.05, 1e-9, 0.02, 0.0], (2, 4)) * (1 + near)
        if rng.random() < 0.5:
            rates[1] = rates[0] + 0.05 * gaps[2] * rng.choice([1, -1, 0], 4) * (1 + near)
        X = rng.choice([0.0, 0.4]) + np.cumsum(np.vstack([[[0] * 4], rates * gaps[1:, None]]), 0)
        t, columns = np.cumsum(gaps), np.ascontiguousarray(X.T)
        usable, doubt = kernel.mark_roughly(t, *columns, np.zeros(3), SCREEN, marks)
        assert usable
        exact[:] = 0
        kernel.rates(t, *columns, 0, 2, dt, d1)
        kernel._mark_exactly(dt, d1, SCREEN, exact)
        # the first rate has no predecessor, and bends count only among rates that are not fast
        compared = np.array([0, 3, 3 if (exact[1] | exact[2]) & kernel._FAST else 7], np.uint8)
        trusted[not doubt] += 1
        assert doubt or (marks & compared == exact & compared).all()
    assert min(trusted.values()) > 1000
    assert kernel._FAST | kernel._LIVE | kernel._BENT == 7


THRESHOLD_CASES = [
    # (rule, dimension, values at t = 0, 1, 2, …) : exactly at the limit, and an ulp around it
    *(("E", [x, 0.0, 0.0], None) for x in around(0.2)),
    *(("E", [0.0, 0.0, x], None) for x in around(0.2)),
    *(("S", [0.0, x, 0.0], None) for x in around(0.2)),
    *(("S", [0.0, 0.2, 0.2], None) for x in around(0.2)),
    *(("S", [0.2, 0.2, 0.0], None) for x in around(0.2)),
    *(("V", [0.0, x, 2 * x], None) for x in around(0.05)),
    *(("S", [0.0, x, 2 * x], None) for x in around(0.05)),
    *(("E", [2 * x, x, 0.0], None) for x in around(0.05)),
    *(("I", [0.0, x, 2 * x], None) for x in around(0.05, -0.05, 1e-9, -1e-9)),
    *(("I", [0.0, x, 0.0], None) for x in around(0.025, -0.025)),
    *(("I", [0.0, 0.0, 0.0], x) for x in around(0.3)),
]


@pytest.mark.parametrize(("dim", "values", "drift"), THRESHOLD_CASES)
def test_at_and_an_ulp_around_each_threshold(dim, values, drift):
    X = np.zeros((3, 4))
    X[:, "EISV".index(dim)] = values
    drifts = None if drift is None else [0.0, drift, 0.0]
    codes = classify([0.0, 1.0, 2.0], X, window=3, stride=1, ethical_drift=drifts)
    assert names(codes) == expected([0.0, 1.0, 2.0], X, drifts, 3, 1)


def test_the_threshold_cases_turn_labels():
    """At each limit one neighbour has another label: the cases do sit on the edge."""

    def label(dim, values, drift=0.0):
        X = np.zeros((3, 4))
        X[:, "EISV".index(dim)] = values
        return shape_of(as_states([0.0, 1.0, 2.0], X, [drift] * 3))

    below, at, above = around(0.2)
    assert label("E", [below, 0, 0]) != label("E", [at, 0, 0]) == "basin_transition_down"
    assert label("S", [0, below, 0]) != label("S", [0, at, 0]) == "entropy_spike_recovery"
    below, at, above = around(0.05)
    assert label("V", [0, at, 2 * at]) != label("V", [0, above, 2 * above]) == "void_rising"
    assert label("I", [0, at, 2 * at]) != label("I", [0, below, 2 * below]) == "convergence"
    assert label("I", [0] * 3, 0.3) != label("I", [0] * 3, around(0.3)[2]) == "drift_dissonance"


def test_a_repeated_time_has_no_derivative_and_its_later_state_is_the_new_previous():
    t = [0.0, 1.0, 1.0, 2.0, 3.0]
    E = [0.5, 0.5, 0.9, 0.9, 0.9]  # the jump of 0.4 lies inside one instant
    X = np.column_stack([E, *[[0.1] * 5] * 3])
    # no rate is positive, so the jump is no basin transition, and nothing moves
    assert names(classify(t, X, window=5, stride=1)) == ["settled_presence"]
    assert summarize(t, X, window=5, stride=1)[0, 6:].tolist() == [0.0] * 8
    t, E = [0.0, 1.0, 1.0, 2.0], [0.0, 0.01, 0.02, 0.05]
    X = np.column_stack([E, *[[0.1] * 4] * 3])
    # rates 0.01 and 0.03 (from 0.02), then (0.03 - 0.01) / 1 s
    row = dict(zip(SUMMARY_FIELDS, summarize(t, X, window=4, stride=1)[0], strict=True))
    assert row["dE"] == pytest.approx(0.02) and row["d2E"] == pytest.approx(0.02)


@settings(max_examples=200, deadline=None)
@given(series(), st.data())
def test_summaries_are_those_of_the_definition(s, data):
    t, X, _ = s
    window = data.draw(st.integers(2, len(t)))
    stride = data.draw(st.integers(1, len(t)))
    got = summarize(t, X, window=window, stride=stride)
    want = [summary_of(w) for w in windows_of(as_states(t, X), window, stride)]
    np.testing.assert_array_equal(got, np.array(want).reshape(-1, 14))


def stream(t, X, drift, cuts, **how):
    parts = [
        (t[a:b], X[a:b], None if drift is None else np.asarray(drift)[a:b])
        for a, b in zip([0, *cuts], [*cuts, len(t)], strict=True)
    ]
    got = list(classify_stream(iter(parts), **how))
    return np.concatenate(got) if got else np.empty(0, np.int8)


@settings(max_examples=300, deadline=None)
@given(series(), st.data())
def test_any_batching_gives_the_labels_of_the_whole(s, data):
    t, X, drift = s
    window = data.draw(st.integers(2, len(t)))
    stride = data.draw(st.integers(1, 2 * window + 3))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(t)), max_size=8)))
    want = classify(t, X, window=window, stride=stride, ethical_drift=drift)
    got = stream(t, X, drift, cuts, window=window, stride=stride)
    np.testing.assert_array_equal(got, want)


def test_a_stream_shorter_than_a_window_has_no_labels():
    assert stream(np.arange(3.0), np.zeros((3, 4)), None, [1, 2]).size == 0


@settings(max_examples=60, deadline=None)
@given(series(), st.integers(2, 20))
def test_windows_by_themselves_have_the_labels_of_the_series(s, window):
    t, X, drift = s
    window = min(window, len(t))
    whole = cut(Series(t, X, None if drift is None else np.array(drift)), window, 3)
    code, summary = label_each(whole.t, whole.X, whole.ethical_drift)
    np.testing.assert_array_equal(code, whole.shape)
    np.testing.assert_array_equal(summary, whole.summary)
    again = windows_from_arrays(whole.t, whole.X, whole.ethical_drift)
    half = len(again) // 2
    joined = concatenate([again.take(slice(half)), again.take(np.arange(half, len(again)))])
    np.testing.assert_array_equal(joined.X, whole.X)
    np.testing.assert_array_equal(joined.shape, whole.shape)


def test_layout_and_type_of_the_columns_do_not_matter():
    t, X, drift = random_series(np.random.default_rng(3), 500)
    want = classify(t, X, ethical_drift=drift)
    np.testing.assert_array_equal(want, classify(t, np.asfortranarray(X), ethical_drift=drift))
    np.testing.assert_array_equal(want, classify(list(t), X.tolist(), ethical_drift=list(drift)))
    twice = np.repeat(X, 2, axis=0)[::2]
    np.testing.assert_array_equal(want, classify(t, twice, ethical_drift=drift))
    np.testing.assert_array_equal(classify(t, X), classify(t, X, ethical_drift=np.zeros(500)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", ["t", "E", "I", "S", "V", "ethical_drift"])
@pytest.mark.parametrize("row", [0, 7, 4500, 4999])
def test_a_value_that_is_not_finite_is_refused_by_its_row(bad, column, row):
    t, X, drift = np.arange(5000.0), np.full((5000, 4), 0.3), np.zeros(5000)
    {"t": t, "ethical_drift": drift}.get(column, X[:, "EISV".find(column)])[row] = bad
    with pytest.raises(InputError, match=rf"row {row}: not finite.*{column}={bad}"):
        classify(t, X, ethical_drift=drift)
    if column != "ethical_drift":
        with pytest.raises(InputError, match=f"row {row}"):
            summarize(t, X)


@pytest.mark.parametrize("row", [1, 19, 1023, 1024, 1025, 2000, 2999, 4096])
@pytest.mark.parametrize("how", [(20, 10), (20, 20), (2, 1), (5, 11), (1024, 1024), (10, 4990)])
def test_decreasing_time_is_refused_by_its_row_however_windows_lie(row, how):
    t = np.arange(5000.0)
    t[row:] -= 1.5
    window, stride = how
    inside = row < (count_windows(5000, window, stride) - 1) * stride + window
    for cuts in ([], [7, 1000, 1024, 2000]):
        if not inside:
            continue
        with pytest.raises(InputError, match=rf"time decreases from {row - 1}"):
            if cuts:
                stream(t, np.zeros((5000, 4)), None, cuts, window=window, stride=stride)
            else:
                classify(t, np.zeros((5000, 4)), window=window, stride=stride)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"t": np.arange(5.0), "X": np.zeros((5, 4))}, "window of 20 .* longer than .* of 5"),
        ({"t": np.arange(30.0), "X": np.zeros((29, 4))}, r"\(N,\) and \(N, 4\)"),
        ({"t": np.arange(30.0), "X": np.zeros((4, 30))}, r"\(N,\) and \(N, 4\)"),
        ({"t": ["noon"] * 30, "X": np.zeros((30, 4))}, "must be numbers"),
        ({"t": np.arange(30.0), "X": np.zeros((30, 4)), "ethical_drift": [1.0]}, "like t"),
        ({"t": np.arange(30.0), "X": np.zeros((30, 4)), "window": 1}, "at least 2 states"),
        ({"t": np.arange(30.0), "X": np.zeros((30, 4)), "stride": 0}, "at least 2 states"),
    ],
)
def test_bad_input_has_one_message(arguments, message):
    with pytest.raises(InputError, match=message):
        classify(**arguments)
