"""KL from uniform over three regions of one small image."""

import numpy as np
import pytest

from hospital_agent.analysis.uncertainty.kl_from_uniform import (
    KlFromUniform,
    KlFromUniformAwayFromBoundary,
    KlFromUniformForeground,
)
from tests.patches import multi_class, segmentation_of

CERTAIN = 0.5 * np.log2(0.5 / 1) + 0.5 * np.log2(0.5 / 1e-4)  # bits
QUARTER = 0.5 * np.log2(0.5 / 0.25) + 0.5 * np.log2(0.5 / 0.75)
LACK = 1 - QUARTER / CERTAIN


def test_each_region_on_paper() -> None:
    probability = np.zeros((1, 1, 12), dtype=np.float32)
    probability[..., 6:] = [0.75, 0.75, 1, 1, 1, 0.75]  # the edge lies between voxels 5 and 6
    case = segmentation_of(probability, spacing_mm=(4.0, 4.0, 4.0))
    assert KlFromUniform().compute(case) == pytest.approx(3 * LACK / 12, abs=1e-6)
    assert KlFromUniformForeground().compute(case) == pytest.approx(3 * LACK / 6, abs=1e-6)
    assert KlFromUniformAwayFromBoundary().compute(case) == pytest.approx(2 * LACK / 10, abs=1e-6)


def test_an_empty_prediction_has_no_foreground() -> None:
    case = segmentation_of(np.full((4, 4, 4), 0.25, dtype=np.float32))
    assert KlFromUniformForeground().compute(case) is None
    assert KlFromUniform().compute(case) == pytest.approx(LACK)


def test_three_classes_on_paper() -> None:
    softmax = np.array([0.2, 0.7, 0.1]).reshape(3, 1, 1, 1)
    bits = -np.log2([0.2, 0.7, 0.1]).mean() - np.log2(3)
    most = -2 / 3 * np.log2(1e-4) - np.log2(3)
    assert KlFromUniform().compute(multi_class(softmax)) == pytest.approx(1 - bits / most, abs=1e-6)


def test_tells_a_hundredth_from_a_thousandth() -> None:
    """Where the largest probability hardly moves, this does: it is why the paper compares both."""
    hundredth, thousandth = (
        KlFromUniform().compute(segmentation_of(np.full((2, 2, 2), level, dtype=np.float32))) for level in (1e-2, 1e-3)
    )
    assert hundredth - thousandth > 0.25
