"""Federated averaging, on least squares where the truth is known."""

import math

import numpy as np
import pytest

from hospital_agent.federation.jobs import site_vector
from hospital_agent.federation.jobs.averaging import AveragingJob, Noise
from hospital_agent.federation.jobs.cohort import HEADING
from hospital_agent.federation.jobs.errors import CohortChanged, NotFinite, TooFewPatients, WrongShape
from hospital_agent.federation.jobs.rehearsal import add, rehearse
from tests.federated_training import Downhill

SITES = (Downhill([1.0, 0.0], 10), Downhill([0.0, 2.0], 30), Downhill([4.0, 4.0], 60, judged=0))
AVERAGE = np.array([0.1 * 1 + 0.6 * 4, 0.3 * 2 + 0.6 * 4])


def test_one_round_is_the_average_of_changes_by_cases():
    found = rehearse(AveragingJob(np.zeros(2), rounds=1), SITES).result
    np.testing.assert_allclose(found.weights, 0.5 * AVERAGE, atol=1e-9)
    assert (found.cohort.sites, found.cohort.rows) == (3, 100)


def test_one_gradient_step_a_round_is_pooled_gradient_descent():
    found = rehearse(AveragingJob(np.zeros(2), rounds=20), SITES).result
    pooled = np.zeros(2)
    for _ in range(20):
        pooled = pooled + 0.5 * (AVERAGE - pooled)
    np.testing.assert_allclose(found.weights, pooled, atol=1e-8)


def test_the_dice_is_that_of_all_held_out_cases_before_and_after_every_round():
    job = AveragingJob(np.zeros(2), rounds=3)
    done = rehearse(job, SITES)
    assert len(done.result.dice) == 4
    for weights, dice in ((np.zeros(2), done.result.dice[0]), (done.result.weights, done.result.dice[-1])):
        assert dice == pytest.approx((SITES[0].dice_sum(weights) + SITES[1].dice_sum(weights)) / 4, abs=1e-6)


def test_better_means_better_than_the_weights_in_use():
    towards = rehearse(AveragingJob(np.zeros(2), rounds=3), [Downhill([3.0, 3.0], 10)] * 3).result
    away = rehearse(AveragingJob(np.full(2, 3.0), rounds=1), [Downhill([3.0, 3.0], 10, pace=3.0)] * 3).result
    assert towards.is_better
    assert not away.is_better


def test_a_long_change_is_shortened_and_keeps_its_direction():
    job = AveragingJob(np.zeros(2), rounds=1, longest_change=0.1)
    far = Downhill([30.0, 40.0], 5, pace=1.0)
    opening = add(job, [], [far, far])
    vector = site_vector(job, [opening], far)
    np.testing.assert_allclose(vector[HEADING + 1 :], 0.5 * 0.1 * np.array([0.6, 0.8]), rtol=1e-12)


def test_a_site_without_cases_adds_nothing():
    with_it = rehearse(AveragingJob(np.zeros(2), rounds=2), [*SITES, Downhill([9.0, 9.0], 0, judged=0)]).result
    without = rehearse(AveragingJob(np.zeros(2), rounds=2), SITES).result
    np.testing.assert_allclose(with_it.weights, without.weights, atol=1e-12)
    assert with_it.cohort.sites == 3


def test_a_site_that_falls_out_between_rounds_ends_the_job():
    job = AveragingJob(np.zeros(2), rounds=2)
    first = add(job, [], SITES)
    with pytest.raises(CohortChanged):
        job.finished([first, add(job, [first], SITES[:2])])


def test_few_patients_are_too_few():
    with pytest.raises(TooFewPatients):
        rehearse(AveragingJob(np.zeros(2), rounds=1), [Downhill([1.0, 1.0], 1)] * 3)


def test_weights_that_are_not_finite_stay_where_they_are():
    class Diverging(Downhill):
        def trained(self, weights, number):
            return weights * np.nan

    job = AveragingJob(np.ones(2), rounds=1)
    first = add(job, [], [*SITES, Diverging([1, 1], 5)])
    with pytest.raises(NotFinite):
        site_vector(job, [first], Diverging([1, 1], 5))


@pytest.mark.parametrize(("start", "rounds"), [(np.zeros(0), 1), (np.zeros((2, 2)), 1), (np.zeros(2), 0)])
def test_no_weights_or_no_rounds_are_refused(start, rounds):
    with pytest.raises(WrongShape):
        AveragingJob(start, rounds=rounds)


def test_noise_has_the_stated_spread_in_units_of_a_sites_largest_part():
    job = AveragingJob(np.zeros(20_000), rounds=1, longest_change=2.0, noise=Noise(0.5))
    still = Downhill(np.zeros(20_000), 10)
    first = add(job, [], [still] * 4)
    drawn = site_vector(job, [first], still)[HEADING + 1 :]
    assert np.std(drawn) == pytest.approx(0.25 * 0.5 * 2.0, rel=0.03)
    assert not np.array_equal(drawn, site_vector(job, [first], still)[HEADING + 1 :])


def test_the_accountant_is_the_conversion_of_zcdp():
    """Ten rounds at z = 4: rho = 10/32; the exact epsilon of a Gaussian mechanism is below, never above."""
    rho = 10 / 32
    assert Noise(4.0, 1e-5).epsilon(10) == pytest.approx(rho + 2 * math.sqrt(rho * math.log(1e5)))
    assert Noise(4.0, 1e-5).epsilon(10) > exact_epsilon(4.0 / math.sqrt(10), 1e-5)
    assert Noise(4.0).epsilon(10) > Noise(8.0).epsilon(10)


def exact_epsilon(multiplier, delta):
    """By bisection from the exact delta of a Gaussian mechanism (Balle and Wang 2018, theorem 8)."""
    from scipy.stats import norm

    def of(epsilon):
        a, b = 1 / (2 * multiplier), epsilon * multiplier
        return norm.cdf(a - b) - math.exp(epsilon) * norm.cdf(-a - b)

    low, high = 0.0, 50.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if of(middle) > delta else (low, middle)
    return high
