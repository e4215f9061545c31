"""The Dice that probabilities promise, against paper and against the Dice they really give."""

import numpy as np
import pytest

from hospital_agent.analysis.uncertainty.soft_dice_confidence import SoftDiceConfidence
from tests.patches import multi_class, segmentation_of


def test_one_image_on_paper() -> None:
    probability = np.array([[[0.8, 0.6, 0.4, 0.2]]], dtype=np.float32)
    # mask = the first two voxels: 2 (0.8 + 0.6) / (2.0 + 2) = 0.7
    assert SoftDiceConfidence().compute(segmentation_of(probability)) == pytest.approx(0.3)


def test_a_certain_mask_has_no_uncertainty_and_an_empty_one_no_value() -> None:
    probability = np.zeros((4, 4, 4), dtype=np.float32)
    assert SoftDiceConfidence().compute(segmentation_of(probability)) is None
    probability[1:3] = 1
    assert SoftDiceConfidence().compute(segmentation_of(probability)) == 0.0


def test_is_near_the_expected_dice_when_voxels_are_independent() -> None:
    rng = np.random.default_rng(0)
    probability = rng.beta(0.4, 1.0, size=(20, 20, 20)).astype(np.float32)
    mask = probability > 0.5
    truth = rng.random((200, *probability.shape)) < probability
    overlaps = (truth & mask).sum(axis=(1, 2, 3))
    dice = 2 * overlaps / (truth.sum(axis=(1, 2, 3)) + mask.sum())
    assert 1 - SoftDiceConfidence().compute(segmentation_of(probability)) == pytest.approx(dice.mean(), abs=0.003)


def test_of_several_labels_those_that_are_predicted_count() -> None:
    softmax = np.array([[0.1, 0.2, 0.9, 0.5], [0.7, 0.1, 0.1, 0.3], [0.2, 0.7, 0.0, 0.2]]).reshape(3, 1, 1, 4)
    # label 1 is voxel 0: 2 * 0.7 / (1.2 + 1); label 2 is voxel 1: 2 * 0.7 / (1.1 + 1)
    expected = 1 - (1.4 / 2.2 + 1.4 / 2.1) / 2
    assert SoftDiceConfidence().compute(multi_class(softmax)) == pytest.approx(expected)
    unused = np.concatenate([softmax, np.zeros((1, 1, 1, 4))])
    assert SoftDiceConfidence().compute(multi_class(unused)) == pytest.approx(expected)
    nothing = np.array([0.8, 0.1, 0.1]).reshape(3, 1, 1, 1)
    assert SoftDiceConfidence().compute(multi_class(nothing)) is None
