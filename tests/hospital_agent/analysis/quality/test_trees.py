"""Trees as arrays: on paper, and the same numbers as scikit-learn."""

import json

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from hospital_agent.analysis.quality.trees import TreeEnsemble
from tests.quality_cases import columns_and_dice


def one_split() -> TreeEnsemble:
    """x0 <= 0.5 -> 1, else 3; and a second tree that is one leaf of 10."""
    return TreeEnsemble.from_json(
        {
            "roots": [0, 3],
            "feature": [0, -1, -1, -1],
            "threshold": [0.5, 0, 0, 0],
            "left": [1, -1, -1, -1],
            "right": [2, -1, -1, -1],
            "value": [2, 1, 3, 10],
        },
        columns=1,
    )


def test_walks_on_paper() -> None:
    np.testing.assert_array_equal(one_split().predict(np.array([[0.0], [0.5], [0.6]])), [5.5, 5.5, 6.5])


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_says_what_scikit_learn_says_also_after_json(kind: type) -> None:
    columns, dice = columns_and_dice()
    fitted = kind(20, min_samples_leaf=3, random_state=0).fit(columns, dice)
    trees = TreeEnsemble.of(fitted.estimators_)
    again = TreeEnsemble.from_json(json.loads(json.dumps(trees.to_json())), columns=4)
    new = np.vstack([columns_and_dice(seed=1)[0], columns])  # training cases lie near thresholds
    np.testing.assert_allclose(trees.predict(new), fitted.predict(new), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(again.predict(new), trees.predict(new))


@pytest.mark.parametrize(
    "wrong",
    [
        {"left": [0, -1, -1, -1]},  # its own child: the walk would never end
        {"right": [4, -1, -1, -1]},
        {"feature": [1, -1, -1, -1]},
        {"roots": []},
        {"roots": [4]},
        {"value": [2, 1, 3]},
        {"value": [2, 1, 3, float("nan")]},
    ],
)
def test_damaged_trees_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="tree"):
        TreeEnsemble.from_json(one_split().to_json() | wrong, columns=1)
