"""Laws that every registered score of several answers obeys. There is no list of exceptions."""

import weakref
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import softmax

from hospital_agent.analysis.errors import GeometryMismatch, TooFewCases
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import SampledScore, sampled_scores
from tests.patches import multi_class, segmentation_of

SCORES = [
    pytest.param(score, id=name) for name, score in sampled_scores.load("hospital_agent.analysis.uncertainty").items()
]
ONE_ANSWER = ("gradient", "outlier_exposure", "lee_gan")
every_score = pytest.mark.parametrize("score", SCORES)


def answer(probabilities: np.ndarray) -> Segmentation:
    """A foreground probability (Z, Y, X), or the softmax (C, Z, Y, X) of several classes."""
    given = np.asarray(probabilities, dtype=np.float32)
    return segmentation_of(given) if given.ndim == 3 else multi_class(given)


def checked(score: type[SampledScore], answers: Sequence[np.ndarray]) -> float | None:
    value = score().compute(iter([answer(each) for each in answers]))
    assert value is None or (isinstance(value, float) and score.quantity.accepts(value))
    return value


def drawn(classes: int, members: int, shape: tuple[int, int, int], seed: int, apart: float = 1.0) -> list[np.ndarray]:
    """Smooth random answers that share a part and differ by another."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.normal(size=(1 + members, classes, *shape)), (0, 0, 2, 2, 2))
    fields *= 4 / (fields.std() + 1e-9)
    soft = softmax(fields[0] + apart * fields[1:], axis=1)
    return list(soft if classes > 2 else soft[:, 1])


def cube(inside: float, outside: float, shift: int = 0) -> np.ndarray:
    probability = np.full((20, 20, 20), outside)
    probability[4:14, 4 + shift : 14 + shift, 4:14] = inside
    return probability


def fewest(score: type[SampledScore]) -> int:
    return 1 if score.source in ONE_ANSWER else 2


@every_score
def test_declares_itself_and_its_price(score: type[SampledScore]) -> None:
    assert sampled_scores.get(score.quantity.name) is score
    assert score.quantity.direction == "higher_is_worse"
    assert not score.quantity.monitored
    assert score.__doc__
    assert score.quantity.label
    assert score.source in ("dropout", "ensemble", *ONE_ANSWER)
    assert (score.passes is None) == (score.source == "ensemble")
    assert score.passes is None or score.passes >= (1 if getattr(score, "needs", "") else 2)


@every_score
def test_too_few_answers_are_refused(score: type[SampledScore]) -> None:
    answers = [answer(cube(0.9, 0.1))] * (fewest(score) - 1)
    with pytest.raises(TooFewCases):
        score().compute(iter(answers))
    assert score().compute([*answers, answer(cube(0.9, 0.1))]) is not None


@every_score
def test_answers_without_probabilities_have_no_value_or_one_of_their_masks(score: type[SampledScore]) -> None:
    value = score().compute([segmentation_of(None)] * 3)
    assert value is None or value == 0  # three empty masks agree


@every_score
@given(
    classes=st.integers(2, 4),
    members=st.integers(2, 5),
    shape=st.tuples(*[st.integers(1, 10)] * 3),
    seed=st.integers(0, 999),
)
@settings(max_examples=20, deadline=None)
def test_is_none_or_finite_and_in_range(
    score: type[SampledScore], classes: int, members: int, shape: tuple[int, int, int], seed: int
) -> None:
    soft = drawn(classes, members, shape, seed)
    checked(score, soft)
    if classes == 2:
        checked(score, [each.round() for each in soft])
    else:
        checked(score, [np.moveaxis(np.eye(classes)[each.argmax(axis=0)], 3, 0) for each in soft])


@every_score
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_certain_answers_that_agree_score_as_low_as_the_score_can(score: type[SampledScore], level: float) -> None:
    value = checked(score, [np.full((3, 5, 4), level)] * 3)
    assert value is None or value == pytest.approx(score.quantity.low, abs=1e-6)


@every_score
def test_certain_answers_that_agree_on_an_object_score_lowest(score: type[SampledScore]) -> None:
    assert checked(score, [cube(1, 0)] * 4) == pytest.approx(score.quantity.low, abs=1e-6)
    labels = cube(1, 0).astype(int)
    labels[6:9, 6:9, 6:9] = 2
    sure = checked(score, [np.moveaxis(np.eye(4)[labels], 3, 0)] * 4)
    moved = np.roll(labels, 3, axis=2)
    soft = [0.6 * np.moveaxis(np.eye(4)[each], 3, 0) + 0.1 for each in (labels, moved, labels, moved)]
    unsure = checked(score, soft)
    assert sure is not None
    assert unsure is not None
    assert sure < unsure


@every_score
def test_unsure_answers_that_disagree_score_higher(score: type[SampledScore]) -> None:
    sure = checked(score, [cube(0.98, 0.02)] * 4)
    unsure = checked(score, [cube(0.7, 0.3, shift) for shift in (0, 1, 2, 3)])
    assert sure is not None
    assert unsure is not None
    assert unsure > sure


@every_score
def test_the_further_members_lie_apart_the_higher(score: type[SampledScore]) -> None:
    if score.source in ONE_ANSWER:
        values = [checked(score, [cube(0.5 + c, 0.5 - c)]) for c in (0.49, 0.3, 0.1)]  # one answer: its own doubt
    else:
        values = [checked(score, [cube(0.95, 0.05, shift * far) for shift in (0, 1, 2)]) for far in (0, 1, 2)]
    assert None not in values
    assert values[0] < values[1] < values[2]


@every_score
@pytest.mark.parametrize("classes", [2, 4])
def test_the_order_of_the_answers_does_not_matter(score: type[SampledScore], classes: int) -> None:
    if score.source in ONE_ANSWER:
        assert fewest(score) == 1  # one answer has one order
        return
    soft = drawn(classes, 3, (8, 9, 10), seed=4)
    values = [checked(score, [soft[i] for i in order]) for order in permutations(range(3))]
    assert values == pytest.approx([values[0]] * 6, rel=1e-5)


@every_score
def test_flipping_the_image_changes_nothing(score: type[SampledScore]) -> None:
    soft = drawn(2, 3, (8, 9, 10), seed=5)
    values = [checked(score, [np.flip(each, axes) for each in soft]) for axes in ((), (0,), (1,), (2,))]
    assert values == pytest.approx([values[0]] * 4, rel=1e-5)


@every_score
@pytest.mark.parametrize("classes", [2, 3])
def test_never_changes_what_it_reads(score: type[SampledScore], classes: int) -> None:
    soft = [each.astype(np.float32) for each in drawn(classes, 3, (7, 8, 9), seed=6)]
    before = [each.copy() for each in soft]
    for each in soft:
        each.flags.writeable = False
    checked(score, soft)
    np.testing.assert_array_equal(soft, before)


@every_score
def test_takes_the_answers_once_and_lets_go_of_each(score: type[SampledScore]) -> None:
    alive: list[weakref.ref[Any]] = []
    most = 0

    def answers() -> Iterator[Segmentation]:
        nonlocal most
        for each in drawn(2, 6, (6, 7, 8), seed=7):
            new = answer(each)
            alive.append(weakref.ref(new))
            yield new
            del new
            most = max(most, sum(reference() is not None for reference in alive))

    score().compute(answers())
    assert most <= 1  # the last one, which the loop still names while it asks for the next
    assert len(alive) == (1 if score.source in ONE_ANSWER else 6)


@every_score
def test_answers_on_different_grids_are_refused(score: type[SampledScore]) -> None:
    if score.source in ONE_ANSWER:
        assert fewest(score) == 1  # whatever its passes, one answer: there is nothing to compare it with
        return
    with pytest.raises(GeometryMismatch):
        checked(score, [np.full((4, 4, 4), 0.6), np.full((4, 4, 5), 0.6)])
