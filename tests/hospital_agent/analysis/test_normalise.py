"""The scale of a score: between the smallest and twice the largest value of validation."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital_agent.analysis.normalise import ValidationRange


def test_zero_at_the_smallest_and_one_at_twice_the_largest() -> None:
    scale = ValidationRange(low=2.0, median=3.0, high=6.0)
    assert [scale.normalise(score) for score in (0.0, 2.0, 7.0, 12.0, 99.0)] == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_the_logarithm_is_zero_for_an_ordinary_case_and_one_for_ten_times_that() -> None:
    scale = ValidationRange(low=2.0, median=3.0, high=6.0)
    assert scale.log10_ratio(3.0) == 0.0
    assert scale.log10_ratio(30.0) == pytest.approx(1.0)
    assert scale.log10_ratio(0.0) is None
    assert scale.log10_ratio(-1.0) is None


def test_a_range_without_width_or_without_a_positive_median_says_so() -> None:
    assert ValidationRange(0.0, 0.0, 0.0).normalise(1.0) is None
    assert ValidationRange(0.0, 0.0, 0.0).log10_ratio(1.0) is None
    assert ValidationRange(-3.0, -2.0, -2.0).normalise(1.0) is None  # twice a negative maximum is no scale


@given(st.lists(st.floats(-1e9, 1e9), min_size=4, max_size=4))
def test_every_score_is_none_or_in_range_and_order_is_kept(numbers: list[float]) -> None:
    low, median, high = sorted(numbers[:3])
    scale = ValidationRange(low, median, high)
    values = [scale.normalise(score) for score in (numbers[3], numbers[3] + 1)]
    if values[0] is None:
        assert 2 * high - low <= 0
    else:
        assert 0 <= values[0] <= values[1] <= 1


@pytest.mark.parametrize("numbers", [(1, 0, 2), (0, 3, 2), (math.nan, 1, 2), (0, 1, math.inf)])
def test_refuses_what_is_no_range(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="validation range"):
        ValidationRange(*numbers)
