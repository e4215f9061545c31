"""Histograms that merge, on nested edges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import EdgesMismatch
from shared.quantities import linear_cuts
from shared.summaries import RESOLUTIONS, Histogram, common

quick = settings(max_examples=40, deadline=None)
CUTS = linear_cuts(0, 32)  # 1, 2, ..., 31
values = st.lists(st.floats(-1e6, 1e6), max_size=50)
histograms = values.map(lambda v: Histogram.of(v, CUTS))


def test_bins_on_paper():
    counts = Histogram.of([-5, 0.999, 1, 1.5, 2, 30.999, 31, 400], CUTS).counts
    assert counts == (2, 2, 1, *[0] * 27, 1, 2)  # cuts[i-1] <= x < cuts[i]; the ends are open
    assert len(counts) == 32


@quick
@given(values)
def test_every_value_is_counted_once_at_every_resolution(numbers):
    histogram = Histogram.of(numbers, CUTS)
    for resolution in RESOLUTIONS:
        coarse = histogram.coarsen(resolution)
        assert coarse.total == len(numbers)
        assert coarse.resolution == resolution


@quick
@given(values)
def test_coarsening_is_counting_on_the_nested_cuts(numbers):
    histogram = Histogram.of(numbers, CUTS)
    assert histogram.coarsen(8) == Histogram.of(numbers, CUTS[3::4])
    assert histogram.coarsen(16) == Histogram.of(numbers, CUTS[1::2])
    assert histogram.coarsen(16).coarsen(8) == histogram.coarsen(8)
    assert histogram.coarsen(32) == histogram


@quick
@given(histograms, histograms, histograms)
def test_merging_is_a_commutative_monoid(a, b, c):
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Histogram.zero(CUTS) == a
    assert (a + b).coarsen(8) == a.coarsen(8) + b.coarsen(8)


@quick
@given(values, values)
def test_merging_is_counting_together(first, second):
    assert Histogram.of(first, CUTS) + Histogram.of(second, CUTS) == Histogram.of(first + second, CUTS)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_undefined_values_are_refused(value):
    with pytest.raises(ValueError, match="finite"):
        Histogram.of([1.0, value], CUTS)


def test_unequal_edges_are_refused():
    other = Histogram.zero(linear_cuts(0, 1))
    with pytest.raises(EdgesMismatch):
        Histogram.zero(CUTS) + other
    with pytest.raises(EdgesMismatch):
        Histogram.zero(CUTS) + Histogram.zero(CUTS).coarsen(8)
    with pytest.raises(EdgesMismatch):
        common(Histogram.zero(CUTS), other)


@pytest.mark.parametrize("resolution", [4, 10, 0, 64])
def test_other_resolutions_are_refused(resolution):
    with pytest.raises(EdgesMismatch):
        Histogram.zero(CUTS).coarsen(resolution)


def test_refining_is_refused():
    with pytest.raises(EdgesMismatch):
        Histogram.zero(CUTS).coarsen(8).coarsen(16)


def test_common_takes_the_coarser():
    a, b = Histogram.of([3.0], CUTS), Histogram.of([3.0, 9.0], CUTS).coarsen(8)
    assert common(a, b) == (a.coarsen(8), b)
    assert common(b, a) == (b, a.coarsen(8))


@pytest.mark.parametrize(
    ("cuts", "counts"),
    [
        (CUTS, (0,) * 31),
        (CUTS[:6], (0,) * 7),
        (CUTS, (-1, *[0] * 31)),
        ((*CUTS[:-1], CUTS[-2]), (0,) * 32),
    ],
)
def test_impossible_histograms_are_refused(cuts, counts):
    with pytest.raises(ValueError, match=r"bins|negative|increase"):
        Histogram(cuts, counts)


def test_counts_are_plain_integers():
    assert {type(count) for count in Histogram.of(np.arange(40.0), CUTS).counts} == {int}
