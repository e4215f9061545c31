"""The network that regresses Dice, against scikit-learn and on paper."""

import json
import warnings

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from hospital_agent.analysis.quality.mlp import Perceptron
from tests.quality_cases import columns_and_dice

COLUMNS, DICE = columns_and_dice(cases=60)


@pytest.fixture(scope="module")
def network() -> Perceptron:
    return Perceptron.from_json(json.loads(json.dumps(Perceptron.fit(COLUMNS, DICE, 3).to_json())), 4)


def test_says_what_scikit_learn_says_also_after_json(network: Perceptron) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = MLPRegressor(hidden_layer_sizes=(50, 100, 100, 50), max_iter=200, random_state=3).fit(COLUMNS, DICE)
    new = columns_and_dice(seed=1)[0]
    np.testing.assert_allclose(network.dice(new), theirs.predict(new), atol=1e-12)
    assert [layer.shape[1] for layer in network.weights] == [50, 100, 100, 50, 1]


def test_two_layers_on_paper() -> None:
    network = Perceptron((np.array([[1.0, -1.0]]), np.array([[2.0], [1.0]])), (np.array([0.0, 1.0]), np.array([0.5])))
    np.testing.assert_allclose(network.dice(np.array([[2.0], [-2.0]])), [2 * 2 + 0.5, 3 + 0.5])


def test_contributions_sum_to_the_difference(network: Perceptron) -> None:
    told = network.failure_log_odds(np.stack([COLUMNS[3], np.zeros(4)]))
    assert network.contributions(COLUMNS[3]).sum() == pytest.approx(told[0] - told[1])


def test_damage_is_refused(network: Perceptron) -> None:
    whole = network.to_json()
    for wrong in ({"biases": []}, {"weights": whole["weights"][:-1]}, {"biases": whole["biases"][:-1]}):
        with pytest.raises(ValueError, match=r"network|fit its inputs"):
            Perceptron.from_json(whole | wrong, 4)
