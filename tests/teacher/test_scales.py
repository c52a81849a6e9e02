"""A number becomes the nearest word of its scale, by itself, and no word is a rule's verdict."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eisv_lumen.teacher.prompt.number_words import LEVEL, RATE, SPAN
from eisv_lumen.trajectory.rules.thresholds import BASIN_RANGE, DRIFT_LIMIT, RATE_LIMIT, SPIKE_RANGE

SCALES = pytest.mark.parametrize("scale", [LEVEL, SPAN, RATE], ids=["level", "span", "rate"])


@SCALES
def test_words_are_distinct_and_in_the_order_of_their_values(scale):
    assert len(set(scale.words)) == len(scale.words) == len(scale.values)
    assert (np.diff(scale.values) > 0).all()


@SCALES
def test_every_word_is_matched_whole_by_the_pattern(scale):
    assert all(re.fullmatch(scale.pattern, word) for word in scale.words)


@SCALES
def test_a_word_reads_as_about_its_value(scale):
    read = np.array([float(word) for word in scale.words])
    np.testing.assert_allclose(read, scale.values, rtol=0.06)  # E24 rounds 10^(k/24) that far


@SCALES
def test_each_value_is_written_as_its_own_word(scale):
    assert scale.write(scale.values).tolist() == list(scale.words)


@given(st.floats(-200, 200))
def test_a_rate_goes_to_the_nearest_step_of_its_sign(x):
    got = RATE.values[RATE.codes(x)]
    if abs(x) < 10**-5.03:
        assert got == 0
    else:
        same = RATE.values[np.sign(RATE.values) == np.sign(x)]
        best = np.abs(np.log(np.abs(same) / abs(x))).min()
        assert abs(np.log(abs(got) / abs(x))) == pytest.approx(best, abs=1e-9)


@given(st.floats(0, 1))
def test_a_level_goes_to_the_nearest_hundredth(x):
    assert abs(LEVEL.values[LEVEL.codes(x)] - x) <= 0.005 + 1e-12


@pytest.mark.parametrize("limit", [RATE_LIMIT, -RATE_LIMIT])
def test_a_rate_limit_lies_inside_a_step(limit):
    assert RATE.codes(limit * 0.995) == RATE.codes(limit * 1.005)


@pytest.mark.parametrize("limit", [BASIN_RANGE, SPIKE_RANGE, DRIFT_LIMIT])
def test_a_level_limit_lies_inside_a_step(limit):
    assert LEVEL.codes(limit - 0.004) == LEVEL.codes(limit + 0.004)


def test_what_is_beyond_a_scale_is_clamped():
    assert LEVEL.write([-1, 2]).tolist() == ["0.00", "1.00"]
    assert SPAN.write([-1, 0, 1e9]).tolist() == ["0", "0", SPAN.words[-1]]
    assert RATE.write([-1e9, 1e9]).tolist() == [RATE.words[0], RATE.words[-1]]
