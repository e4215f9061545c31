"""The largest probability over three regions of one small image."""

import numpy as np
import pytest

from hospital_agent.analysis.uncertainty.max_softmax import (
    MaxSoftmax,
    MaxSoftmaxAwayFromBoundary,
    MaxSoftmaxForeground,
)
from tests.patches import multi_class, segmentation_of


def test_each_region_on_paper() -> None:
    probability = np.zeros((1, 1, 12), dtype=np.float32)
    probability[..., 5:] = [0.4, 0.75, 0.75, 1, 1, 1, 0.75]  # the edge lies between voxels 5 and 6
    case = segmentation_of(probability, spacing_mm=(4.0, 4.0, 4.0))
    assert MaxSoftmax().compute(case) == pytest.approx((0.4 + 3 * 0.25) / 12)
    assert MaxSoftmaxForeground().compute(case) == pytest.approx(3 * 0.25 / 6)
    assert MaxSoftmaxAwayFromBoundary().compute(case) == pytest.approx(2 * 0.25 / 10)


def test_an_empty_prediction_has_no_foreground() -> None:
    case = segmentation_of(np.full((4, 4, 4), 0.25, dtype=np.float32))
    assert MaxSoftmaxForeground().compute(case) is None
    assert MaxSoftmax().compute(case) == pytest.approx(0.25)


def test_ignorance_is_a_half_however_many_classes_there_are() -> None:
    thirds = multi_class(np.array([0.2, 0.7, 0.1]).reshape(3, 1, 1, 1))
    assert MaxSoftmax().compute(thirds) == pytest.approx(0.3 * 3 / 4)
    assert MaxSoftmaxForeground().compute(thirds) == pytest.approx(0.3 * 3 / 4)
