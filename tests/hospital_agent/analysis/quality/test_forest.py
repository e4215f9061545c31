"""The forest, against scikit-learn, and what makes it the heir."""

import json

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from hospital_agent.analysis.quality.forest import LEAF_CASES, SHARE_OF_COLUMNS, TREES, Forest
from hospital_agent.analysis.quality.ridge import RidgeLine
from tests.quality_cases import columns_and_dice

COLUMNS, DICE = columns_and_dice(cases=300)
NEW, TRUTH = columns_and_dice(cases=300, seed=1)


@pytest.fixture(scope="module")
def forest() -> Forest:
    return Forest.from_json(json.loads(json.dumps(Forest.fit(COLUMNS, DICE, 3).to_json())), 4)


def test_says_what_scikit_learn_says_also_after_json(forest: Forest) -> None:
    told = {"min_samples_leaf": LEAF_CASES, "max_features": SHARE_OF_COLUMNS, "random_state": 3}
    np.testing.assert_allclose(
        forest.dice(NEW), RandomForestRegressor(TREES, **told).fit(COLUMNS, DICE).predict(NEW), atol=1e-12
    )


def test_follows_what_a_line_cannot(forest: Forest) -> None:
    bent, _ = columns_and_dice(cases=300)
    dip = np.where(np.abs(bent[:, 0]) < 0.7, 0.3, 0.9)  # bad in the middle, good on both sides
    tried = np.where(np.abs(NEW[:, 0]) < 0.7, 0.3, 0.9)
    of_trees, of_line = Forest.fit(bent, dip, 0).dice(NEW), RidgeLine.fit(bent, dip, 0).dice(NEW)
    assert np.abs(of_trees - tried).mean() < 0.5 * np.abs(of_line - tried).mean()


def test_never_leaves_the_range_of_training(forest: Forest) -> None:
    far = forest.dice(100 * NEW)
    assert DICE.min() <= far.min() <= far.max() <= DICE.max()


def test_contributions_sum_to_the_difference(forest: Forest) -> None:
    told = forest.failure_log_odds(np.stack([NEW[3], np.zeros(4)]))
    assert forest.contributions(NEW[3]).sum() == pytest.approx(told[0] - told[1])
