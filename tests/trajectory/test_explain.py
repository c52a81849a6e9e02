"""An explanation against the kernel and the plain definition: same label, and reasons that hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen.core.errors import InputError
from eisv_lumen.expression.vocabulary import SHAPES
from eisv_lumen.trajectory.rules.explain import derivatives, explain
from eisv_lumen.trajectory.windows import classify

from .reference import DIMS, as_states, difference
from .test_kernel import random_series, series


@settings(max_examples=300, deadline=None)
@given(series(most=24))
def test_the_explained_shape_is_the_kernels(s):
    t, X, drift = s
    code = classify(t, X, window=len(t), stride=1, ethical_drift=drift)[0]
    assert explain(t, X, drift).shape == SHAPES[code]


def test_it_agrees_with_the_kernel_on_many_adversarial_windows():
    rng = np.random.default_rng(20260101)
    seen = set()
    for _ in range(60):
        t, X, drift = random_series(rng, 60)
        window = int(rng.integers(2, 25))
        codes = classify(t, X, window=window, stride=1, ethical_drift=drift)
        for start, code in enumerate(codes):
            at = slice(start, start + window)
            assert explain(t[at], X[at], drift[at]).shape == SHAPES[code]
        seen |= set(codes.tolist())
    assert seen == set(range(len(SHAPES)))


@settings(max_examples=100, deadline=None)
@given(series(most=16))
def test_every_rule_before_the_one_that_fired_has_a_condition_that_fails(s):
    t, X, drift = s
    found = explain(t, X, drift)
    assert [rule.shape for rule in found.rules] == [
        "basin_transition_down", "basin_transition_up", "entropy_spike_recovery",
        "drift_dissonance", "void_rising", "rising_entropy", "falling_energy", "convergence",
        "settled_presence",
    ]  # fmt: skip
    for i, rule in enumerate(found.rules):
        failed = [c for c in rule.conditions if not c.holds]
        assert bool(failed) != rule.holds
        if i < found.fired:
            assert failed
        for condition in rule.conditions:
            strict = condition.relation != "≥"
            assert condition.holds == (
                condition.margin > 0 or (not strict and condition.margin == 0)
            )


@settings(max_examples=100, deadline=None)
@given(series(most=16))
def test_derivatives_are_those_of_the_definition(s):
    t, X, _ = s
    states = as_states(t, X)
    found = derivatives(t, X)
    for j, dim in enumerate(DIMS):
        stamps, first = difference([x["t"] for x in states], [x[dim] for x in states])
        later, second = difference(stamps, first)
        assert found.t1.tolist() == stamps and found.t2.tolist() == later
        assert found.first[:, j].tolist() == first
        assert found.second[:, j].tolist() == second


@pytest.mark.parametrize(
    ("t", "x", "drift", "message"),
    [
        ([0.0], 1, None, "n ≥ 2"),
        ([0.0, 1.0], 3, None, "columns E, I, S, V"),
        ([0.0, 1.0], 2, [0.1], "ethical_drift"),
        ([1.0, 0.0], 2, None, "row 1: time decreases"),
        ([0.0, np.nan], 2, None, "row 1: not finite"),
        ([0.0, 1.0], 2, [0.0, np.inf], "row 1: not finite"),
    ],
)
def test_states_that_make_no_window_are_refused_in_words(t, x, drift, message):
    with pytest.raises(InputError, match=message):
        explain(t, np.zeros((x, 4)), drift)


@given(st.integers(2, 6))
def test_a_window_without_time_has_no_derivatives_and_is_settled(n):
    found = explain(np.zeros(n), np.zeros((n, 4)))
    assert found.shape == "settled_presence"
    assert found.rules[7].conditions[0].value == 0
