"""Ridge regression, against scikit-learn."""

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from hospital_agent.analysis.quality.ridge import RidgeLine
from tests.quality_cases import columns_and_dice

COLUMNS, DICE = columns_and_dice()


def test_says_what_scikit_learn_says_also_after_json() -> None:
    ours = RidgeLine.from_json(json.loads(json.dumps(RidgeLine.fit(COLUMNS, DICE, 0).to_json())), 4)
    new = columns_and_dice(seed=1)[0]
    np.testing.assert_allclose(ours.dice(new), Ridge().fit(COLUMNS, DICE).predict(new), atol=1e-12)


def test_dice_is_cut_off_and_the_ranking_is_not() -> None:
    steep = RidgeLine(np.array([-1.0]), 0.5)
    columns = np.array([[-2.0], [0.0], [2.0], [3.0]])
    assert steep.expected_dice(columns)[0].tolist() == [1.0, 0.5, 0.0, 0.0]
    np.testing.assert_allclose(steep.failure_log_odds(columns), [-1.9, 0.1, 2.1, 3.1])
    assert steep.likeliest_bin(columns).tolist() == [4, 2, 0, 0]


def test_contributions_are_those_of_a_line() -> None:
    line = RidgeLine(np.array([0.2, -0.1]), 0.7)
    np.testing.assert_allclose(line.contributions(np.array([1.0, 3.0])), [-0.2, 0.3], atol=1e-12)


@pytest.mark.parametrize("wrong", [{"weights": [1.0]}, {"intercept": None}, {"weights": [float("inf")] * 4}])
def test_damage_is_refused(wrong: dict) -> None:
    with pytest.raises((TypeError, ValueError)):
        RidgeLine.from_json(RidgeLine.fit(COLUMNS, DICE, 0).to_json() | wrong, 4)
