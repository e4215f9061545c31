"""Laws that every registered uncertainty score obeys. There is no list of exceptions."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import expit, softmax

from hospital_agent.analysis.uncertainty import UncertaintyScore, uncertainty_scores
from tests.patches import multi_class, segmentation_of

SCORES = [
    pytest.param(score, id=name)
    for name, score in uncertainty_scores.load("hospital_agent.analysis.uncertainty").items()
]
every_score = pytest.mark.parametrize("score", SCORES)


def blob(shape: tuple[int, int, int], seed: int, sharpness: float = 4.0) -> np.ndarray:
    """A smooth random probability with values all over [0, 1]."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return expit(sharpness * field / (field.std() + 1e-9)).astype(np.float32)


def checked(score: type[UncertaintyScore], probability: np.ndarray) -> float | None:
    value = score().compute(segmentation_of(np.asarray(probability, dtype=np.float32)))
    assert value is None or (isinstance(value, float) and score.quantity.accepts(value))
    return value


def classes(count: int, shape: tuple[int, int, int], seed: int, sharpness: float = 4.0) -> np.ndarray:
    """A smooth random softmax (C, Z, Y, X)."""
    fields = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(count, *shape)), (0, 2, 2, 2))
    return softmax(sharpness * fields / (fields.std() + 1e-9), axis=0).astype(np.float32)


def checked_classes(score: type[UncertaintyScore], probabilities: np.ndarray) -> float | None:
    value = score().compute(multi_class(probabilities))
    assert value is None or (isinstance(value, float) and score.quantity.accepts(value))
    return value


@every_score
def test_declares_itself(score: type[UncertaintyScore]) -> None:
    assert uncertainty_scores.get(score.quantity.name) is score
    assert score.quantity.direction == "higher_is_worse"
    assert score.__doc__
    assert score.quantity.label


@every_score
def test_is_undefined_without_probabilities(score: type[UncertaintyScore]) -> None:
    assert score().compute(segmentation_of(None)) is None
    without_grid = replace(segmentation_of(np.zeros((2, 2, 2), np.float32)), working_spacing_mm=None)
    assert score().compute(without_grid) is None


@every_score
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 9), (12, 1, 5), (10, 12, 14)])
@pytest.mark.parametrize("level", [0.0, 1e-30, 0.25, 0.5, 0.5000001, 1.0])
def test_a_constant_probability_gives_a_value_in_range_or_none(
    score: type[UncertaintyScore], shape: tuple[int, int, int], level: float
) -> None:
    value = checked(score, np.full(shape, level))
    if level in (0.0, 1.0):  # a certain network scores as low as the score can
        assert value is None or value == pytest.approx(score.quantity.low, abs=1e-6)


@every_score
@given(shape=st.tuples(*[st.integers(1, 16)] * 3), seed=st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_is_none_or_finite_and_in_range(score: type[UncertaintyScore], shape: tuple[int, int, int], seed: int) -> None:
    checked(score, blob(shape, seed))
    checked(score, np.random.default_rng(seed).random(shape).round())


@every_score
@given(seed=st.integers(0, 999), steps=st.lists(st.floats(0.05, 1.0), min_size=2, max_size=4))
@settings(max_examples=15, deadline=None)
def test_a_more_diffuse_probability_never_scores_lower(
    score: type[UncertaintyScore], seed: int, steps: list[float]
) -> None:
    sharp = blob((14, 18, 20), seed).astype(np.float64)
    values = [checked(score, 0.5 + step * (sharp - 0.5)) for step in sorted(steps, reverse=True)]
    known = [value for value in values if value is not None]
    assert len(known) in (0, len(values))
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(known))


@every_score
def test_an_unsure_network_scores_higher_than_a_sure_one(score: type[UncertaintyScore]) -> None:
    probability = np.zeros((24, 24, 24))
    probability[4:20, 4:20, 4:20] = 1
    sure = checked(score, 0.02 + 0.96 * probability)
    unsure = checked(score, 0.3 + 0.4 * probability)
    assert sure is not None
    assert unsure is not None
    assert unsure > sure


@every_score
def test_flipping_the_image_changes_nothing(score: type[UncertaintyScore]) -> None:
    probability = blob((13, 16, 17), seed=5)
    values = [checked(score, np.flip(probability, axes)) for axes in ((), (0,), (1,), (2,), (0, 1, 2))]
    assert values == pytest.approx([values[0]] * 5, rel=1e-6)


@every_score
def test_never_changes_what_it_reads(score: type[UncertaintyScore]) -> None:
    probability = blob((9, 9, 9), seed=1)
    before = probability.copy()
    probability.flags.writeable = False
    checked(score, probability)
    np.testing.assert_array_equal(probability, before)


@every_score
def test_two_classes_score_as_their_foreground_does(score: type[UncertaintyScore]) -> None:
    probability = blob((9, 12, 11), seed=3)
    both = np.stack([1 - probability, probability])
    told = replace(multi_class(both), probability=probability)
    assert score().compute(told) == score().compute(segmentation_of(probability))


@every_score
@given(count=st.integers(3, 6), shape=st.tuples(*[st.integers(1, 12)] * 3), seed=st.integers(0, 999))
@settings(max_examples=15, deadline=None)
def test_several_classes_are_none_or_in_the_range_of_two(
    score: type[UncertaintyScore], count: int, shape: tuple[int, int, int], seed: int
) -> None:
    soft = classes(count, shape, seed)
    checked_classes(score, soft)
    checked_classes(score, np.eye(count, dtype=np.float32)[soft.argmax(axis=0)].transpose(3, 0, 1, 2))


@every_score
@pytest.mark.parametrize("count", [3, 5])
def test_with_several_classes_an_unsure_network_scores_higher_than_a_sure_one(
    score: type[UncertaintyScore], count: int
) -> None:
    labels = np.zeros((24, 24, 24), dtype=int)
    labels[4:20, 4:20, 4:20] = 1
    labels[8:16, 8:16, 8:16] = 2
    certain = np.eye(count)[labels].transpose(3, 0, 1, 2)
    values = [checked_classes(score, mix * certain + (1 - mix) / count) for mix in (1, 0.95, 0.4)]
    assert None not in values
    assert values[0] < values[1] < values[2]


@every_score
def test_the_order_of_the_labels_does_not_matter(score: type[UncertaintyScore]) -> None:
    soft = classes(4, (9, 14, 13), seed=2)
    assert checked_classes(score, soft[[0, 3, 1, 2]]) == pytest.approx(checked_classes(score, soft), rel=1e-6)


@every_score
def test_never_changes_the_classes_it_reads(score: type[UncertaintyScore]) -> None:
    soft = classes(3, (9, 9, 9), seed=1)
    before = soft.copy()
    soft.flags.writeable = False
    checked_classes(score, soft)
    np.testing.assert_array_equal(soft, before)


@every_score
def test_ignorance_of_several_classes_is_as_high_as_the_score_goes(score: type[UncertaintyScore]) -> None:
    value = checked_classes(score, np.full((5, 6, 6, 6), 0.2))  # a tie: nothing is predicted
    assert value is None or value == pytest.approx(score.quantity.high, abs=1e-6)
