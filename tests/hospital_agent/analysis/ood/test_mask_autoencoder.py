"""Pseudo Dice and pseudo Hausdorff as scores: means over labels, undefined values, and no autoencoder."""

from dataclasses import replace

import numpy as np
import pytest

from hospital_agent.analysis.errors import FeatureShapeError, ModelMismatch, NotApplicable, TooFewCases
from hospital_agent.analysis.ood.mask_autoencoder import PseudoDice, PseudoHausdorff
from hospital_agent.analysis.segmentation.base import ABSENT, Reconstruction, Segmentation
from hospital_agent.analysis.segmentation.reconstruction import FARTHEST_MM, compare
from tests.patches import segmentation_of


def told(gaps: list[float], far: list[float]) -> Segmentation:
    return replace(segmentation_of(None), reconstructed=Reconstruction(np.array(gaps), np.array(far)))


def test_the_mean_is_over_the_labels_that_are_there() -> None:
    shown = told([0.1, ABSENT, 0.3], [2.0, ABSENT, 6.0])
    assert PseudoDice(3).compute(shown) == pytest.approx(0.2)
    assert PseudoHausdorff(3).compute(shown) == pytest.approx(4.0)
    assert PseudoDice(3).by_label(shown) == {1: pytest.approx(0.1), 2: None, 3: pytest.approx(0.3)}
    assert PseudoHausdorff(3).by_label(shown) == {1: 2.0, 2: None, 3: 6.0}


@pytest.mark.parametrize("score", [PseudoDice(2), PseudoHausdorff(2)])
def test_nothing_on_both_sides_is_undefined(score: PseudoDice | PseudoHausdorff) -> None:
    assert score.compute(told([ABSENT, ABSENT], [ABSENT, ABSENT])) is None
    assert score.compute(segmentation_of(None)) is None
    assert score.by_label(segmentation_of(None)) == {}


def test_an_island_lowers_the_pseudo_dice_and_raises_the_distance() -> None:
    plausible = np.zeros((4, 20, 20), dtype=np.uint8)
    plausible[:, 4:9, 4:9] = 1
    island = plausible.copy()
    island[1:3, 15:17, 15:17] = 1
    scores = PseudoDice(1), PseudoHausdorff(1)
    shown = [
        replace(segmentation_of(None), reconstructed=compare(mask, plausible, (2.0, 1.0, 1.0), 1))
        for mask in (plausible, island)
    ]
    assert [score.compute(shown[0]) for score in scores] == [0.0, 0.0]
    assert scores[0].compute(shown[1]) == pytest.approx(1 - 200 / 208)
    assert scores[1].compute(shown[1]) == pytest.approx(np.hypot(8, 8))


def test_the_worst_case_is_still_a_value_of_the_quantity() -> None:
    lost = told([1.0], [FARTHEST_MM])
    for score in (PseudoDice(1), PseudoHausdorff(1)):
        value = score.compute(lost)
        assert value is not None
        assert score.quantity.accepts(value)
    assert PseudoHausdorff.quantity.unit == "mm"


@pytest.mark.parametrize("kind", [PseudoDice, PseudoHausdorff])
def test_without_an_autoencoder_the_sentence_says_how_to_get_one(kind: type[PseudoDice | PseudoHausdorff]) -> None:
    with pytest.raises(NotApplicable, match="--method mask_autoencoder") as refused:
        kind.fit_cases([], [])
    assert isinstance(refused.value, TooFewCases)


def test_refuses_another_number_of_labels() -> None:
    with pytest.raises(FeatureShapeError):
        PseudoDice(2).compute(told([0.1], [1.0]))


@pytest.mark.parametrize(
    "state", [{}, {"labels": np.array([0.0])}, {"labels": np.array([1.5])}, {"labels": np.ones(2)}]
)
def test_a_damaged_state_is_named(state: dict[str, np.ndarray]) -> None:
    with pytest.raises(ModelMismatch, match="mask_autoencoder_phd"):
        PseudoHausdorff.from_state(state)
