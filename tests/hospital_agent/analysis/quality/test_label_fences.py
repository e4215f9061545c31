"""Fences of each label and of each view: by hand, and where the mean over labels is blind."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital_agent.analysis.errors import ModelMismatch, TooFewCases
from hospital_agent.analysis.imaging.slices import SlicePlane, Slices
from hospital_agent.analysis.quality.label_fences import (
    CaseMeasures,
    FenceSet,
    Grouping,
    MaskFences,
    fence_set,
    mask_fences,
)
from hospital_agent.analysis.quality.tukey import PseudoMeasures, fences_of
from hospital_agent.analysis.segmentation.reconstruction import FARTHEST_MM

BALL, RING = [0.92, 0.94, 0.96, 0.98], [0.60, 0.64, 0.68, 0.72]  # a ring comes back worse, and may
NOTHING = PseudoMeasures(None, None)


def case(ball: float | None, ring: float | None, far: float = 4.0, plane: SlicePlane = "axial") -> CaseMeasures:
    """Labels 1 and 2 with these pDC, and the means of those that are there."""
    own = {n: NOTHING if pdc is None else PseudoMeasures(pdc, far) for n, pdc in ((1, ball), (2, ring))}
    known = [pdc for pdc in (ball, ring) if pdc is not None]
    mean = PseudoMeasures(sum(known) / len(known), far) if known else NOTHING
    return CaseMeasures(mean, own, Slices(plane))


EASY = [case(ball, ring, 3.0 + i) for i, (ball, ring) in enumerate(zip(BALL, RING, strict=True))]


def test_each_label_has_the_fences_of_its_own_cases_by_hand() -> None:
    """Quartiles of the ball 0.935 and 0.965, of the ring 0.63 and 0.69, of the distance 3.75 and 5.25 mm."""
    found = fence_set(EASY, "label")
    assert found.groups["1"].low_pdc == pytest.approx(0.935 - 1.5 * 0.03)
    assert found.groups["2"].low_pdc == pytest.approx(0.63 - 1.5 * 0.06)
    assert {fences.high_phd_mm for fences in found.groups.values()} == {5.25 + 1.5 * 1.5}
    assert found.groups["1"] == fences_of([one.by_label[1] for one in EASY])


def test_a_label_beyond_its_fence_hides_in_the_mean_and_is_named() -> None:
    """The ball at 0.80 is far below 0.89. The mean, 0.76, is as usual as any: its fence is 0.7825 - 1.5 * 0.045."""
    sick = case(0.80, 0.72)
    of_label, of_mean = fence_set(EASY, "label"), fence_set(EASY, "mean")
    assert of_label.beyond(sick) == {"1": ("pdc",)}
    assert of_label.flags(sick)
    assert not of_mean.flags(sick)
    assert of_mean.groups["mean"].low_pdc == pytest.approx(0.7825 - 1.5 * 0.045)
    assert of_label.beyond(case(0.95, 0.66, far=40.0)) == {"1": ("phd_mm",), "2": ("phd_mm",)}
    assert of_mean.beyond(case(0.95, 0.66, far=40.0)) == {"mean": ("phd_mm",)}
    assert of_mean.beyond(case(0.2, 0.2, far=40.0)) == {"mean": ("pdc", "phd_mm")}


def test_a_ring_that_is_usual_for_a_ring_would_be_odd_for_a_ball() -> None:
    assert not fence_set(EASY, "label").flags(case(0.95, 0.62))
    assert fence_set(EASY, "label").groups["1"].flags(PseudoMeasures(0.62, 4.0))


def test_each_view_has_the_fences_of_its_own_images_and_a_foreign_one_none() -> None:
    short = [case(ball, ball, plane="axial") for ball in BALL]
    long = [case(ring, ring, plane="coronal") for ring in RING]
    few = [case(0.9, 0.9, plane="sagittal")] * 3
    found = fence_set([*short, *long, *few], "view")
    assert set(found.groups) == {"axial", "coronal"}
    assert found.groups["axial"] == fences_of([one.mean for one in short])
    assert found.flags(case(0.66, 0.66, plane="axial"))
    assert not found.flags(case(0.66, 0.66, plane="coronal"))
    foreign = case(0.01, 0.01, plane="sagittal")
    assert (found.flags(foreign), found.unjudged(foreign)) == (False, ("sagittal",))


def test_a_label_that_too_few_cases_show_flags_nothing_and_says_so() -> None:
    found = fence_set([*EASY, case(0.9, None)], "label")
    rare = fence_set([case(ball, None if i else 0.7) for i, ball in enumerate(BALL)], "label")
    assert set(found.groups) == {"1", "2"}
    assert set(rare.groups) == {"1"}
    assert rare.unjudged(case(0.95, 0.0)) == ("2",)
    assert not rare.flags(case(0.95, 0.0))


def test_a_label_that_only_one_of_two_masks_holds_lies_beyond() -> None:
    lost = CaseMeasures(PseudoMeasures(0.5, 250.0), {1: PseudoMeasures(0.95, 4.0), 2: PseudoMeasures(0.0, FARTHEST_MM)})
    assert fence_set(EASY, "label").beyond(lost) == {"2": ("pdc", "phd_mm")}
    assert fence_set([*EASY, lost], "label") == fence_set(
        [*EASY, CaseMeasures(lost.mean, {1: PseudoMeasures(0.95, 4.0)})], "label"
    ), "what stands for infinity is no part of the quartiles"


def test_on_a_coarse_grid_the_next_step_is_not_unusual() -> None:
    """Every ball moved by one pixel of 2 mm: the IQR is 0. One that moved along its diagonal, 2.8 mm, is as usual."""
    same = [CaseMeasures(PseudoMeasures(0.9, 2.0), {1: PseudoMeasures(0.9, 2.0)}, Slices("axial", 8**0.5))] * 6
    found = fence_set(same, "label")
    assert found.groups["1"].high_phd_mm == pytest.approx(2 + 8**0.5)
    assert not found.groups["1"].flags_phd(PseudoMeasures(0.9, 8**0.5))
    assert found.groups["1"].flags_phd(PseudoMeasures(0.9, 6.0))
    assert fences_of([one.mean for one in same]).flags_phd(PseudoMeasures(0.9, 8**0.5)), "as the paper has it"
    spread = fence_set(
        [case(ball, ring, 9.0 * i) for i, (ball, ring) in enumerate(zip(BALL, RING, strict=True))], "mean"
    )
    assert spread.groups["mean"].high_phd_mm == pytest.approx(20.25 + 1.5 * 13.5), "a wide spread is left as it is"


def test_the_mean_decides_and_the_labels_say_where_to_look() -> None:
    found = mask_fences(EASY, "mean", "target")
    assert found == MaskFences(fence_set(EASY, "mean", "target"), fence_set(EASY, "label", "target"))
    assert MaskFences.from_json(found.to_json()) == found
    sick = case(0.80, 0.72)
    assert (found.deciding.flags(sick), found.labels_beyond(sick)) == (False, {"1": ("pdc",)})
    by_label = mask_fences(EASY, "label")
    assert by_label.deciding is by_label.by_label


def test_labels_that_are_seen_too_rarely_have_no_fences_of_their_own() -> None:
    """Six hearts, of each of which one half is drawn: the mean is known six times, and each label three times."""
    found = mask_fences([case(0.9, None), case(None, 0.7)] * 3, "mean")
    assert found.by_label is None
    assert found.deciding.groups["mean"].case_count == 6
    assert found.labels_beyond(case(0.0, 0.0)) == {}
    assert MaskFences.from_json(found.to_json()) == found


def test_what_is_undefined_lies_nowhere() -> None:
    assert fence_set(EASY, "label").beyond(case(None, None)) == {}


@pytest.mark.parametrize("by", ["label", "view", "mean"])
def test_too_few_cases_have_no_fences(by: Grouping) -> None:
    for cases in ([], EASY[:3], [case(None, None)] * 9):
        with pytest.raises(TooFewCases, match="at least 4 cases"):
            fence_set(cases, by)


def test_fences_from_a_wholly_shifted_set_move_along_for_each_label_too() -> None:
    rng = np.random.default_rng(0)
    plain = [case(0.95 + 0.01 * a, 0.65 + 0.01 * b) for a, b in rng.normal(size=(30, 2))]
    shifted = [case(0.55 + 0.01 * a, 0.25 + 0.01 * b) for a, b in rng.normal(size=(30, 2))]
    assert all(fence_set(plain, "label").flags(one) for one in shifted)
    published = fence_set(shifted, "label", "target")
    assert {fences.source for fences in published.groups.values()} == {"target"}
    assert sum(published.flags(one) for one in shifted) <= 3


share = st.none() | st.floats(0, 1)


@given(st.lists(st.tuples(share, share, st.floats(0, 700)), max_size=12), st.sampled_from(["label", "view", "mean"]))
def test_they_are_read_as_they_were_written(
    shown: list[tuple[float | None, float | None, float]], by: Grouping
) -> None:
    cases = [*EASY, *(case(*one) for one in shown)]
    found = fence_set(cases, by)
    again = FenceSet.from_json(found.to_json())
    assert again == found
    assert [again.beyond(one) for one in cases] == [found.beyond(one) for one in cases]
    assert all(math.isfinite(fences.high_phd_mm) for fences in found.groups.values())


@pytest.mark.parametrize(
    "damage",
    [
        {},
        {"by": "colour"},
        {"groups": {}},
        {"groups": []},
        {"groups": {"1": {}}},
        {"groups": {"1": {"low_pdc": "x", "high_phd_mm": 1, "case_count": 4, "source": "target"}}},
        {"groups": {"1": {"low_pdc": 0.1, "high_phd_mm": 1, "case_count": 4, "source": "elsewhere"}}},
    ],
)
def test_damaged_ones_are_refused(damage: dict[str, object]) -> None:
    told = {**fence_set(EASY, "label").to_json(), **damage} if damage else {}
    with pytest.raises(ModelMismatch, match="fences of the mask autoencoder"):
        FenceSet.from_json(told)


@pytest.mark.parametrize("told", [{}, [], {"deciding": {}}, {"deciding": None, "by_label": None}])
def test_damaged_pairs_of_them_are_refused(told: Any) -> None:
    with pytest.raises(ModelMismatch, match="fences of the mask autoencoder"):
        MaskFences.from_json(told)
