"""Five bins of Dice, and a linear model of which bin a case falls into."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.quality import FAILED_BELOW_DICE
from hospital_agent.analysis.quality.inputs import Float64Array

BIN_COUNT = 5
BIN_WIDTH = 1 / BIN_COUNT
FAILED_BINS = round(FAILED_BELOW_DICE / BIN_WIDTH)  # bins 0, 1, 2 lie below 0.6
STEPS = 64  # along the path from the training mean to a case


def bins_of(dice: Float64Array) -> NDArray[np.int64]:
    """Bin 0 ... 4 of each Dice: [0, 0.2), ..., [0.8, 1]."""
    edges = np.arange(1, BIN_COUNT) / BIN_COUNT
    return np.searchsorted(edges, dice, side="right").astype(np.int64)


@dataclass(frozen=True, eq=False)
class BinModel:
    """Multinomial logistic regression over the bins that training held, on standardised columns.

    It is trained with balanced classes, so that rare bins are learned; its answers are therefore those of a stream
    in which all bins are equally frequent. `expected_dice` puts the frequencies of training back.

    Args:
        bins: (K,) the bins that occurred, ascending.
        frequencies: (K,) their share of the training cases, summing to 1.
        weights: (K, C).
        intercepts: (K,).
    """

    part: ClassVar[str] = "bins"

    bins: NDArray[np.int64]
    frequencies: Float64Array
    weights: Float64Array
    intercepts: Float64Array

    @classmethod
    def fit(cls, columns: Float64Array, dice: Float64Array, seed: int) -> Self:  # noqa: ARG003 - nothing is drawn
        """With balanced bins and C = 1, as the 2021 paper."""
        from sklearn.linear_model import LogisticRegression

        bins = bins_of(dice)
        present, counts = np.unique(bins, return_counts=True)
        fitted = LogisticRegression(class_weight="balanced", solver="newton-cholesky").fit(columns, bins)
        weights, intercepts = fitted.coef_, fitted.intercept_
        if present.size == 2:  # scikit-learn then keeps one row, for the second bin against the first
            weights, intercepts = np.vstack([0 * weights, weights]), np.concatenate([[0.0], intercepts])
        return cls(present, counts / counts.sum(), np.ascontiguousarray(weights), intercepts)

    def failure_log_odds(self, columns: Float64Array) -> Float64Array:
        """(N,) log of P(bins below 0.6) / P(bins above), uncalibrated and with balanced bins."""
        logits = columns @ self.weights.T + self.intercepts
        below = self.bins < FAILED_BINS
        odds: Float64Array = _log_sum(logits[:, below]) - _log_sum(logits[:, ~below])
        return odds

    def probabilities(self, columns: Float64Array) -> Float64Array:
        """(N, K) probability of each bin, with the frequencies of training."""
        logits = columns @ self.weights.T + self.intercepts + np.log(self.frequencies)
        return np.exp(logits - _log_sum(logits)[:, None])

    def expected_dice(self, columns: Float64Array) -> tuple[Float64Array, Float64Array]:
        """(N,) expectation over bin centres, and (N,) the standard deviation of the Dice around it (> 0)."""
        centres = (self.bins + 0.5) * BIN_WIDTH
        probabilities = self.probabilities(columns)
        mean = probabilities @ centres
        variance = np.sum(probabilities * np.square(centres - mean[:, None]), axis=1)
        return mean, np.sqrt(variance + BIN_WIDTH**2 / 12)

    def likeliest_bin(self, columns: Float64Array) -> NDArray[np.int64]:
        """(N,) the bin that balanced classes find likeliest: the class of the 2021 paper."""
        logits = columns @ self.weights.T + self.intercepts
        likeliest: NDArray[np.int64] = self.bins[np.argmax(logits, axis=1)]
        return likeliest

    def contributions(self, column: Float64Array) -> Float64Array:
        """(C,) share of each column in the failure log-odds of one case (C,), against the training mean.

        The shares are the gradients averaged along the straight way from the mean (0) to the case, times the
        case's column; they sum to the difference of the log-odds (Aumann-Shapley, "integrated gradients").
        """
        nodes, step_weights = np.polynomial.legendre.leggauss(STEPS)
        path = np.outer((nodes + 1) / 2, column)
        logits = path @ self.weights.T + self.intercepts
        below = self.bins < FAILED_BINS
        gradient = _soft_max(logits[:, below]) @ self.weights[below]
        gradient -= _soft_max(logits[:, ~below]) @ self.weights[~below]
        shares: Float64Array = (step_weights / 2) @ gradient * column
        return shares

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "bins": self.bins.tolist(),
            "frequencies": self.frequencies.tolist(),
            "weights": self.weights.tolist(),
            "intercepts": self.intercepts.tolist(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], columns: int) -> Self:
        """The model again; a wrong shape raises KeyError, TypeError or ValueError."""
        model = cls(
            bins=np.array(data["bins"], dtype=np.int64),
            frequencies=np.array(data["frequencies"], dtype=np.float64),
            weights=np.array(data["weights"], dtype=np.float64),
            intercepts=np.array(data["intercepts"], dtype=np.float64),
        )
        if model.weights.shape != (model.bins.size, columns) or model.intercepts.shape != model.bins.shape:
            raise ValueError("The coefficients do not fit the inputs.")
        return model


def _log_sum(logits: Float64Array) -> Float64Array:
    top = logits.max(axis=1)
    total: Float64Array = top + np.log(np.sum(np.exp(logits - top[:, None]), axis=1))
    return total


def _soft_max(logits: Float64Array) -> Float64Array:
    shares: Float64Array = np.exp(logits - _log_sum(logits)[:, None])
    return shares
