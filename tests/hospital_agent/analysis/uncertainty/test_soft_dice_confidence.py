"""The Dice that probabilities promise, against paper and against the Dice they really give."""

import numpy as np
import pytest

from hospital_agent.analysis.uncertainty.soft_dice_confidence import SoftDiceConfidence
from tests.patches import segmentation_of


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
