"""Intervals against scipy, against paper and by coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, norm

from shared.errors import EdgesMismatch
from shared.quantities import linear_cuts
from shared.statistics.errors import StatisticsError
from shared.statistics.intervals import (
    beta_distribution,
    beta_quantile,
    clopper_pearson,
    histogram_quantile,
    probability_of_superiority,
    upper_bound,
)
from shared.summaries import Histogram

quick = settings(max_examples=40, deadline=None)
CUTS = linear_cuts(-4, 4)


@quick
@given(a=st.floats(0.5, 5000), b=st.floats(0.5, 5000), x=st.floats(0, 1))
def test_beta_distribution_agrees_with_scipy(a, b, x):
    assert beta_distribution(x, a, b) == pytest.approx(beta.cdf(x, a, b), rel=1e-8, abs=1e-12)


@quick
@given(probability=st.floats(1e-6, 1 - 1e-6), a=st.integers(1, 3000), b=st.integers(1, 3000))
def test_beta_quantile_agrees_with_scipy(probability, a, b):
    assert beta_quantile(probability, a, b) == pytest.approx(beta.ppf(probability, a, b), rel=1e-7)


@quick
@given(n=st.integers(1, 5000), part=st.floats(0, 1), confidence=st.sampled_from([0.8, 0.95, 0.999]))
def test_clopper_pearson_agrees_with_scipy(n, part, confidence):
    k = round(part * n)
    tail = (1 - confidence) / 2
    low, high = clopper_pearson(k, n, confidence)
    assert low == pytest.approx(beta.ppf(tail, k, n - k + 1) if k else 0.0, rel=1e-7)
    assert high == pytest.approx(beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0, rel=1e-7)


def test_clopper_pearson_on_paper():
    assert clopper_pearson(0, 0) == (0, 1)  # nothing is known
    assert clopper_pearson(0, 36)[1] == pytest.approx(1 - 0.025 ** (1 / 36))
    assert clopper_pearson(10, 10)[0] == pytest.approx(0.025 ** (1 / 10))
    low, high = clopper_pearson(5, 8)  # sensitivity of the published monitor: 5 of 8 failures found
    assert (round(low, 3), round(high, 3)) == (0.245, 0.915)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_clopper_pearson_covers_at_least_as_often_as_it_says(rate):
    seen = np.random.default_rng(1).binomial(40, rate, 3000)
    intervals = {int(k): clopper_pearson(int(k), 40) for k in set(seen.tolist())}
    covered = np.mean([intervals[int(k)][0] <= rate <= intervals[int(k)][1] for k in seen])
    assert covered >= 0.945


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 5, 0.9), (6, 5, 0.9), (1, 5, 0.0), (1, 5, 1.0)])
def test_impossible_proportions_are_refused(k, n, confidence):
    with pytest.raises(StatisticsError):
        clopper_pearson(k, n, confidence)
    with pytest.raises(StatisticsError):
        upper_bound(k, n, confidence)


def test_quantiles_on_paper():
    cuts = tuple(float(i) for i in range(1, 8))
    histogram = Histogram(cuts, (0, 4, 4, 0, 0, 0, 2, 0))
    assert histogram_quantile(histogram, 0.2) == pytest.approx(1.5)
    assert histogram_quantile(histogram, 0.4) == pytest.approx(2.0)
    assert histogram_quantile(histogram, 0.9) == pytest.approx(6.5)
    assert histogram_quantile(histogram, 0.0) == 1.0
    assert histogram_quantile(histogram, 1.0) == 7.0


def test_quantile_in_an_open_end_is_told_at_its_cut():
    cuts = tuple(float(i) for i in range(1, 8))
    assert histogram_quantile(Histogram(cuts, (9, 1, 0, 0, 0, 0, 0, 0)), 0.5) == 1.0
    assert histogram_quantile(Histogram(cuts, (0, 0, 0, 0, 0, 0, 1, 9)), 0.5) == 7.0


def test_quantile_of_nothing_is_undefined():
    assert histogram_quantile(Histogram.zero(CUTS), 0.5) is None
    with pytest.raises(StatisticsError):
        histogram_quantile(Histogram.zero(CUTS), 1.5)


@quick
@given(st.lists(st.floats(-3.7, 3.7), min_size=1, max_size=60), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_increase_and_stay_near_the_values(values, one, other):
    histogram = Histogram.of(values, CUTS)
    low, high = (histogram_quantile(histogram, q) for q in sorted((one, other)))
    assert low <= high
    assert min(values) - 0.25 <= low
    assert high <= max(values) + 0.25


def test_superiority_on_paper():
    cuts = tuple(float(i) for i in range(1, 8))
    baseline = Histogram(cuts, (1, 1, 0, 0, 0, 0, 0, 0))
    current = Histogram(cuts, (0, 1, 1, 0, 0, 0, 0, 0))
    assert probability_of_superiority(current, baseline).estimate == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert probability_of_superiority(baseline, baseline).estimate == 0.5


def test_superiority_at_the_ends_is_uncertain_and_of_nothing_undefined():
    low, high = Histogram.of([-3.0] * 20, CUTS), Histogram.of([3.0] * 5, CUTS)
    result = probability_of_superiority(high, low)
    assert (result.estimate, result.high) == (1.0, 1.0)
    assert 0.5 < result.low < 0.95
    assert probability_of_superiority(Histogram.zero(CUTS), low) is None
    assert probability_of_superiority(low, Histogram.zero(CUTS)) is None
    single = probability_of_superiority(Histogram.of([0.0], CUTS), low)
    assert 0 <= single.low < 0.5 < single.high <= 1


@quick
@given(st.lists(st.floats(-4, 4), min_size=1, max_size=40), st.lists(st.floats(-4, 4), min_size=1, max_size=40))
def test_superiority_and_inferiority_add_up(first, second):
    a, b = Histogram.of(first, CUTS), Histogram.of(second, CUTS)
    up, down = probability_of_superiority(a, b), probability_of_superiority(b, a)
    assert up.estimate + down.estimate == pytest.approx(1)
    assert up.low + down.high == pytest.approx(1, abs=1e-6)
    assert 0 <= up.low <= up.estimate <= up.high <= 1


def test_superiority_of_coarse_and_fine_histograms():
    rng = np.random.default_rng(2)
    baseline, current = Histogram.of(rng.normal(size=500), CUTS), Histogram.of(rng.normal(1, 1, 40), CUTS)
    result = probability_of_superiority(current.coarsen(8), baseline)
    assert result.low < norm.cdf(1 / np.sqrt(2)) < result.high
    with pytest.raises(EdgesMismatch):
        probability_of_superiority(current, Histogram.of([0.0], linear_cuts(0, 1)))


@pytest.mark.parametrize(
    ("shift", "spread", "cuts"),
    [
        (0.0, 1.0, CUTS),
        (1.0, 1.0, CUTS),
        (2.0, 1.0, CUTS),
        (0.0, 2.0, CUTS),
        (1.0, 1.0, tuple(np.linspace(0.8, 4, 31))),
    ],
)
def test_superiority_covers(shift, spread, cuts):
    """Nominal 95 %; ties, unequal spread and values near the end included; 8 bins, 10 cases against 100."""
    edges = np.array([-np.inf, *cuts[3::4], np.inf])
    before, after = np.diff(norm.cdf(edges)), np.diff(norm.cdf((edges - shift) / spread))
    truth = float(after @ (np.cumsum(before) - before / 2))
    rng = np.random.default_rng(3)
    drawn = zip(rng.multinomial(10, after, 400).tolist(), rng.multinomial(100, before, 400).tolist(), strict=True)
    eight = tuple(float(cut) for cut in cuts[3::4])
    results = [probability_of_superiority(Histogram(eight, tuple(c)), Histogram(eight, tuple(b))) for c, b in drawn]
    assert np.mean([result.low <= truth <= result.high for result in results]) >= 0.92
