"""Standard deviation over passes, on paper and against numpy."""

import numpy as np
import pytest

from hospital_agent.analysis.uncertainty.mc_dropout import McDropout, McDropoutForeground
from tests.patches import multi_class, segmentation_of


def passes(*rows: list[float]) -> list:
    return [segmentation_of(np.array([[row]], dtype=np.float32)) for row in rows]


def test_two_passes_on_paper() -> None:
    answers = passes([0.2, 0.9, 0.0, 0.6], [0.4, 0.5, 0.0, 0.6])
    assert McDropout().compute(answers) == pytest.approx((0.1 + 0.2) / 4)
    assert McDropoutForeground().compute(answers) == pytest.approx(0.2 / 2)  # voxels 1 and 3


def test_ends_at_a_half() -> None:
    assert McDropout().compute(passes([0.0], [1.0], [0.0], [1.0])) == pytest.approx(0.5)


def test_ten_passes_against_numpy() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random((10, 33, 34, 35)).astype(np.float32)
    answers = [segmentation_of(each) for each in probability]
    assert McDropout().compute(answers) == pytest.approx(probability.astype(float).std(axis=0).mean(), rel=1e-5)


def test_tells_small_differences_of_saturated_answers() -> None:
    """Sums of squares in float32 would lose these; running deviations do not."""
    rng = np.random.default_rng(1)
    probability = (1 - 1e-5 * rng.random((10, 8, 8, 8))).astype(np.float32)
    expected = probability.astype(float).std(axis=0).mean()
    assert McDropout().compute([segmentation_of(each) for each in probability]) == pytest.approx(expected, rel=0.02)


def test_several_classes_are_averaged() -> None:
    soft = np.random.default_rng(2).dirichlet(np.ones(4), size=(5, 6, 7, 8)).astype(np.float32).transpose(0, 4, 1, 2, 3)
    expected = soft.astype(float).std(axis=0)
    found = soft.mean(axis=0).argmax(axis=0) > 0
    answers = [multi_class(each) for each in soft]
    assert McDropout().compute(answers) == pytest.approx(expected.mean(), rel=1e-5)
    assert McDropoutForeground().compute(answers) == pytest.approx(expected.mean(axis=0)[found].mean(), rel=1e-5)


def test_an_empty_prediction_has_no_foreground() -> None:
    assert McDropoutForeground().compute(passes([0.1, 0.2], [0.3, 0.2])) is None
