"""Disagreement of masks, on paper and against Dice voxel by voxel."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty.pairwise_dice import PairwiseDiceDropout, PairwiseDiceEnsemble
from tests.patches import multi_class, segmentation_of


def masks(*rows: list[int]) -> list[Segmentation]:
    return [segmentation_of(np.array([[row]], dtype=np.float32)) for row in rows]


def labelled(labels: np.ndarray, classes: int) -> Segmentation:
    return multi_class(np.moveaxis(np.eye(classes)[labels], -1, 0))


@pytest.mark.parametrize("score", [PairwiseDiceEnsemble, PairwiseDiceDropout])
def test_three_members_on_paper(score: type) -> None:
    members = masks([1, 1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 1])
    assert score().compute(members) == pytest.approx(1 - (2 * 2 / 6 + 0 + 0) / 3)


def test_empty_masks_agree_and_one_that_is_not_disagrees() -> None:
    score = PairwiseDiceEnsemble()
    assert score.compute(masks([0, 0], [0, 0])) == 0
    assert score.compute(masks([0, 0], [0, 1])) == 1
    assert score.compute(masks([0, 0], [0, 0], [0, 1])) == pytest.approx(1 - 1 / 3)


def test_a_label_that_nobody_predicts_agrees() -> None:
    one, other = np.array([[[1, 1, 0, 0]]]), np.array([[[1, 0, 0, 0]]])
    dice = 2 * 1 / 3
    assert PairwiseDiceEnsemble().compute([labelled(one, 4), labelled(other, 4)]) == pytest.approx(1 - (dice + 2) / 3)
    # Where no probabilities tell of more labels, there are those that are seen.
    told = [replace(labelled(each, 4), class_probabilities=None) for each in (one, other)]
    assert PairwiseDiceEnsemble().compute(told) == pytest.approx(1 - dice)


@given(
    members=st.integers(2, 5),
    classes=st.integers(3, 5),
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    seed=st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_many_labels_against_a_loop(members: int, classes: int, shape: tuple[int, int, int], seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, classes, size=(members, *shape))
    dices = []
    for one, other in combinations(labels, 2):
        for label in range(1, classes):
            a, b = set(np.flatnonzero(one == label)), set(np.flatnonzero(other == label))
            dices.append(2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0)
    found = PairwiseDiceEnsemble().compute([labelled(each, classes) for each in labels])
    assert found == pytest.approx(1 - np.mean(dices))
