"""Evidence over all possible starts, in few groups."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.statistics.errors import StatisticsError
from shared.statistics.shiryaev_roberts import Evidence, log_threshold

quick = settings(max_examples=25, deadline=None)


def test_threshold_is_the_promise():
    assert math.exp(log_threshold(100, 365)) == pytest.approx(100 * 365 / 12)
    assert log_threshold(40_000, 365) == pytest.approx(14.0, abs=0.02)
    assert log_threshold(40_000, 20 * 365) == pytest.approx(17.0, abs=0.02)
    assert log_threshold(10, 100, false_pages_per_year=1) == pytest.approx(math.log(1000))


@pytest.mark.parametrize("asked", [(0, 365, 12), (10, 0, 12), (10, 365, 0), (1, 12, 12), (math.nan, 365, 12)])
def test_impossible_promises_are_refused(asked):
    with pytest.raises(StatisticsError):
        log_threshold(*asked)


@quick
@given(st.lists(st.floats(0.2, 3), min_size=1, max_size=120))
def test_statistic_follows_its_recursion(payouts):
    """R_t = (R_(t-1) + 1) e_t, whatever groups the starts are kept in."""
    evidence, expected = Evidence(np.ones(1)), 0.0
    for e in payouts:
        evidence.open()
        evidence.multiply(np.full((1, 1), e))
        expected = (expected + 1) * e
    assert float(evidence.total) == pytest.approx(expected, rel=1e-9)


@quick
@given(st.lists(st.tuples(st.floats(0.2, 3), st.floats(0.2, 3)), min_size=1, max_size=40))
def test_mixture_is_the_weighted_mean_of_its_components(payouts):
    evidence, parts = Evidence(np.array([0.3, 0.7])), [0.0, 0.0]
    for pair in payouts:
        evidence.open()
        evidence.multiply(np.array([pair]))
        parts = [(r + 1) * e for r, e in zip(parts, pair, strict=True)]
    assert float(evidence.total) == pytest.approx(0.3 * parts[0] + 0.7 * parts[1], rel=1e-9)


def test_groups_stay_few_and_cover_all_starts():
    evidence = Evidence(np.ones(1))
    for _ in range(3000):
        evidence.open()
        evidence.multiply(np.ones((1, 1)))
    assert float(evidence.total) == pytest.approx(3000)
    assert len(evidence.mean_start) <= 4 * 11
    assert list(evidence.mean_start) == sorted(evidence.mean_start)
    assert float(evidence.since) == pytest.approx(2999 / 2, rel=1e-6)


def test_since_points_at_the_change():
    evidence = Evidence(np.ones(1))
    for t in range(400):
        evidence.open()
        evidence.multiply(np.full((1, 1), 0.7 if t < 300 else 1.3))
    assert float(evidence.since) == pytest.approx(302, abs=3)


def test_restart_concerns_only_the_streams_that_paged():
    evidence = Evidence(np.ones(2) / 2, streams=(3,))
    evidence.open()
    evidence.multiply(np.ones((1, 2, 3)))
    evidence.restart(np.array([False, True, False]))
    np.testing.assert_allclose(evidence.total, [1, 0, 1])
    assert np.isfinite(evidence.log_total).all()
    assert np.isfinite(evidence.since).all()


def test_lost_stakes_stay_defined():
    evidence = Evidence(np.ones(1))
    for _ in range(3):
        evidence.open()
        evidence.multiply(np.zeros((1, 1)))
    assert float(evidence.log_total) == pytest.approx(-50)
    assert float(evidence.since) == 3


@quick
@given(st.lists(st.floats(0.3, 2), min_size=1, max_size=60), st.floats(0.3, 2))
def test_state_goes_through_json_bit_by_bit(payouts, following):
    first = Evidence(np.array([0.25, 0.75]))
    for e in payouts:
        first.open()
        first.multiply(np.array([[e, 1 / e]]))
    second = Evidence.from_state(np.array([0.25, 0.75]), json.loads(json.dumps(first.to_state())))
    for evidence in (first, second):
        evidence.open()
        evidence.multiply(np.array([[following, 1.0]]))
    assert first.to_state() == second.to_state()
