"""The heir of the linear quality models: a random forest on features, confidences and feature-space scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from hospital_agent.analysis.quality import quality_models
from hospital_agent.analysis.quality.estimator import Regressor
from hospital_agent.analysis.quality.inputs import Float64Array
from hospital_agent.analysis.quality.trees import TreeEnsemble
from hospital_agent.analysis.quality.viewed import ViewedQualityModel

TREES, LEAF_CASES, SHARE_OF_COLUMNS = 100, 5, 1 / 3


@dataclass(frozen=True, eq=False)
class Forest(Regressor):
    """Dice as the mean over randomised trees."""

    part: ClassVar[str] = "forest"

    trees: TreeEnsemble

    @classmethod
    def fit(cls, columns: Float64Array, dice: Float64Array, seed: int) -> Self:
        """100 trees on bootstrapped cases, a third of the columns at a split, at least five cases a leaf."""
        from sklearn.ensemble import RandomForestRegressor

        fitted = RandomForestRegressor(
            TREES, min_samples_leaf=LEAF_CASES, max_features=SHARE_OF_COLUMNS, random_state=seed
        ).fit(columns, dice)
        return cls(TreeEnsemble.of(fitted.estimators_))

    def dice(self, columns: Float64Array) -> Float64Array:
        """(N,) predicted Dice; within the range of training by construction."""
        return self.trees.predict(columns)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return self.trees.to_json()

    @classmethod
    def from_json(cls, data: Mapping[str, Any], columns: int) -> Self:
        """The forest again; a wrong shape raises KeyError, TypeError or ValueError."""
        return cls(TreeEnsemble.from_json(data, columns))


@quality_models.register("forest")
class ForestQualityModel(ViewedQualityModel):
    """Predicts Dice by a random forest on standardised inputs.

    Source:
        Zenk et al., "Comparative benchmarking of failure detection methods in medical image segmentation", 2025, find
        a random forest on a handful of cheap features close to learned quality regression. Differs: the inputs.
    """

    kind = "forest"
    estimator = Forest
