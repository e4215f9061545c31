"""A small network that regresses the Dice."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from hospital_agent.analysis.quality import quality_models
from hospital_agent.analysis.quality.estimator import Regressor, finite
from hospital_agent.analysis.quality.inputs import Float64Array
from hospital_agent.analysis.quality.viewed import ViewedQualityModel

HIDDEN = (50, 100, 100, 50)
EPOCHS = 200


@dataclass(frozen=True, eq=False)
class Perceptron(Regressor):
    """Fully connected layers with ReLU between them; the last gives the Dice.

    Args:
        weights: one (inputs, outputs) a layer.
        biases: one (outputs,) a layer.
    """

    part: ClassVar[str] = "mlp"

    weights: tuple[Float64Array, ...]
    biases: tuple[Float64Array, ...]

    @classmethod
    def fit(cls, columns: Float64Array, dice: Float64Array, seed: int) -> Self:
        """200 epochs of Adam on the squared error, as the paper: not until convergence, so nothing is made of that."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = MLPRegressor(hidden_layer_sizes=HIDDEN, max_iter=EPOCHS, random_state=seed).fit(columns, dice)
        return cls(tuple(fitted.coefs_), tuple(fitted.intercepts_))

    def dice(self, columns: Float64Array) -> Float64Array:
        """(N,) predicted Dice, not yet cut off."""
        values = columns
        for weights, biases in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values = np.maximum(values @ weights + biases, 0.0)
        last: Float64Array = (values @ self.weights[-1] + self.biases[-1])[:, 0]
        return last

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {"weights": [w.tolist() for w in self.weights], "biases": [b.tolist() for b in self.biases]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], columns: int) -> Self:
        """The network again; a wrong shape raises KeyError, TypeError or ValueError."""
        widths = [columns, *(len(biases) for biases in data["biases"])]
        if len(widths) < 2 or widths[-1] != 1 or len(data["weights"]) != len(widths) - 1:
            raise ValueError("The layers of a network are damaged.")
        shapes = pairwise(widths)
        return cls(
            tuple(finite(layer, shape) for layer, shape in zip(data["weights"], shapes, strict=True)),
            tuple(finite(layer, (-1,)) for layer in data["biases"]),
        )


@quality_models.register("mlp")
class MlpQualityModel(ViewedQualityModel):
    """Predicts Dice by a network of four hidden layers on standardised inputs.

    It has thousands of weights and training has tens of patients; it stands here to be compared with.

    Source:
        González et al., "Quality monitoring of federated Covid-19 lesion segmentation", 2021, "MLP". Differs: the
        inputs, a fixed seed, and a flag from a calibrated probability instead of a predicted Dice below 0.6.
    """

    kind = "mlp"
    estimator = Perceptron
