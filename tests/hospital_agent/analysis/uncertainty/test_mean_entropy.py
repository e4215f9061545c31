"""Entropy over three regions of one small image."""

import numpy as np
import pytest

from hospital_agent.analysis.uncertainty.mean_entropy import (
    MeanEntropy,
    MeanEntropyAwayFromBoundary,
    MeanEntropyForeground,
)
from tests.patches import multi_class, segmentation_of

QUARTER = 0.25 * 2 + 0.75 * np.log2(4 / 3)


def test_each_region_on_paper() -> None:
    probability = np.zeros((1, 1, 12), dtype=np.float32)
    probability[..., 6:] = [0.75, 0.75, 1, 1, 1, 0.75]  # the edge lies between voxels 5 and 6
    case = segmentation_of(probability, spacing_mm=(4.0, 4.0, 4.0))
    assert MeanEntropy().compute(case) == pytest.approx(3 * QUARTER / 12)
    assert MeanEntropyForeground().compute(case) == pytest.approx(3 * QUARTER / 6)
    assert MeanEntropyAwayFromBoundary().compute(case) == pytest.approx(2 * QUARTER / 10)


def test_an_empty_prediction_has_no_foreground_but_all_the_rest() -> None:
    case = segmentation_of(np.full((4, 4, 4), 0.25, dtype=np.float32))
    assert MeanEntropyForeground().compute(case) is None
    assert MeanEntropy().compute(case) == pytest.approx(QUARTER)
    assert MeanEntropyAwayFromBoundary().compute(case) == pytest.approx(QUARTER)


def test_a_small_lesion_in_a_small_image_leaves_nothing_away_from_the_boundary() -> None:
    probability = np.zeros((3, 3, 3), dtype=np.float32)
    probability[1, 1, 1] = 1
    assert MeanEntropyAwayFromBoundary().compute(segmentation_of(probability)) is None


def test_ignorance_is_one_however_many_classes_there_are() -> None:
    p = np.array([0.2, 0.7, 0.1])
    thirds = multi_class(p.reshape(3, 1, 1, 1))
    assert MeanEntropy().compute(thirds) == pytest.approx(-(p * np.log(p)).sum() / np.log(3), rel=1e-5)
    assert MeanEntropyForeground().compute(thirds) == pytest.approx(-(p * np.log(p)).sum() / np.log(3), rel=1e-5)
