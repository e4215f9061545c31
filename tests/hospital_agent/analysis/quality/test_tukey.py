"""Tukey's fences on pDC and pHD: by hand, against scipy, with infinite and missing values, and where they are blind."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.quality.tukey import PseudoMeasures, fences_by_group, fences_of
from hospital_agent.analysis.segmentation.reconstruction import FARTHEST_MM


def measures(pdc: list[float | None], phd: list[float | None]) -> list[PseudoMeasures]:
    return [PseudoMeasures(*pair) for pair in zip(pdc, phd, strict=True)]


EASY = measures([0.80, 0.84, 0.88, 0.92, 0.96], [2.0, 3.0, 4.0, 5.0, 6.0])


def drawn(seed: int, count: int, shift: float = 0.0) -> list[PseudoMeasures]:
    rng = np.random.default_rng(seed)
    return [PseudoMeasures(0.93 - 0.3 * shift + 0.01 * a, 6 + 30 * shift + b) for a, b in rng.normal(size=(count, 2))]


def test_by_hand() -> None:
    """Quartiles 0.84 and 0.92, 3 and 5: fences 0.84 - 1.5 * 0.08 and 5 + 1.5 * 2."""
    fences = fences_of(EASY)
    assert fences.low_pdc == pytest.approx(0.72)
    assert fences.high_phd_mm == pytest.approx(8.0)
    assert (fences.case_count, fences.source) == (5, "validation")


def test_either_measure_flags_and_the_fence_itself_does_not() -> None:
    fences = fences_of(measures([0.5, 0.5, 0.75, 0.75], [1.0, 1.0, 3.0, 3.0]))
    assert (fences.low_pdc, fences.high_phd_mm) == (0.125, 6.0)
    assert fences.flags(PseudoMeasures(0.12, 2.0))
    assert fences.flags(PseudoMeasures(0.7, 6.1))
    assert not fences.flags(PseudoMeasures(0.125, 6.0))


def test_infinite_and_missing_values_neither_break_the_fences_nor_escape_them() -> None:
    odd = measures([0.0, None, 0.9, math.nan], [math.inf, None, None, 3.0])
    fences = fences_of([*EASY, *odd])
    assert fences == fences_of(EASY)
    assert [fences.flags(one) for one in odd[:3]] == [True, False, False]


def test_the_stand_in_for_infinity_is_left_out_like_infinity() -> None:
    """Two of seven masks have a label that their reconstruction lacks; in the quartiles they would lift the fence
    from 8 mm to 627 mm, and nothing could ever lie above it."""
    lost = measures([0.6, 0.6], [FARTHEST_MM, FARTHEST_MM])
    fences = fences_of([*EASY, *lost])
    assert np.percentile([2, 3, 4, 5, 6, 500, 500], [25, 75]) @ [-1.5, 2.5] > FARTHEST_MM
    assert fences == fences_of(EASY)
    assert all(fences.flags_phd(one) for one in lost)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.one_of(st.floats(0, 500), st.just(math.inf))), min_size=0, max_size=30),
)
def test_fences_are_finite_or_refused(pairs: list[tuple[float, float]]) -> None:
    cases = [PseudoMeasures(*pair) for pair in pairs]
    finite = [far for _, far in pairs if far < FARTHEST_MM]
    if len(finite) < 4:
        with pytest.raises(TooFewCases, match="at least 4"):
            fences_of(cases)
        return
    fences = fences_of(cases)
    assert math.isfinite(fences.low_pdc)
    assert fences.high_phd_mm >= np.quantile(finite, 0.75) - 1e-9
    iqr = stats.iqr(finite)
    assert fences.high_phd_mm == pytest.approx(np.percentile(finite, 75) + 1.5 * iqr)


def test_fences_from_validation_flag_a_wholly_shifted_set_and_fences_from_that_set_flag_nothing() -> None:
    """As published the fences move along with the set they are taken from."""
    validation, shifted = drawn(0, 40), drawn(1, 40, shift=1.0)
    ours, published = fences_of(validation), fences_of(shifted, "target")
    assert all(ours.flags(one) for one in shifted)
    assert sum(published.flags(one) for one in shifted) <= 2  # of Gaussian values Tukey's fences flag 0.7 % anyway
    assert published.source == "target"


def test_fences_from_a_target_set_flag_the_odd_ones_out_of_it() -> None:
    mixed = [*drawn(2, 40), *drawn(3, 3, shift=1.0)]
    fences = fences_of(mixed, "target")
    assert [fences.flags(one) for one in mixed[-3:]] == [True] * 3


def test_views_have_their_own_fences_and_a_small_one_has_none() -> None:
    found = fences_by_group({"short": drawn(4, 10), "long": drawn(5, 10, shift=0.5), "other": drawn(6, 3)})
    assert set(found) == {"short", "long"}
    assert found["short"] == fences_of(drawn(4, 10))
    assert found["long"].low_pdc < found["short"].low_pdc
