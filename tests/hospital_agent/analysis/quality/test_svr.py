"""Support vector regression, against scikit-learn."""

import json

import numpy as np
import pytest
from sklearn.svm import SVR

from hospital_agent.analysis.quality.svr import SupportVectorRegression
from tests.quality_cases import columns_and_dice

COLUMNS, DICE = columns_and_dice()


def again(fitted: SupportVectorRegression) -> SupportVectorRegression:
    return SupportVectorRegression.from_json(json.loads(json.dumps(fitted.to_json())), 4)


def test_says_what_scikit_learn_says_also_after_json() -> None:
    ours = again(SupportVectorRegression.fit(COLUMNS, DICE, 0))
    new = columns_and_dice(seed=1)[0]
    np.testing.assert_allclose(ours.dice(new), SVR().fit(COLUMNS, DICE).predict(new), atol=1e-12)


def test_far_from_training_it_answers_with_its_intercept() -> None:
    ours = SupportVectorRegression.fit(COLUMNS, DICE, 0)
    assert ours.dice(np.full((1, 4), 100.0))[0] == pytest.approx(ours.intercept)


def test_a_tube_that_holds_every_case_needs_no_vector() -> None:
    ours = again(SupportVectorRegression.fit(COLUMNS, np.where(DICE < 0.6, 0.57, 0.63), 0))
    assert ours.vectors.shape == (0, 4)
    assert ours.dice(COLUMNS[:2]) == pytest.approx([0.6, 0.6], abs=0.05)


def test_contributions_sum_to_the_difference() -> None:
    ours, case = SupportVectorRegression.fit(COLUMNS, DICE, 0), COLUMNS[3]
    told = ours.failure_log_odds(np.stack([case, np.zeros(4)]))
    assert ours.contributions(case).sum() == pytest.approx(told[0] - told[1])


def test_damage_is_refused() -> None:
    with pytest.raises(ValueError, match="fit its inputs"):
        SupportVectorRegression.from_json(SupportVectorRegression.fit(COLUMNS, DICE, 0).to_json() | {"weights": []}, 4)
