"""The heir of the linear quality models: boosted trees on features, confidences and feature-space scores."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from hospital_agent.analysis.quality import quality_models
from hospital_agent.analysis.quality.estimator import Regressor
from hospital_agent.analysis.quality.inputs import Float64Array
from hospital_agent.analysis.quality.trees import TreeEnsemble
from hospital_agent.analysis.quality.viewed import ViewedQualityModel

TREES, STEP, DEPTH, LEAF_CASES, SHARE_OF_CASES, SHARE_OF_COLUMNS = 100, 0.08, 3, 5, 0.7, 0.5


@dataclass(frozen=True, eq=False)
class Forest(Regressor):
    """Dice as a sum of small trees, kept as the mean of as many that are each the whole answer of one step."""

    part: ClassVar[str] = "forest"

    trees: TreeEnsemble

    @classmethod
    def fit(cls, columns: Float64Array, dice: Float64Array, seed: int) -> Self:
        """Gradient boosting of the squared error: each tree learns from 70 % of the cases what the others left."""
        from sklearn import config_context
        from sklearn.ensemble import GradientBoostingRegressor

        with config_context(skip_parameter_validation=True):  # every tree would check the same constants again
            fitted = GradientBoostingRegressor(
                n_estimators=TREES,
                learning_rate=STEP,
                max_depth=DEPTH,
                min_samples_leaf=LEAF_CASES,
                subsample=SHARE_OF_CASES,
                max_features=SHARE_OF_COLUMNS,
                random_state=seed,
            ).fit(columns, dice)
        trees = TreeEnsemble.of(fitted.estimators_[:, 0])
        return cls(replace(trees, value=float(dice.mean()) + STEP * TREES * trees.value))

    def dice(self, columns: Float64Array) -> Float64Array:
        """(N,) predicted Dice, not yet cut off; it does not extrapolate."""
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
    """Predicts Dice by gradient-boosted trees on standardised inputs.

    Boosting and not a random forest, because `benchmarks/quality_models.py` finds it better on patients not seen, few
    or many: in AUROC, mean error, sensitivity at the wanted specificity and width of the interval. Averaged deep trees
    are pulled to the mean where cases are few.
    Where Dice is near linear in the scores the linear kinds are better still.

    Source:
        Zenk et al., "Comparative benchmarking of failure detection methods in medical image segmentation", 2025, find
        a random forest on a handful of cheap features close to learned quality regression. Differs: boosting, inputs.
    """

    kind = "forest"
    estimator = Forest
