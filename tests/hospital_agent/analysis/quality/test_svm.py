"""The support vector machine over bins, against scikit-learn."""

import json

import numpy as np
import pytest
from sklearn.svm import SVC

from hospital_agent.analysis.quality.bins import bins_of
from hospital_agent.analysis.quality.svm import SupportVectorMachine
from tests.quality_cases import columns_and_dice

COLUMNS, DICE = columns_and_dice()
NEW = columns_and_dice(seed=1)[0]


def again(fitted: SupportVectorMachine) -> SupportVectorMachine:
    return SupportVectorMachine.from_json(json.loads(json.dumps(fitted.to_json())), 4)


@pytest.mark.parametrize("kinds", [5, 3, 2])
def test_says_what_scikit_learn_says_also_after_json(kinds: int) -> None:
    dice = {5: DICE, 3: np.where(DICE < 0.4, 0.3, np.where(DICE < 0.7, 0.5, 0.9)), 2: np.where(DICE < 0.6, 0.3, 0.9)}
    ours = again(SupportVectorMachine.fit(COLUMNS, dice[kinds], 0))
    theirs = SVC(class_weight="balanced", decision_function_shape="ovo").fit(COLUMNS, bins_of(dice[kinds]))
    assert ours.bins.size == kinds
    decisions = theirs.decision_function(NEW).reshape(len(NEW), -1) * (-1 if kinds == 2 else 1)
    np.testing.assert_allclose(ours.decisions(NEW), decisions, atol=1e-12)
    np.testing.assert_array_equal(ours.likeliest_bin(NEW), theirs.predict(NEW))


def test_predicts_bin_centres_and_ranks_smoothly() -> None:
    ours = SupportVectorMachine.fit(COLUMNS, DICE, 0)
    assert set(np.round(ours.expected_dice(NEW)[0], 12)) <= {0.1, 0.3, 0.5, 0.7, 0.9}
    assert np.unique(ours.failure_log_odds(NEW)).size == len(NEW)
    truth = columns_and_dice(seed=1)[1]
    assert np.corrcoef(ours.failure_log_odds(NEW), truth)[0, 1] < -0.8


def test_contributions_sum_to_the_difference() -> None:
    ours, case = SupportVectorMachine.fit(COLUMNS, DICE, 0), NEW[3]
    told = ours.failure_log_odds(np.stack([case, np.zeros(4)]))
    assert ours.contributions(case).sum() == pytest.approx(told[0] - told[1])


@pytest.mark.parametrize("wrong", [{"bins": [0, 1]}, {"bins": [4, 0]}, {"bins": [0, 7]}, {"intercepts": []}])
def test_damage_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"machine|fit its inputs"):
        SupportVectorMachine.from_json(SupportVectorMachine.fit(COLUMNS, DICE, 0).to_json() | wrong, 4)
