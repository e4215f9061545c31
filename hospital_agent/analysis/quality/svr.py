"""Support vector regression of the Dice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from hospital_agent.analysis.quality import quality_models
from hospital_agent.analysis.quality.estimator import Regressor, finite
from hospital_agent.analysis.quality.inputs import Float64Array
from hospital_agent.analysis.quality.kernel import gaussian_kernel, scale_gamma
from hospital_agent.analysis.quality.viewed import ViewedQualityModel


@dataclass(frozen=True, eq=False)
class SupportVectorRegression(Regressor):
    """Dice as a weighted sum of Gaussian kernels around training cases.

    Args:
        vectors: (S, C) support vectors.
        weights: (S,) their dual coefficients.
        intercept: what is added.
        gamma: of the kernel, > 0.
    """

    part: ClassVar[str] = "svr"

    vectors: Float64Array
    weights: Float64Array
    intercept: float
    gamma: float

    @classmethod
    def fit(cls, columns: Float64Array, dice: Float64Array, seed: int) -> Self:  # noqa: ARG003 - nothing is drawn
        """scikit-learn's defaults: C = 1, a tube of 0.1 Dice that costs nothing, until convergence."""
        from sklearn.svm import SVR

        gamma = scale_gamma(columns)
        fitted = SVR(gamma=gamma).fit(columns, dice)
        return cls(fitted.support_vectors_, fitted.dual_coef_[0], float(fitted.intercept_[0]), gamma)

    def dice(self, columns: Float64Array) -> Float64Array:
        """(N,) predicted Dice, not yet cut off."""
        answer: Float64Array = gaussian_kernel(columns, self.vectors, self.gamma) @ self.weights + self.intercept
        return answer

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "vectors": self.vectors.tolist(),
            "weights": self.weights.tolist(),
            "intercept": self.intercept,
            "gamma": self.gamma,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], columns: int) -> Self:
        """The function again; a wrong shape raises KeyError, TypeError or ValueError."""
        vectors = finite(data["vectors"], (-1, columns))
        weights = finite(data["weights"], (len(vectors),))
        return cls(vectors, weights, float(finite(data["intercept"], ())), float(finite(data["gamma"], ())))


@quality_models.register("svr")
class SvrQualityModel(ViewedQualityModel):
    """Predicts Dice by support vector regression with a Gaussian kernel, on standardised inputs.

    Far from every training case it answers with its intercept: it does not extrapolate.

    Source:
        González et al., "Quality monitoring of federated Covid-19 lesion segmentation", 2021, "SVR". Differs: the
        inputs, and a flag from a calibrated probability instead of a predicted Dice below 0.6.
    """

    kind = "svr"
    estimator = SupportVectorRegression
