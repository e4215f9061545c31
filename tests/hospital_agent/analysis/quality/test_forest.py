"""The boosted trees, against scikit-learn, and what makes them the heir."""

import json

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor

from hospital_agent.analysis.quality.forest import (
    DEPTH,
    LEAF_CASES,
    SHARE_OF_CASES,
    SHARE_OF_COLUMNS,
    STEP,
    TREES,
    Forest,
)
from hospital_agent.analysis.quality.ridge import RidgeLine
from tests.quality_cases import columns_and_dice

COLUMNS, DICE = columns_and_dice(cases=300)
NEW, TRUTH = columns_and_dice(cases=300, seed=1)


@pytest.fixture(scope="module")
def forest() -> Forest:
    return Forest.from_json(json.loads(json.dumps(Forest.fit(COLUMNS, DICE, 3).to_json())), 4)


def test_says_what_scikit_learn_says_also_after_json(forest: Forest) -> None:
    theirs = GradientBoostingRegressor(
        n_estimators=TREES,
        learning_rate=STEP,
        max_depth=DEPTH,
        min_samples_leaf=LEAF_CASES,
        subsample=SHARE_OF_CASES,
        max_features=SHARE_OF_COLUMNS,
        random_state=3,
    ).fit(COLUMNS, DICE)
    np.testing.assert_allclose(forest.dice(NEW), theirs.predict(NEW), atol=1e-12)


def test_follows_what_a_line_cannot(forest: Forest) -> None:
    bent, _ = columns_and_dice(cases=300)
    dip = np.where(np.abs(bent[:, 0]) < 0.7, 0.3, 0.9)  # bad in the middle, good on both sides
    tried = np.where(np.abs(NEW[:, 0]) < 0.7, 0.3, 0.9)
    of_trees, of_line = Forest.fit(bent, dip, 0).dice(NEW), RidgeLine.fit(bent, dip, 0).dice(NEW)
    assert np.abs(of_trees - tried).mean() < 0.5 * np.abs(of_line - tried).mean()


def test_does_not_extrapolate(forest: Forest) -> None:
    np.testing.assert_array_equal(forest.dice(100 * np.sign(NEW)), forest.dice(1000 * np.sign(NEW)))


def test_contributions_sum_to_the_difference(forest: Forest) -> None:
    told = forest.failure_log_odds(np.stack([NEW[3], np.zeros(4)]))
    assert forest.contributions(NEW[3]).sum() == pytest.approx(told[0] - told[1])
