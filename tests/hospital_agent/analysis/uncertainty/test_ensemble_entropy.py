"""Entropy of the mean of members: of the whole image, and of the foreground as the 2022 paper takes it."""

import numpy as np
import pytest
from scipy.stats import entropy

from hospital_agent.analysis.uncertainty.ensemble_entropy import EnsembleEntropy
from hospital_agent.analysis.uncertainty.foreground_entropy import UncDropout, UncEnsemble
from hospital_agent.analysis.uncertainty.mean_entropy import MeanEntropy
from tests.patches import multi_class, segmentation_of


def test_members_that_are_sure_of_different_things_are_unsure_together() -> None:
    one, other = np.zeros((1, 1, 4), dtype=np.float32), np.zeros((1, 1, 4), dtype=np.float32)
    one[..., :2] = other[..., 1:3] = 1  # they agree on voxels 1 and 3, and differ on 0 and 2
    members = [segmentation_of(one), segmentation_of(other)]
    assert [MeanEntropy().compute(each) for each in members] == [0, 0]
    assert EnsembleEntropy().compute(members) == pytest.approx(2 / 4)


@pytest.mark.parametrize("score", [UncDropout, UncEnsemble])
def test_over_the_foreground_of_the_mean_on_paper(score: type) -> None:
    rows = [[0.9, 0.6, 0.1, 0.5], [0.7, 0.9, 0.3, 0.4]]
    members = [segmentation_of(np.array([[row]], dtype=np.float32)) for row in rows]
    foreground = entropy([[0.8, 0.75], [0.2, 0.25]], base=2, axis=0)  # voxels 0 and 1 of the mean
    assert score().compute(members) == pytest.approx(foreground.mean(), rel=1e-5)


@pytest.mark.parametrize("score", [UncDropout, UncEnsemble])
def test_no_foreground_has_no_value(score: type) -> None:
    assert score().compute([segmentation_of(np.full((2, 2, 2), 0.4, dtype=np.float32))] * 2) is None


def test_several_classes_against_scipy() -> None:
    soft = np.random.default_rng(2).dirichlet(np.ones(3), size=(5, 6, 7, 8)).astype(np.float32).transpose(0, 4, 1, 2, 3)
    mean = soft.astype(float).mean(axis=0)
    map_, found = entropy(mean, base=3, axis=0), mean.argmax(axis=0) > 0
    members = [multi_class(each) for each in soft]
    assert EnsembleEntropy().compute(members) == pytest.approx(map_.mean(), rel=1e-5)
    assert UncEnsemble().compute(members) == pytest.approx(map_[found].mean(), rel=1e-5)


def test_one_member_without_probabilities_leaves_nothing_to_say() -> None:
    known = segmentation_of(np.full((4, 4, 4), 0.4, dtype=np.float32))
    assert EnsembleEntropy().compute([known, segmentation_of(None), known]) is None
