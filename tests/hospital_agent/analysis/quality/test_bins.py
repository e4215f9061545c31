"""Five bins of Dice, against paper and against scikit-learn."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.quality.bins import BinModel, bins_of


def model(weights: list[list[float]], intercepts: list[float], bins: list[int]) -> BinModel:
    share = np.full(len(bins), 1 / len(bins))
    return BinModel(np.array(bins), share, np.array(weights, dtype=float), np.array(intercepts, dtype=float))


def test_edges_belong_to_the_upper_bin_and_sixty_percent_has_not_failed() -> None:
    assert bins_of(np.array([0, 0.199, 0.2, 0.4, 0.599, 0.6, 0.8, 1.0])).tolist() == [0, 0, 1, 2, 2, 3, 4, 4]


def test_expectation_over_bin_centres_on_paper() -> None:
    even = model([[0.0]] * 5, [0.0] * 5, [0, 1, 2, 3, 4])
    mean, deviation = even.expected_dice(np.zeros((1, 1)))
    assert mean[0] == pytest.approx(0.5)
    assert deviation[0] == pytest.approx(np.sqrt(1 / 12))  # uniform over [0, 1]
    assert even.failure_log_odds(np.zeros((1, 1)))[0] == pytest.approx(np.log(3 / 2))


def test_frequencies_of_training_come_back_into_the_expectation() -> None:
    rare = BinModel(np.array([0, 4]), np.array([0.1, 0.9]), np.zeros((2, 1)), np.zeros(2))
    assert rare.expected_dice(np.zeros((1, 1)))[0][0] == pytest.approx(0.1 * 0.1 + 0.9 * 0.9)
    assert rare.failure_log_odds(np.zeros((1, 1)))[0] == 0.0  # balanced: calibration comes later


def test_agrees_with_the_probabilities_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    columns = rng.normal(size=(200, 3))
    bins = np.clip((columns @ [1, -0.5, 0.2] + 2 + 0.3 * rng.normal(size=200)).astype(int), 0, 4)
    fitted = LogisticRegression(class_weight="balanced", max_iter=1000).fit(columns, bins)
    ours = BinModel(
        fitted.classes_, np.full(fitted.classes_.size, 1 / fitted.classes_.size), fitted.coef_, fitted.intercept_
    )
    np.testing.assert_allclose(ours.probabilities(columns), fitted.predict_proba(columns), atol=1e-12)
    np.testing.assert_array_equal(ours.likeliest_bin(columns), fitted.predict(columns))
    failed = fitted.predict_proba(columns)[:, fitted.classes_ < 3].sum(axis=1)
    np.testing.assert_allclose(ours.failure_log_odds(columns), np.log(failed / (1 - failed)), atol=1e-9)


@given(seed=st.integers(0, 999), size=st.floats(0, 5))
@settings(max_examples=60, deadline=None)
def test_contributions_add_up_to_the_log_odds(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    fitted = model(rng.normal(size=(5, 6)).tolist(), rng.normal(size=5).tolist(), [0, 1, 2, 3, 4])
    case = np.clip(size * rng.normal(size=6), -5, 5)
    with_case, without = fitted.failure_log_odds(np.stack([case, np.zeros(6)]))
    assert fitted.contributions(case).sum() == pytest.approx(with_case - without, abs=1e-3)


def test_contributions_of_two_bins_are_the_coefficients() -> None:
    fitted = model([[0.0, 0.0], [2.0, -3.0]], [0.0, 0.5], [1, 4])
    np.testing.assert_allclose(fitted.contributions(np.array([1.0, 1.0])), [-2.0, 3.0])


def test_survives_json_and_refuses_coefficients_of_other_inputs() -> None:
    fitted = model([[0.1, 0.2], [0.3, 0.4]], [0.5, 0.6], [1, 4])
    data = json.loads(json.dumps(fitted.to_json()))
    again = BinModel.from_json(data, columns=2)
    np.testing.assert_array_equal(again.weights, fitted.weights)
    with pytest.raises(ValueError, match="coefficients"):
        BinModel.from_json(data, columns=3)
