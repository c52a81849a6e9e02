"""Splits share no state, keep the mix of shapes, and lose little."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.dataset.agreement import LENGTHS, PUBLISHED_AGREEMENT, label_mismatch
from eisv_lumen.trajectory.dataset.configs import split_lengths
from eisv_lumen.trajectory.dataset.schema import build, synthesize
from eisv_lumen.trajectory.dataset.splits import split
from eisv_lumen.trajectory.series import Series, cut
from eisv_lumen.trajectory.simulate.lumen_like import lumen_like
from eisv_lumen.trajectory.sources import Report, Source

from .reference import as_states, shape_of


def walk(n, seed, agent="a"):
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.choice([0.0, 1.0, 2.3, 60.0], n, p=[0.05, 0.2, 0.7, 0.05]))
    X = np.clip(0.4 + np.cumsum(rng.normal(0, 0.03, (n, 4)), 0), 0, 1)
    return Series(t, X, rng.uniform(0, 0.31, n), "test", agent)


def table_of(*series, window=20, stride=10):
    return build(Source(list(series), Report()), window, stride)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 24), st.integers(1, 30), st.integers(0, 99), st.integers(200, 900), st.data())
def test_no_state_is_in_two_splits(window, stride, seed, n, data):
    """By the definition: (agent, time) stands in the windows of one split alone."""
    table = table_of(walk(n, seed), walk(n // 2 + 30, seed + 1, "b"), window=window, stride=stride)
    rows = np.random.default_rng(seed).permutation(table.num_rows)  # in any order, with any gaps
    table = table.take(rows[: data.draw(st.integers(len(rows) // 2, len(rows)))])
    try:
        found = split(table, seed=seed)
    except InputError as error:
        assert "windows are too few" in str(error)
        return
    seen = {}
    for name, index in found.items():
        part = table.take(index)
        for agent, times in zip(part["agent"].to_pylist(), part["t"].to_pylist(), strict=True):
            for t in times:
                assert seen.setdefault((agent, t), name) == name
    everything = np.concatenate([found.train, found.validation, found.test, found.dropped])
    assert sorted(everything.tolist()) == list(range(table.num_rows))
    for (_, one), (_, other) in zip(found.items(), split(table, seed=seed).items(), strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(2, 24), min_size=1, max_size=4, unique=True),
    st.integers(1, 30),
    st.integers(0, 99),
    st.integers(200, 900),
)
def test_no_state_is_in_two_splits_of_any_length(lengths, stride, seed, n):
    """By the definition; and a window is there just where the longest one of its start is."""
    short = walk(max(lengths) - 1, 3, "c")
    source = Source([walk(n, seed), short, walk(n // 2 + 30, seed + 1, "b")],
                    Report())  # fmt: skip
    try:
        tables, dropped = split_lengths(source, lengths, stride=stride, seed=seed)
    except InputError as error:
        assert "windows are too few" in str(error)
        return
    assert list(tables) == sorted(lengths)
    seen, starts = {}, {}
    for length, splits in tables.items():
        everything = build(source, length, stride)
        known = list(
            zip(*(everything[c].to_pylist() for c in ("agent", "t", "shape")), strict=True)
        )
        for name, part in splits.items():
            rows = list(zip(*(part[c].to_pylist() for c in ("agent", "t", "shape")), strict=True))
            assert all(row in known for row in rows)
            starts.setdefault(name, []).append([(agent, t[0]) for agent, t, _ in rows])
            for agent, times, _ in rows:
                for t in times:
                    assert seen.setdefault((agent, t), name) == name
    assert all(each == many[0] for many in starts.values() for each in many)
    longest = tables[max(lengths)]
    assert sum(map(len, longest.values())) + dropped == len(build(source, max(lengths), stride))


def test_a_log_is_split_80_10_10_in_each_shape_and_loses_little():
    table = table_of(lumen_like(60_000, 3))
    found = split(table, seed=1)
    code = np.asarray(table["shape"])
    assert len(found.dropped) < 0.06 * len(code)
    for (_, rows), share in zip(found.items(), (0.8, 0.1, 0.1), strict=True):
        assert len(rows) == pytest.approx(share * len(code), rel=0.06)
        for c in range(9):
            have, of = int((code[rows] == c).sum()), int((code == c).sum())
            assert abs(have - share * of) <= 0.1 * share * of + 5, SHAPES[c]
    assert not np.array_equal(found.test, split(table, seed=2).test)


def test_windows_that_share_nothing_are_all_kept_in_exact_shares():
    table = synthesize(dict.fromkeys(SHAPES, 20), seed=0)
    found = split(table, seed=3)
    assert len(found.dropped) == 0
    code = np.asarray(table["shape"])
    for (_, rows), share in zip(found.items(), (16, 2, 2), strict=True):
        assert np.bincount(code[rows], minlength=9).tolist() == [share] * 9


def test_an_empty_split_is_refused():
    for table in (synthesize({"convergence": 2}, seed=0), table_of(walk(60, 0))):
        with pytest.raises(InputError, match=r"split '\w+' is empty: \d+ windows are too few"):
            split(table, seed=0)
    with pytest.raises(InputError, match="split 'train' is empty: 0 windows"):
        split(table_of(walk(60, 0)).slice(0, 0), seed=0)


def test_fractions_are_fractions():
    table = synthesize({"convergence": 30}, seed=0)
    found = split(table, seed=0, fractions=(0.5, 0.5, 0.0))
    assert (len(found.train), len(found.validation), len(found.test)) == (15, 15, 0)
    for bad in ((0.8, 0.2), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1)):
        with pytest.raises(InputError, match="give three, of sum 1"):
            split(table, seed=0, fractions=bad)


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 200), st.integers(0, 99))
def test_agreement_is_that_of_the_last_states_of_each_window(n, seed):
    series = walk(n, seed)
    windows = cut(series)
    for found in label_mismatch([series, walk(7, 0)]):
        want = np.zeros((9, 9), int)
        for i in range(len(windows)):
            states = as_states(windows.t[i], windows.X[i], windows.ethical_drift[i])
            last = shape_of(states[-found.length :])
            want[SHAPES.index(shape_of(states)), SHAPES.index(last)] += 1
        np.testing.assert_array_equal(found.counts, want)
        assert found.agreement == pytest.approx(np.trace(want) / want.sum())
        a, b, count = found.worst
        np.fill_diagonal(want, 0)
        assert count == want.max()
        assert count == want[SHAPES.index(a), SHAPES.index(b)]


def test_agreement_of_the_lumen_like_log_is_near_the_published_one():
    found = label_mismatch([lumen_like(60_000, 1)])
    assert tuple(f.length for f in found) == LENGTHS
    for f in found:
        assert f.agreement == pytest.approx(PUBLISHED_AGREEMENT[f.length], abs=0.06)
    assert found[0].worst[:2] == ("settled_presence", "convergence")
    assert found[-1].agreement == 1.0


def test_agreement_needs_lengths_within_the_window():
    for k in (1, 21):
        with pytest.raises(InputError, match=f"length {k}: use lengths from 2 to"):
            label_mismatch([walk(100, 0)], (k,))
    with pytest.raises(InputError, match="no series has the 20 states"):
        label_mismatch([walk(10, 0)])
