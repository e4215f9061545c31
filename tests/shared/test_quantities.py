"""What a number is, and the cuts on which it is counted."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.quantities import CUT_COUNT, Quantity, count_cuts, geometric_cuts, linear_cuts

quick = settings(max_examples=40, deadline=None)


def volume(**changed) -> Quantity:
    told = {
        "name": "lesion_volume_ml",
        "unit": "ml",
        "direction": "neither",
        "low": 0.0,
        "high": math.inf,
        "version": 1,
        "cuts": geometric_cuts(0.1, 1000),
        "label": "Lesion volume",
    }
    return Quantity(**(told | changed))


@quick
@given(st.floats(-100, 100), st.floats(0.1, 100))
def test_linear_cuts_are_equally_spaced_strictly_inside(low, width):
    cuts = linear_cuts(low, low + width)
    assert len(cuts) == CUT_COUNT
    assert low < cuts[0]
    assert cuts[-1] < low + width
    assert all(b - a == pytest.approx(width / 32, rel=1e-6) for a, b in pairwise(cuts))


@quick
@given(st.floats(1e-3, 10), st.floats(2, 1e4))
def test_geometric_cuts_have_equal_ratios_from_end_to_end(low, factor):
    cuts = geometric_cuts(low, low * factor)
    assert (cuts[0], cuts[-1]) == (pytest.approx(low), pytest.approx(low * factor))
    assert all(b / a == pytest.approx(factor ** (1 / 30)) for a, b in pairwise(cuts))


@quick
@given(st.integers(1, 100_000))
def test_count_cuts_lie_between_whole_numbers(high):
    cuts = count_cuts(high)
    assert len(cuts) == CUT_COUNT
    assert cuts[0] == 0.5  # the empty mask has a bin of its own
    assert all(cut % 1 == 0.5 for cut in cuts)
    assert all(b > a for a, b in pairwise(cuts))


def test_count_cuts_reach_the_wanted_height():
    assert count_cuts(200)[-1] == 199.5
    assert count_cuts(2)[:3] == (0.5, 1.5, 2.5)


def test_a_quantity_accepts_what_it_can_be():
    quantity = volume()
    assert quantity.accepts(0.0)
    assert quantity.accepts(1e9)
    for impossible in (-0.1, math.nan, math.inf):
        assert not quantity.accepts(impossible)


@pytest.mark.parametrize(
    "changed",
    [
        {"cuts": (1.0, 2.0)},
        {"cuts": (*linear_cuts(0, 1)[:-1], math.inf)},
        {"cuts": tuple(reversed(linear_cuts(0, 1)))},
        {"cuts": (0.5,) * CUT_COUNT},
        {"low": 1.0, "high": 1.0},
        {"low": math.nan},
    ],
)
def test_impossible_quantities_are_refused(changed):
    with pytest.raises(ValueError, match="lesion_volume_ml"):
        volume(**changed)
