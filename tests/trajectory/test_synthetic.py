"""Idealised windows: of the asked shape at every length and spacing that allows it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eisv_lumen import SHAPES
from eisv_lumen.core.errors import InputError
from eisv_lumen.trajectory.simulate.synthetic import SPACING, generate, spacing_limit

shapes = st.sampled_from(SHAPES)
spacings = st.floats(-6, 7).map(lambda x: 10.0**x)


def feasible_by_hand(shape: str, window: int, spacing: float, v_max: float) -> bool:
    """Decide by the rules alone whether evenly spaced states in range can have the shape."""
    needed = 0.05 * spacing * (window - 1)
    match shape:
        case "entropy_spike_recovery" | "convergence":
            return window >= 3
        case "falling_energy":
            return needed < 0.2
        case "rising_entropy":
            return needed < 1.0
        case "void_rising":
            return needed < v_max
    return True


@settings(max_examples=300, deadline=None)
@given(shapes, st.integers(2, 64), spacings, st.sampled_from([1.0, 0.3, 0.05]), st.integers(0, 9))
def test_every_window_has_the_asked_shape_exactly_where_it_can(shape, window, spacing, v_max, seed):
    if not feasible_by_hand(shape, window, spacing, v_max):
        with pytest.raises(InputError):
            generate(shape, 5, window=window, spacing=spacing, v_max=v_max, seed=seed)
        return
    w = generate(shape, 5, window=window, spacing=spacing, v_max=v_max, seed=seed)
    assert [SHAPES[c] for c in w.shape] == [shape] * 5
    assert w.X.shape == (5, window, 4) and w.t.shape == (5, window)
    assert w.X.min() >= 0 and (w.X <= [1, 1, 1, v_max]).all()
    np.testing.assert_allclose(np.diff(w.t, axis=1), spacing, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["falling_energy", "rising_entropy", "void_rising"]),
    st.integers(2, 64),
    st.sampled_from([1.0, 0.3]),
)
def test_the_stated_limit_is_the_limit(shape, window, v_max):
    limit = spacing_limit(shape, window, v_max)
    assert len(generate(shape, 3, window=window, spacing=0.999 * limit, v_max=v_max, seed=1)) == 3
    with pytest.raises(InputError, match=f"below {limit:.6g} s"):
        generate(shape, 3, window=window, spacing=1.001 * limit, v_max=v_max, seed=1)


@pytest.mark.parametrize("shape", SHAPES)
def test_defaults_are_those_of_the_study(shape):
    w = generate(shape, 40, seed=3)
    assert (w.shape == SHAPES.index(shape)).all()
    np.testing.assert_allclose(np.diff(w.t, axis=1), SPACING[shape])
    squeezed = {"rising_entropy": 0.75, "falling_energy": 0.18, "void_rising": 0.22}
    assert SPACING[shape] == squeezed.get(shape, 1.0)
    assert len(np.unique(w.X.round(6), axis=0)) == 40


@pytest.mark.parametrize("shape", SHAPES)
def test_the_default_spacing_gives_way_to_a_long_window(shape):
    assert (generate(shape, 5, window=300, v_max=0.3, seed=0).shape == SHAPES.index(shape)).all()


def test_falling_energy_a_second_apart_is_refused_with_the_reason():
    with pytest.raises(InputError, match=r"more than 0\.95 within a range of 0\.2.*0\.210526 s"):
        generate("falling_energy", 1, spacing=1.0, seed=0)


def test_drift_stays_below_its_limit_but_for_dissonance():
    for shape in SHAPES:
        drift = generate(shape, 50, seed=5).ethical_drift.max(axis=1)
        assert ((drift > 0.3) == (shape == "drift_dissonance")).all()
        assert drift.min() > 0


def test_the_same_seed_gives_the_same_windows():
    a, b, c = (generate("convergence", 20, seed=s) for s in (7, 7, 8))
    assert np.array_equal(a.X, b.X) and np.array_equal(a.t, b.t)
    assert not np.array_equal(a.X, c.X)
    assert len(generate("convergence", 0, seed=7)) == 0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"window": 2}, "at least 3 states"),
        ({"spacing": 0.0}, "spacing=0.0"),
        ({"spacing": float("nan")}, "spacing=nan"),
        ({"v_max": 1.5}, "v_max=1.5"),
        ({"n": -1}, "n=-1"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_bad_arguments_are_named(bad, message):
    with pytest.raises(InputError, match=message):
        generate("convergence", **{"n": 1, "seed": 0, **bad})
