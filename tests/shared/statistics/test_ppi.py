"""The estimated failure rate: right with useless predictions, narrow with good ones, honest at small numbers."""

import numpy as np
import pytest

from shared.statistics.errors import StatisticsError
from shared.statistics.ppi import MINIMUM_REVIEWS, estimated_failure_rate

RATE, CASES = 0.05, 600


def a_site(rng, sharpness=0.5):
    """Failures of all cases, and predictions that know something about them."""
    failed = rng.random(CASES) < RATE
    predicted = np.clip(0.03 + sharpness * failed + rng.normal(0, 0.03, CASES), 0.0, 1.0)
    return failed, predicted


def normal_interval(predicted, index, failed):
    """The usual prediction-powered interval, mean +- 1.96 standard errors; for comparison only."""
    residual = failed[index] - predicted[index]
    centre = predicted.mean() + residual.mean()
    error = np.sqrt(residual.var(ddof=1) / len(index) + predicted.var(ddof=1) / len(predicted))
    return centre - 1.96 * error, centre + 1.96 * error


@pytest.mark.parametrize("reviews", [14, 30, 60])
def test_normal_interval_undercovers_and_ours_does_not(reviews):
    rng = np.random.default_rng(reviews)
    normal, ours, tries = 0, 0, 120
    for _ in range(tries):
        failed, predicted = a_site(rng)
        index = rng.choice(CASES, reviews, replace=False)
        low, high = normal_interval(predicted, index, failed)
        normal += low <= RATE <= high
        result = estimated_failure_rate(predicted, index, failed[index])
        ours += result.low <= failed.mean() <= result.high
    assert normal / tries < 0.92
    assert ours / tries >= 0.95


def test_estimate_is_unbiased_with_useless_predictions():
    rng = np.random.default_rng(1)
    estimates = []
    for _ in range(100):
        failed = rng.random(CASES) < 0.3
        predicted = np.full(CASES, 0.9)  # always wrong by far
        index = rng.choice(CASES, 60, replace=False)
        estimates.append(estimated_failure_rate(predicted, index, failed[index]).estimate - failed.mean())
    assert abs(np.mean(estimates)) < 0.02


def test_good_predictions_narrow_the_interval():
    rng = np.random.default_rng(2)
    failed, sharp = a_site(rng, sharpness=0.95)
    index = rng.choice(CASES, 200, replace=False)
    good = estimated_failure_rate(sharp, index, failed[index])
    useless = estimated_failure_rate(np.full(CASES, 0.05), index, failed[index])
    assert good.high - good.low < useless.high - useless.low


def test_when_everything_is_reviewed_the_rate_is_known():
    failed, predicted = a_site(np.random.default_rng(3))
    result = estimated_failure_rate(predicted, range(CASES), failed)
    assert result.low == result.high == result.estimate == pytest.approx(failed.mean())


def test_too_few_reviews_are_insufficient_data():
    failed, predicted = a_site(np.random.default_rng(4))
    few = range(MINIMUM_REVIEWS - 1)
    assert estimated_failure_rate(predicted, few, failed[list(few)]) is None
    assert estimated_failure_rate(predicted, [], []) is None
    assert estimated_failure_rate([], [], []) is None


def test_unequal_draws_are_weighted_back():
    """Suspicious cases are reviewed five times as often: unweighted the rate would look far higher."""
    rng = np.random.default_rng(5)
    covered, errors, unweighted, tries = 0, [], [], 60
    for _ in range(tries):
        failed, _ = a_site(rng)
        suspicious = rng.random(CASES) < np.where(failed, 0.8, 0.15)
        chance = np.where(suspicious, 0.5, 0.1)
        index = np.flatnonzero(rng.random(CASES) < chance)
        predicted = np.full(CASES, 0.05)
        result = estimated_failure_rate(
            predicted, index, failed[index], inclusion=chance[index], smallest_inclusion=0.1
        )
        covered += result.low <= failed.mean() <= result.high
        errors.append(result.estimate - failed.mean())
        unweighted.append(failed[index].mean() - failed.mean())
    assert covered / tries >= 0.95
    assert np.mean(unweighted) > 0.03
    assert abs(np.mean(errors)) < 0.01


def test_constant_predictions_and_constant_verdicts_are_defined():
    for predicted, verdict in ((0.0, False), (1.0, True), (1.0, False), (0.5, True)):
        result = estimated_failure_rate([predicted] * 50, range(20), [verdict] * 20)
        assert 0 <= result.low <= result.estimate <= result.high <= 1


@pytest.mark.parametrize(
    ("predicted", "reviewed", "failed", "inclusion", "smallest"),
    [
        ([1.2] * 20, range(10), [True] * 10, None, None),
        ([np.nan] * 20, range(10), [True] * 10, None, None),
        ([0.2] * 20, [0] * 10, [True] * 10, None, None),
        ([0.2] * 20, range(11, 21), [True] * 10, None, None),
        ([0.2] * 20, range(-1, 9), [True] * 10, None, None),
        ([0.2] * 20, range(10), [True] * 9, None, None),
        ([0.2] * 20, range(10), [0.5] * 10, None, None),
        ([0.2] * 20, range(10), [True] * 10, [0.0] * 10, None),
        ([0.2] * 20, range(10), [True] * 10, [0.5] * 9, None),
        ([0.2] * 20, range(10), [True] * 10, [0.5] * 10, 0.6),
    ],
)
def test_impossible_input_is_refused(predicted, reviewed, failed, inclusion, smallest):
    with pytest.raises(StatisticsError):
        estimated_failure_rate(predicted, reviewed, failed, inclusion=inclusion, smallest_inclusion=smallest)
