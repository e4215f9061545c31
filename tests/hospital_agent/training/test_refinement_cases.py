"""What changed between two networks, from what each said: erasing masks is no success, and unknown labels are named."""

from collections.abc import Sequence

import numpy as np
import pytest

from hospital_agent.analysis.errors import NotCompared, UnknownLabel, WorseAfterwards
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.quality.tukey import Fences, PseudoMeasures
from hospital_agent.analysis.segmentation.reconstruction import FARTHEST_MM
from hospital_agent.training.refinement_cases import (
    Looked,
    RefinementCase,
    beside,
    compared,
    in_task,
    places_of_flagged,
    refuse_what_is_worse,
)
from hospital_agent.training.refinement_table import Comparison, comparison

FENCES = Fences(0.8, 20.0, 9, "validation")
VOXEL = np.ones((1, 1, 1), dtype=np.uint8)
VOLUME = Volume(np.zeros((2, 2, 2), dtype=np.float32), (1.0, 1.0, 1.0))
STEADY = comparison("dice", "annotated", [0.9, 0.8], [0.9, 0.8], ["a", "b"], higher_is_better=True)


def looked(pdc: float | None, phd_mm: float | None, mark: int = 1) -> Looked:
    return Looked(PseudoMeasures(pdc, phd_mm), VOXEL * mark, None, None)


GOOD, BAD, EMPTY = looked(0.9, 5.0), looked(0.2, 90.0, mark=2), looked(None, None, mark=0)


def told(name: str, before: Sequence[Looked], after: Sequence[Looked]) -> dict[str, Comparison]:
    cases = [RefinementCase(f"c{i}", f"p{i}", VOLUME) for i in range(len(before))]
    return {row.measure: row for row in compared(name, cases, before, after, seed=0)}


def test_a_flagged_mask_that_was_emptied_stays_flagged_and_counts_as_the_worst() -> None:
    now = beside([BAD, BAD, GOOD], [EMPTY, GOOD, EMPTY])
    assert places_of_flagged(now, FENCES) == [0, 2]
    assert now[0].pseudo == PseudoMeasures(0.0, FARTHEST_MM)
    assert np.array_equal(now[0].reconstructed, BAD.reconstructed), "an emptied mask is no target"
    assert now[1] is GOOD
    assert places_of_flagged(now, Fences(-1.0, 1e9, 9, "validation")) == [0, 2], "whatever the fences are"


def test_a_mask_that_was_empty_before_may_stay_so() -> None:
    now = beside([EMPTY, EMPTY], [EMPTY, GOOD])
    assert places_of_flagged(now, FENCES) == []
    assert (now[0].emptied, now[0].pseudo.pdc) == (False, None)


def test_emptied_masks_are_in_the_table() -> None:
    """One of four keeps 0.9, the others fall to 0: 0.9 before, 0.225 after."""
    table = told("unflagged", [GOOD] * 4, [GOOD, EMPTY, EMPTY, EMPTY])
    assert (table["pdc"].count, table["pdc"].patients) == (4, 4)
    assert (table["pdc"].before, table["pdc"].after) == (pytest.approx(0.9), pytest.approx(0.225))
    assert table["phd_mm"].after == pytest.approx((5 + 3 * FARTHEST_MM) / 4)


def test_a_network_that_empties_everything_but_one_mask_is_refused() -> None:
    before, after = [GOOD] * 10, [GOOD] + [EMPTY] * 9
    with pytest.raises(WorseAfterwards, match="pdc of unflagged cases falls"):
        refuse_what_is_worse([STEADY, *told("unflagged", before, after).values()])


def test_nothing_is_proposed_that_too_few_annotated_patients_can_vouch_for() -> None:
    alone = comparison("dice", "annotated", [0.9, 0.8], [0.9, 0.8], ["a", "a"], higher_is_better=True)
    nobody = comparison("dice", "annotated", [0.9, 0.8], [None, None], ["a", "b"], higher_is_better=True)
    for table in ([alone], [nobody], []):
        with pytest.raises(NotCompared, match="at least 2"):
            refuse_what_is_worse(table)
    refuse_what_is_worse([STEADY])


def test_labels_of_annotations_are_those_of_the_task() -> None:
    marked = RefinementCase("c", "p", VOLUME, np.array([[[0, 80, 240]]], dtype=np.uint8))
    (one,) = in_task([marked], 1)
    assert one.labels is not None
    assert one.labels.tolist() == [[[0, 1, 1]]]
    with pytest.raises(UnknownLabel, match="label 240") as refused:
        in_task(
            [RefinementCase("c", "Meier^Anna", VOLUME), RefinementCase("c", "Meier^Anna", VOLUME, marked.labels)], 3
        )
    assert "Meier" not in str(refused.value)
