"""Candidate selection at inference: of three networks the one is believed whose mask is a heart."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.imaging.slices import Slices
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.quality.tukey import Fences
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.segmentation.reconstruction import FARTHEST_MM
from hospital_agent.analysis.segmentation.selected import SelectedSegmenter, case_measures, pseudo_measures
from tests.anatomy import SPACING, heart, heart_autoencoder
from tests.patches import segmentation_of

VOLUME = Volume(np.zeros((4, 40, 40), dtype=np.float32), SPACING, modality="MR")
STRICT, LENIENT = Fences(0.0, 0.0, 9, "validation"), Fences(0.0, 1e9, 9, "validation")


class Says:
    """A candidate with a fixed answer, as sure of it as told."""

    def __init__(self, labels: NDArray[np.uint8], sure: float = 0.9) -> None:
        hot = np.stack([labels == number for number in range(4)]).astype(np.float32)
        self.softmax: NDArray[np.float32] | None = hot * np.float32(sure) + np.float32((1 - sure) / 4)
        self.labels = labels

    def segment(self, _volume: Volume) -> Segmentation:
        mask = self.labels > 0
        return replace(segmentation_of(None), mask=mask, labels=self.labels, class_probabilities=self.softmax)


def spoilt(seed: int, holes: int) -> NDArray[np.uint8]:
    """A heart of which voxels are wrong, the more the larger `holes`."""
    rng, labels = np.random.default_rng(seed), heart(seed)
    return np.where(rng.random(labels.shape) < holes / 10, rng.integers(0, 4, labels.shape), labels).astype(np.uint8)


def test_the_most_plausible_mask_is_taken_and_every_pass_is_counted() -> None:
    candidates = [Says(spoilt(3, 5)), Says(heart(3)), Says(spoilt(3, 3))]
    found = SelectedSegmenter(candidates, heart_autoencoder(), LENIENT).segment(VOLUME)
    assert found.labels is not None
    np.testing.assert_array_equal(found.labels, heart(3))
    assert found.warnings == ()
    assert found.reconstructed is not None
    assert found.passes == 3


def test_the_first_of_equals_is_the_better_one_in_validation() -> None:
    first, second = Says(heart(4), sure=0.9), Says(heart(4), sure=0.6)
    found = SelectedSegmenter([first, second], heart_autoencoder(), LENIENT).segment(VOLUME)
    assert found.class_probabilities is not None
    np.testing.assert_array_equal(found.class_probabilities, first.softmax)


def test_where_none_is_usual_the_best_by_each_measure_are_averaged() -> None:
    """Fences at 0 mm let nothing pass. One candidate is best by pDC; the far island of the other is not its pHD."""
    far = heart(5)
    far[:, 1, 1], far[:, 1, 38], far[:, 38, 38] = 1, 2, 3  # islands far away: hardly any pDC lost, and a large pHD
    near = np.where(heart(5) > 0, spoilt(5, 4), 0).astype(np.uint8)  # the labels of a heart in disorder
    candidates = [Says(far), Says(near)]
    selected = SelectedSegmenter(candidates, heart_autoencoder(), STRICT)
    attached = [heart_autoencoder().attached(one.segment(VOLUME), SPACING) for one in candidates]
    by = [pseudo_measures(one, 3) for one in attached]
    assert max(by, key=lambda one: one.pdc or 0.0) is by[0]
    assert min(by, key=lambda one: one.phd_mm or np.inf) is by[1]
    found = selected.segment(VOLUME)
    assert found.class_probabilities is not None
    mean = (candidates[0].softmax + candidates[1].softmax) / 2  # type: ignore[operator]
    np.testing.assert_allclose(found.class_probabilities, mean, atol=1e-6)
    np.testing.assert_array_equal(found.labels, mean.argmax(axis=0))
    assert any("No candidate" in sentence for sentence in found.warnings), "a person is told of step 5"
    candidates[1].softmax = None
    with pytest.raises(NotApplicable, match="no softmax"):
        selected.segment(VOLUME)


def test_a_person_is_told_where_the_best_of_unusual_masks_is_one_alone() -> None:
    """It is best by both measures; the answer is its own, and not usual for all that."""
    best, worse = Says(heart(6)), Says(spoilt(6, 6))
    found = SelectedSegmenter([best, worse], heart_autoencoder(), STRICT).segment(VOLUME)
    np.testing.assert_array_equal(found.labels, heart(6))
    assert any("No candidate" in sentence for sentence in found.warnings)


def test_labels_have_their_own_measures_beside_the_mean() -> None:
    """A heart without its crescent: that label is measured as lost, or not at all where nothing gives it back."""
    labels = heart(7)
    labels[labels == 3] = 0
    attached = heart_autoencoder().attached(Says(labels).segment(VOLUME), SPACING)
    found = case_measures(attached, 3, Slices("axial", 2.0))
    assert found.mean == pseudo_measures(attached, 3)
    assert set(found.by_label) == {1, 2, 3}
    own = {label: measures.pdc for label, measures in found.by_label.items() if measures.pdc is not None}
    assert found.mean.pdc == pytest.approx(sum(own.values()) / len(own))
    assert own.get(3, 0.0) == 0.0
    assert found.by_label[3].phd_mm in (None, FARTHEST_MM)
    assert own[1] > 0.5


def test_no_candidate_is_refused() -> None:
    with pytest.raises(NotApplicable, match="no candidate"):
        SelectedSegmenter([], heart_autoencoder(), LENIENT)
