"""The largest probability of a flattened softmax over three regions of one small image."""

import numpy as np
import pytest

from hospital_agent.analysis.uncertainty.temperature_softmax import (
    TemperatureSoftmax10,
    TemperatureSoftmax10AwayFromBoundary,
    TemperatureSoftmax10Foreground,
    TemperatureSoftmax100,
    TemperatureSoftmax1000,
)
from tests.patches import multi_class, segmentation_of

CERTAIN = 1 / (1 + (2**24) ** 0.1)
QUARTER = 1 / (1 + 3**0.1)


def test_each_region_on_paper() -> None:
    probability = np.zeros((1, 1, 12), dtype=np.float32)
    probability[..., 6:] = [0.75, 0.75, 1, 1, 1, 0.75]  # the edge lies between voxels 5 and 6
    case = segmentation_of(probability, spacing_mm=(4.0, 4.0, 4.0))
    assert TemperatureSoftmax10().compute(case) == pytest.approx((3 * QUARTER + 9 * CERTAIN) / 12)
    assert TemperatureSoftmax10Foreground().compute(case) == pytest.approx((3 * QUARTER + 3 * CERTAIN) / 6)
    assert TemperatureSoftmax10AwayFromBoundary().compute(case) == pytest.approx((2 * QUARTER + 8 * CERTAIN) / 10)


def test_three_classes_on_paper() -> None:
    flat = np.array([0.2, 0.7, 0.1]) ** 0.01
    case = multi_class(np.array([0.2, 0.7, 0.1]).reshape(3, 1, 1, 1))
    assert TemperatureSoftmax100().compute(case) == pytest.approx(0.75 * (1 - flat.max() / flat.sum()), rel=1e-5)


def test_a_high_temperature_measures_the_size_of_the_log_odds() -> None:
    odds = np.random.default_rng(0).normal(scale=3, size=(10, 10, 10))
    case = segmentation_of((1 / (1 + np.exp(-odds))).astype(np.float32))
    assert TemperatureSoftmax1000().compute(case) == pytest.approx(0.5 - np.abs(odds).mean() / 4000, abs=1e-6)


def test_an_empty_prediction_has_no_foreground() -> None:
    assert TemperatureSoftmax10Foreground().compute(segmentation_of(np.zeros((3, 3, 3), dtype=np.float32))) is None
