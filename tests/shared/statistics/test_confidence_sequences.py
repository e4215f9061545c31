"""A bounded mean by betting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.statistics.confidence_sequences import betting_interval
from shared.statistics.errors import StatisticsError

quick = settings(max_examples=30, deadline=None)
UNIT = (0.0, 1.0)


def test_without_observations_nothing_is_known():
    assert betting_interval([], (-2.0, 3.0)) == pytest.approx((-2, 3))


@quick
@given(st.lists(st.floats(-1, 2), min_size=1, max_size=60))
def test_interval_holds_the_sample_mean_and_stays_inside_its_bounds(values):
    low, high = betting_interval(values, (-1.0, 2.0))
    assert -1 <= low <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= high <= 2


@quick
@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.randoms(use_true_random=False))
def test_order_plays_no_part_and_repeats_are_the_same_as_repeating(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert betting_interval(values, UNIT) == pytest.approx(betting_interval(shuffled, UNIT), abs=1e-9)
    tripled = betting_interval(values, UNIT, repeats=[3] * len(values))
    assert tripled == pytest.approx(betting_interval(values * 3, UNIT), abs=1e-9)


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(-5, 5), st.floats(0.1, 10))
def test_interval_moves_and_stretches_with_the_values(values, move, stretch):
    low, high = betting_interval(values, UNIT)
    moved = betting_interval([move + stretch * v for v in values], (move, move + stretch))
    assert moved == pytest.approx((move + stretch * low, move + stretch * high), abs=1e-6)


def test_more_observations_and_less_confidence_narrow_it():
    values = np.random.default_rng(1).random(400)
    wide = [high - low for low, high in (betting_interval(values[:n], UNIT) for n in (25, 100, 400))]
    assert wide[0] > wide[1] > wide[2]
    low, high = betting_interval(values[:25], UNIT, confidence=0.8)
    assert high - low < wide[0]


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_covers_at_whatever_moment_somebody_looks(rate):
    """Looked at after every tenth of 100 observations, all ten intervals hold the mean in 95 % of streams."""
    looks = range(10, 101, 10)
    events = np.cumsum(np.random.default_rng(2).random((2000, 100)) < rate, axis=1)[:, [n - 1 for n in looks]]
    missed = np.zeros(2000, dtype=bool)
    for column, n in zip(events.T, looks, strict=True):
        for k in np.unique(column):
            low, high = betting_interval([1.0, 0.0], UNIT, repeats=[int(k), n - int(k)])
            missed |= (column == k) & (not low <= rate <= high)
    assert 0 < missed.mean() <= 0.05


@pytest.mark.parametrize(
    ("values", "bounds", "confidence"),
    [
        ([0.5], (1.0, 1.0), 0.9),
        ([2.0], UNIT, 0.9),
        ([np.nan], UNIT, 0.9),
        ([0.5], UNIT, 1.0),
        ([0.5], (0, np.inf), 0.9),
    ],
)
def test_impossible_input_is_refused(values, bounds, confidence):
    with pytest.raises(StatisticsError):
        betting_interval(values, bounds, confidence)


def test_repeats_must_match():
    with pytest.raises(StatisticsError):
        betting_interval([0.5, 0.6], UNIT, repeats=[1])
