"""What changed between two networks, from what each said: erasing masks is no success, and unknown labels are named."""

from collections.abc import Sequence

import numpy as np
import pytest

from hospital_agent.analysis.errors import NotCompared, UnknownLabel, WorseAfterwards
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.quality.label_fences import CaseMeasures, FenceSet
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
    return Looked(CaseMeasures(PseudoMeasures(pdc, phd_mm)), VOXEL * mark, None, None)


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


def of_labels(held: str, **pdc: float | None) -> Looked:
    """Labels a and b with these pDC; `held` are those of the reconstruction."""
    numbers = {"a": 1, "b": 2}
    own = {numbers[name]: PseudoMeasures(one, None if one is None else 5.0) for name, one in pdc.items()}
    there = np.array([[[numbers[name] for name in held]]], dtype=np.uint8)
    return Looked(CaseMeasures(PseudoMeasures(0.9, 5.0), own), there, None, None)


def test_a_label_that_its_reconstruction_held_is_not_healed_by_dropping_it() -> None:
    """Label b is gone after training. A loss where the reconstruction held it, and none where the mask alone did."""
    fences = FenceSet("label", {"1": FENCES, "2": FENCES})
    guided, artefact, after = of_labels("ab", a=0.9, b=0.5), of_labels("a", a=0.9, b=0.0), of_labels("a", a=0.9, b=None)
    assert places_of_flagged([guided, artefact, after], fences) == [0, 1]
    now = beside([guided, artefact], [after, after], "label")
    assert places_of_flagged(now, fences) == [0]
    assert now[0].lost == {2}
    assert now[0].measures.by_label[2] == PseudoMeasures(0.0, FARTHEST_MM)
    assert np.array_equal(now[0].reconstructed, guided.reconstructed), "what guides it still holds the label"
    assert now[1] is after
    assert beside([guided], [after])[0] is after, "a mean over labels does not see it"


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
