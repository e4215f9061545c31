"""Bets pay 1 on average while nothing changes, and more afterwards."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.statistics.betting import SHIFTS, RateBets, Shift, ShiftBets
from shared.statistics.errors import StatisticsError

quick = settings(max_examples=25, deadline=None)

shares = st.lists(st.floats(0, 1), min_size=1, max_size=4).map(np.array)


@quick
@given(n=st.integers(2, 400), share=shares)
def test_payout_over_equally_likely_ranks_has_mean_one(n, share):
    low = np.arange(n) / n
    payout = ShiftBets().payout(low, low + 1 / n, share)
    assert payout.shape == (len(share), len(SHIFTS), n)
    assert (payout >= 0).all()
    np.testing.assert_allclose(payout.mean(axis=-1), 1, atol=1e-9)


@quick
@given(ends=st.lists(st.integers(1, 99), unique=True, max_size=10), share=shares)
def test_tied_ranks_have_mean_one_too(ends, share):
    ends = np.array([0, *sorted(ends), 100]) / 100
    payout = ShiftBets().payout(ends[:-1], ends[1:], share)
    np.testing.assert_allclose((payout * np.diff(ends)).sum(axis=-1), 1, atol=1e-9)


def test_payout_of_an_uncontaminated_pool_is_the_gaussian_likelihood_ratio():
    """Among many baseline values a rank is a quantile z; the ratio of N(d, 1) to N(0, 1) there is exp(dz - d^2/2)."""
    bets = ShiftBets([Shift(1.0, 1.0, 1.0)])
    for z in (-1.0, 0.0, 1.5):
        p = 0.5 * math.erfc(z / math.sqrt(2))
        paid = bets.payout(p - 1e-4, p + 1e-4, np.zeros(1)).item()
        assert paid == pytest.approx(math.exp(z - 0.5), rel=0.03)


def test_high_ranks_pay_less_once_shifted_values_fill_the_pool():
    top = [ShiftBets([Shift(2.0, 1.0, 1.0)]).payout(0.0, 0.02, np.array([s])).item() for s in (0, 0.2, 0.5, 1)]
    assert top == sorted(top, reverse=True)
    assert top[-1] == pytest.approx(1.0, abs=1e-3)


def test_partial_bet_hardly_loses_on_cases_that_did_not_move():
    whole, part = Shift(3.0, 1.0, 0.5), Shift(3.0, 0.1, 0.5)
    paid = ShiftBets([whole, part]).payout(0.5, 0.51, np.zeros(1))[0]
    assert paid[0] < 0.1
    assert paid[1] > 0.9


@pytest.mark.parametrize(
    "shifts",
    [
        [Shift(0.0, 1.0, 1.0)],
        [Shift(1.0, 0.0, 1.0)],
        [Shift(1.0, 1.5, 1.0)],
        [Shift(1.0, 1.0, 0.4), Shift(2.0, 1.0, 0.4)],
        [],
    ],
)
def test_impossible_shifts_are_refused(shifts):
    with pytest.raises(StatisticsError):
        ShiftBets(shifts)


@quick
@given(p0=st.floats(0.001, 0.999), below=st.floats(0, 1))
def test_rate_bets_pay_one_at_the_accepted_rate_and_less_below_it(p0, below):
    bets = RateBets(p0)
    event, none = bets.payout(True), bets.payout(False)
    np.testing.assert_allclose(p0 * event + (1 - p0) * none, 1, rtol=1e-9)
    lower = below * p0
    assert (lower * event + (1 - lower) * none <= 1 + 1e-9).all()
    assert (none >= 0).all()


def test_rate_bets_are_one_plus_lambda_times_excess():
    bets = RateBets(0.2, odds_ratios=(2.0,))
    q = (2 * 0.25) / (1 + 2 * 0.25)
    stake = (q - 0.2) / (0.2 * 0.8)
    assert bets.payout(True).item() == pytest.approx(1 + stake * 0.8)
    assert bets.payout(False).item() == pytest.approx(1 - stake * 0.2)


def told_as(count: int, out_of: int, k: int) -> tuple[int, int]:
    """One way to tell a count: 0, a few, exactly, or all but a few."""
    if 0 < count < k:
        return 1, k - 1
    return (out_of - k + 1, out_of) if count > out_of - k else (count, count)


@quick
@given(p0=st.floats(0.01, 0.99), below=st.floats(0.1, 1), out_of=st.integers(10, 40))
def test_bets_on_told_counts_pay_at_most_one_up_to_the_accepted_rate(p0, below, out_of):
    bets = RateBets(p0)
    rate = below * p0
    mean = np.zeros((1, 4))
    for count in range(out_of + 1):
        probability = math.comb(out_of, count) * rate**count * (1 - rate) ** (out_of - count)
        mean += probability * bets.payout_of_count(*told_as(count, out_of, 5), out_of)
    assert (mean <= 1 + 1e-9).all()
    if below == 1:
        np.testing.assert_allclose(mean, 1)


def test_a_bet_on_a_known_count_pays_what_its_cases_pay():
    bets = RateBets(0.1)
    product = bets.payout(True) ** 7 * bets.payout(False) ** 13
    np.testing.assert_allclose(bets.payout_of_count(7, 7, 20), product)


def test_more_events_never_pay_less_whatever_is_hidden():
    bets = RateBets(0.3)
    answers = sorted({told_as(count, 30, 5) for count in range(31)})
    pays = np.concatenate([bets.payout_of_count(low, high, 30) for low, high in answers])
    assert (np.diff(pays, axis=0) > 0).all()


def test_huge_counts_pay_a_finite_amount():
    assert np.isfinite(RateBets(0.001).payout_of_count(5000, 5000, 5000)).all()


@pytest.mark.parametrize(("rate", "ratios"), [(0.0, (2.0,)), (1.0, (2.0,)), (0.1, (1.0,)), (0.1, ())])
def test_impossible_rates_are_refused(rate, ratios):
    with pytest.raises(StatisticsError):
        RateBets(rate, ratios)
