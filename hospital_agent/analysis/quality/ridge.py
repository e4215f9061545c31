"""Ridge regression of the Dice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from hospital_agent.analysis.quality import quality_models
from hospital_agent.analysis.quality.estimator import Regressor, finite
from hospital_agent.analysis.quality.inputs import Float64Array
from hospital_agent.analysis.quality.viewed import ViewedQualityModel


@dataclass(frozen=True, eq=False)
class RidgeLine(Regressor):
    """Dice as a straight line in the columns.

    Args:
        weights: (C,).
        intercept: the Dice at the training mean.
    """

    part: ClassVar[str] = "ridge"

    weights: Float64Array
    intercept: float

    @classmethod
    def fit(cls, columns: Float64Array, dice: Float64Array, seed: int) -> Self:  # noqa: ARG003 - nothing is drawn
        """scikit-learn's default: squared error plus 1.0 times the squared weights."""
        from sklearn.linear_model import Ridge

        fitted = Ridge().fit(columns, dice)
        return cls(fitted.coef_, float(fitted.intercept_))

    def dice(self, columns: Float64Array) -> Float64Array:
        """(N,) predicted Dice, not yet cut off."""
        line: Float64Array = columns @ self.weights + self.intercept
        return line

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {"weights": self.weights.tolist(), "intercept": self.intercept}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], columns: int) -> Self:
        """The line again; a wrong shape raises KeyError, TypeError or ValueError."""
        return cls(finite(data["weights"], (columns,)), float(finite(data["intercept"], ())))


@quality_models.register("ridge")
class RidgeQualityModel(ViewedQualityModel):
    """Predicts Dice by ridge regression on standardised inputs.

    Few parameters and a small mean error; most training masks are good, though, and squared error pulls the line
    towards them, so that failures elsewhere are found late. The flag therefore has a threshold of its own.

    Source:
        González et al., "Quality monitoring of federated Covid-19 lesion segmentation", 2021, "RR". Differs: the
        inputs, and a flag from a calibrated probability instead of a predicted Dice below 0.6.
    """

    kind = "ridge"
    estimator = RidgeLine
