"""The paper's five steps of candidate selection, one test a step, and both readings of when a case is flagged."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital_agent.analysis.errors import GeometryMismatch, TooFewCases
from hospital_agent.analysis.quality.candidates import Selection, blended, is_flagged, select
from hospital_agent.analysis.quality.tukey import Fences, PseudoMeasures

FENCES = Fences(low_pdc=0.7, high_phd_mm=10.0, case_count=8, source="validation")


def of(*pairs: tuple[float | None, float | None]) -> list[PseudoMeasures]:
    return [PseudoMeasures(*pair) for pair in pairs]


def test_step_1_candidates_are_ranked_by_pdc() -> None:
    assert select(of((0.8, 5.0), (0.9, 9.0), (0.85, 1.0)), FENCES) == Selection(1)


def test_step_2_the_top_one_is_taken_unless_its_phd_lies_above_the_fence() -> None:
    assert select(of((0.9, 9.99), (0.8, 1.0)), FENCES) == Selection(0)
    assert select(of((0.9, 10.01), (0.8, 1.0)), FENCES) == Selection(1)
    on_the_fence = of((0.9, 10.0), (0.8, 1.0))
    assert not FENCES.flags(on_the_fence[0])
    assert select(on_the_fence, FENCES) == Selection(0), "what is not flagged is taken"


def test_step_3_otherwise_it_is_discarded_for_the_next() -> None:
    assert select(of((0.9, 20.0), (0.8, 5.0), (0.85, 6.0)), FENCES) == Selection(2)


def test_step_4_until_one_is_taken() -> None:
    assert select(of((0.9, 20.0), (0.85, 11.0), (0.2, 5.0)), FENCES) == Selection(2)


def test_step_5_the_best_by_pdc_and_by_phd_are_averaged() -> None:
    found = select(of((0.9, 30.0), (0.8, 20.0), (0.7, 12.0)), FENCES)
    assert found == Selection(0, 2)
    assert found.averaged
    softmax = [np.full((2, 1, 1, 1), value, dtype=np.float32) for value in (0.2, 0.5, 0.8)]
    assert blended(found, softmax) == pytest.approx(np.full((2, 1, 1, 1), 0.5))
    assert blended(Selection(1), softmax) is softmax[1]
    assert blended(Selection(1, 1), softmax) is softmax[1]


def test_what_cannot_be_judged_is_chosen_last() -> None:
    assert select(of((None, None), (0.1, 9.0)), FENCES) == Selection(1)
    assert select(of((0.9, None), (0.1, 9.0)), FENCES) == Selection(1)
    assert select(of((None, None), (None, None)), FENCES) == Selection(0, 0)
    assert select(of((0.5, math.inf), (0.4, 80.0)), FENCES) == Selection(0, 1)


def test_the_paper_flags_candidates_that_fail_different_tests_and_the_published_code_does_not() -> None:
    different = of((0.6, 5.0), (0.9, 20.0))
    assert is_flagged(different, FENCES, "paper")
    assert not is_flagged(different, FENCES, "code")
    for reading in ("paper", "code"):
        assert is_flagged(of((0.6, 5.0), (0.5, 20.0)), FENCES, reading)
        assert is_flagged(of((0.9, 12.0), (0.8, math.inf)), FENCES, reading)
        assert not is_flagged(of((0.6, 20.0), (0.9, 5.0)), FENCES, reading)


measure = st.builds(PseudoMeasures, st.none() | st.floats(0, 1), st.none() | st.floats(0, 500) | st.just(math.inf))


@given(st.lists(measure, min_size=1, max_size=4))
def test_laws(candidates: list[PseudoMeasures]) -> None:
    if is_flagged(candidates, FENCES, "code"):
        assert is_flagged(candidates, FENCES, "paper")
    found = select(candidates, FENCES)
    taken = candidates[found.by_pdc]
    if not found.averaged:
        assert taken.phd_mm is not None
        assert taken.phd_mm <= FENCES.high_phd_mm
        better = [one for one in candidates if one.pdc is not None and one.pdc > (taken.pdc or 0.0)]
        assert all(one.phd_mm is None or one.phd_mm > FENCES.high_phd_mm for one in better)
    else:
        assert all(one.phd_mm is None or one.phd_mm > FENCES.high_phd_mm for one in candidates)


def test_no_candidate_and_two_grids_are_refused() -> None:
    with pytest.raises(TooFewCases):
        select([], FENCES)
    with pytest.raises(TooFewCases):
        is_flagged([], FENCES)
    with pytest.raises(GeometryMismatch):
        blended(Selection(0, 1), [np.zeros((2, 1, 1, 1), np.float32), np.zeros((2, 1, 1, 2), np.float32)])
