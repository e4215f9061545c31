"""The place of a value among all earlier ones."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.statistics.errors import UndefinedValue
from shared.statistics.ranks import RankInterval, Ranks

quick = settings(max_examples=25, deadline=None)

few_values = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=30)


def test_place_on_paper():
    ranks = Ranks([1.0, 2.0, 2.0, 4.0])
    assert ranks.append(2.0) == RankInterval(1 / 5, 4 / 5)  # one above, three equal with itself
    assert ranks.append(5.0) == RankInterval(0.0, 1 / 6)
    assert ranks.append(0.0) == RankInterval(6 / 7, 1.0)
    assert ranks.values == (0.0, 1.0, 2.0, 2.0, 2.0, 4.0, 5.0)


def test_p_value_goes_from_end_to_end_of_its_interval():
    place = RankInterval(0.2, 0.8)
    assert place.p_value(0.5) == pytest.approx(0.5)
    assert 0.2 < place.p_value(1e-9) < place.p_value(1 - 1e-9) < 0.8


@pytest.mark.parametrize("u", [0.0, 1.0, -0.1, math.nan])
def test_tie_break_outside_the_open_interval_is_refused(u):
    with pytest.raises(UndefinedValue):
        RankInterval(0.2, 0.8).p_value(u)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_undefined_value_is_refused_and_changes_nothing(value):
    ranks = Ranks([1.0])
    with pytest.raises(UndefinedValue):
        ranks.append(value)
    assert ranks.values == (1.0,)


@quick
@given(few_values)
def test_one_by_one_agrees_with_counting_afresh(values):
    ranks = Ranks()
    for i, value in enumerate(values):
        earlier = values[:i]
        above, equal = sum(v > value for v in earlier), sum(v == value for v in earlier) + 1
        assert ranks.append(value) == RankInterval(above / (i + 1), (above + equal) / (i + 1))
    assert len(ranks) == len(values)


@quick
@given(few_values)
def test_intervals_of_one_sample_tile_the_unit_interval(values):
    """Ranked among the others, every value takes its own place and all places together fill [0, 1]."""
    places = {Ranks([*values[:i], *values[i + 1 :]]).append(values[i]) for i in range(len(values))}
    assert math.isclose(sum(place.high - place.low for place in places), 1.0)


def test_p_values_of_tied_streams_are_uniform():
    rng = np.random.default_rng(3)
    ranks = Ranks(rng.integers(0, 3, 100).astype(float))
    p = [ranks.append(float(x)).p_value(u) for x, u in zip(rng.integers(0, 3, 4000), rng.random(4000), strict=True)]
    deciles = np.histogram(p, bins=10, range=(0, 1))[0]
    assert np.abs(deciles - 400).max() < 80  # four standard errors
