"""An ensemble says the mean of what its members say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.base import EnsembleSegmenter, Segmentation
from hospital_agent.analysis.segmentation.ensemble import EnsembleOfSegmenters
from tests.patches import multi_class

VOLUME = Volume(np.zeros((4, 6, 8), dtype=np.float32), (2.0, 2.0, 2.0))


class Says:
    """A member whose answer is given."""

    def __init__(self, answer: Segmentation) -> None:
        self.answer = answer

    def segment(self, volume: Volume) -> Segmentation:
        return self.answer


def softmax(seed: int, shape: tuple[int, int, int] = (4, 6, 8), classes: int = 3) -> np.ndarray:
    return np.moveaxis(np.random.default_rng(seed).dirichlet(np.ones(classes), size=shape), -1, 0).astype(np.float32)


def together(*answers: Segmentation) -> Any:
    return EnsembleOfSegmenters([Says(answer) for answer in answers], version="1", model_hash="h")


def test_probabilities_are_averaged_and_the_mask_follows() -> None:
    every = [softmax(seed) for seed in range(3)]
    answers = [replace(multi_class(one), passes=2, warnings=("w",)) for one in every]
    found = together(*answers).segment(VOLUME)
    mean = np.mean(every, axis=0)
    np.testing.assert_allclose(found.class_probabilities, mean, atol=1e-6)
    np.testing.assert_allclose(found.probability, 1 - mean[0], atol=1e-6)
    np.testing.assert_array_equal(found.labels, mean.argmax(axis=0))
    np.testing.assert_array_equal(found.mask, mean.argmax(axis=0) > 0)
    assert found.passes == 6
    assert found.warnings == ("w",)
    assert found.backend == "ensemble"
    assert found.model_hash == "h"


def test_the_first_members_features_are_kept() -> None:
    first, second = multi_class(softmax(0)), multi_class(softmax(1))
    marked = replace(first, intensities=np.arange(500.0))
    found = together(marked, second).segment(VOLUME)
    assert found.patches is first.patches
    assert found.layers is first.layers
    assert found.intensities[3] == 3.0


def test_members_are_asked_one_at_a_time() -> None:
    ensemble = together(multi_class(softmax(0)), multi_class(softmax(1)))
    assert isinstance(ensemble, EnsembleSegmenter)
    answers = ensemble.segment_members(VOLUME)
    np.testing.assert_array_equal(next(answers).class_probabilities, softmax(0))
    np.testing.assert_array_equal(next(answers).class_probabilities, softmax(1))


def test_equal_members_change_nothing() -> None:
    one = multi_class(softmax(4, classes=2))
    found = together(one, one).segment(VOLUME)
    np.testing.assert_allclose(found.class_probabilities, one.class_probabilities, atol=1e-6)
    assert found.labels is None  # one label: a mask says it all


def test_members_may_work_on_grids_of_their_own() -> None:
    half = np.full((2, 2, 3, 4), 0.5, dtype=np.float32)
    found = together(multi_class(softmax(0, classes=2)), multi_class(half)).segment(VOLUME)
    np.testing.assert_allclose(found.class_probabilities, (softmax(0, classes=2) + 0.5) / 2, atol=1e-6)


def test_what_cannot_be_averaged_is_refused() -> None:
    with pytest.raises(NotApplicable):
        together(multi_class(softmax(0)))
    with pytest.raises(NotApplicable):
        together(multi_class(softmax(0)), multi_class(softmax(0, classes=2))).segment(VOLUME)
    with pytest.raises(NotApplicable):
        together(multi_class(softmax(0)), replace(multi_class(softmax(0)), class_probabilities=None)).segment(VOLUME)
