"""Distances from the baseline, and what they are by chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from shared.errors import EdgesMismatch
from shared.quantities import linear_cuts
from shared.statistics.null_bands import PSI_FLOOR, distances, jensen_shannon, psi, wasserstein
from shared.summaries import Histogram

quick = settings(max_examples=40, deadline=None)
CUTS = linear_cuts(-4, 4)
some_counts = st.lists(st.integers(0, 50), min_size=8, max_size=8).filter(any).map(lambda c: np.array(c, dtype=float))


def test_equal_fractions_are_no_distance():
    a, b = np.array([1.0, 2, 3, 4, 3, 2, 1, 0]), np.array([2.0, 4, 6, 8, 6, 4, 2, 0])
    assert jensen_shannon(a, b) == 0
    assert psi(a, b) == 0
    assert wasserstein(a, b, tuple(range(7))) == pytest.approx(0)


def test_disjoint_counts_are_one_bit_apart():
    a, b = np.array([5.0, 0, 0, 0]), np.array([0.0, 0, 7, 0])
    assert jensen_shannon(a, b) == pytest.approx(1)
    assert psi(a, b) == pytest.approx(2 * (1 - PSI_FLOOR) * np.log(1 / PSI_FLOOR))


@quick
@given(some_counts, some_counts)
def test_jensen_shannon_agrees_with_scipy(a, b):
    assert jensen_shannon(a, b) == pytest.approx(jensenshannon(a, b, base=2) ** 2, abs=1e-9)
    assert jensen_shannon(a, b) == pytest.approx(jensen_shannon(b, a))
    assert psi(a, b) >= 0


def test_wasserstein_of_a_shift_is_the_shift_in_the_units_of_the_cuts():
    cuts = tuple(10.0 * i for i in range(7))
    a, b = np.array([0, 4.0, 0, 0, 0, 0, 0, 0]), np.array([0, 0, 0, 4.0, 0, 0, 0, 0])
    assert wasserstein(a, b, cuts) == pytest.approx(20)
    assert wasserstein(a, np.array([0, 2.0, 0, 2.0, 0, 0, 0, 0]), cuts) == pytest.approx(10)


def test_open_ends_lie_on_their_cuts():
    cuts = tuple(float(i) for i in range(7))
    assert wasserstein(np.array([3.0, *[0] * 7]), np.array([*[0.0] * 7, 3]), cuts) == pytest.approx(6)


@quick
@given(some_counts, some_counts)
def test_wasserstein_agrees_with_scipy_on_spread_values(a, b):
    """Each closed bin as 400 equally spaced points, each open end on its cut."""
    cuts = np.arange(7.0)
    inner = (cuts[:-1, None] + (np.arange(400) + 0.5) / 400).ravel()
    points = np.concatenate([[0.0], inner, [6.0]])
    spread = [np.concatenate([c[:1], np.repeat(c[1:-1] / 400, 400), c[-1:]]) for c in (a, b)]
    expected = wasserstein_distance(points, points, *spread)
    assert wasserstein(a, b, tuple(cuts)) == pytest.approx(expected, abs=5e-3)


def test_nothing_to_compare_is_undefined():
    some = Histogram.of([0.0], CUTS)
    assert distances(Histogram.zero(CUTS), some) is None
    assert distances(some, Histogram.zero(CUTS)) is None
    with pytest.raises(EdgesMismatch):
        distances(some, Histogram.of([0.0], linear_cuts(0, 1)))


def test_the_same_counts_always_get_the_same_band():
    rng = np.random.default_rng(1)
    baseline, current = Histogram.of(rng.normal(size=120), CUTS), Histogram.of(rng.normal(size=20), CUTS).coarsen(8)
    first = distances(baseline, current)
    assert first == distances(baseline, current)
    for distance in (first.jensen_shannon, first.wasserstein, first.psi):
        assert 0 <= distance.null_median < distance.null_high


def test_band_narrows_with_the_window():
    rng = np.random.default_rng(2)
    baseline = Histogram.of(rng.normal(size=1000), CUTS).coarsen(8)
    highs = [
        distances(baseline, Histogram.of(rng.normal(size=n), CUTS).coarsen(8)).jensen_shannon.null_high
        for n in (10, 40, 160)
    ]
    assert highs[0] > 2 * highs[1] > 4 * highs[2]


def test_one_window_in_forty_lies_above_its_band_without_drift():
    rng = np.random.default_rng(3)
    results = [
        distances(Histogram.of(rng.normal(size=120), CUTS), Histogram.of(rng.normal(size=30), CUTS).coarsen(8))
        for _ in range(400)
    ]
    for name in ("jensen_shannon", "wasserstein", "psi"):
        above_high = np.mean([getattr(r, name).value > getattr(r, name).null_high for r in results])
        above_median = np.mean([getattr(r, name).value > getattr(r, name).null_median for r in results])
        assert above_high < 0.055
        assert 0.4 < above_median < 0.66


def test_a_shift_lies_above_the_band():
    rng = np.random.default_rng(4)
    baseline = Histogram.of(rng.normal(size=300), CUTS)
    moved = distances(baseline, Histogram.of(rng.normal(1.5, 1, 40), CUTS).coarsen(8))
    for distance in (moved.jensen_shannon, moved.wasserstein, moved.psi):
        assert distance.value > 2 * distance.null_high
    assert moved.wasserstein.value == pytest.approx(1.5, abs=0.4)
