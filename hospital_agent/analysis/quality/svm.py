"""Support vector machine over five bins of Dice."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.quality import quality_models
from hospital_agent.analysis.quality.attribution import contributions
from hospital_agent.analysis.quality.bins import BIN_COUNT, BIN_WIDTH, FAILED_BINS, bins_of
from hospital_agent.analysis.quality.estimator import finite
from hospital_agent.analysis.quality.inputs import Float64Array
from hospital_agent.analysis.quality.kernel import gaussian_kernel, scale_gamma
from hospital_agent.analysis.quality.viewed import ViewedQualityModel


@dataclass(frozen=True, eq=False)
class SupportVectorMachine:
    """One machine for each pair of the bins that training held; the bin with most pairs won is the answer.

    Args:
        bins: (K,) the bins that occurred, ascending.
        vectors: (S, C) support vectors.
        weights: (K (K - 1) / 2, S) of each pair (0, 1), (0, 2), ..., (1, 2), ...; a positive sum is for the first.
        intercepts: one a pair.
        gamma: of the kernel, > 0.
    """

    part: ClassVar[str] = "svm"

    bins: NDArray[np.int64]
    vectors: Float64Array
    weights: Float64Array
    intercepts: Float64Array
    gamma: float

    @classmethod
    def fit(cls, columns: Float64Array, dice: Float64Array, seed: int) -> Self:  # noqa: ARG003 - nothing is drawn
        """scikit-learn's defaults (C = 1) with balanced classes."""
        from sklearn.svm import SVC

        gamma = scale_gamma(columns)
        fitted = SVC(gamma=gamma, class_weight="balanced").fit(columns, bins_of(dice))
        classes, ends = fitted.classes_, np.cumsum(fitted.n_support_)
        if classes.size == 2:  # scikit-learn turns the sign of a single pair: positive is for the second
            weights, intercepts = -fitted.dual_coef_, -fitted.intercept_
        else:
            of_class = np.searchsorted(ends, np.arange(ends[-1]), side="right")
            weights = np.zeros((len(fitted.intercept_), ends[-1]))
            for row, (first, second) in enumerate(_pairs(classes.size)):
                weights[row, of_class == first] = fitted.dual_coef_[second - 1, of_class == first]
                weights[row, of_class == second] = fitted.dual_coef_[first, of_class == second]
            intercepts = fitted.intercept_
        return cls(classes.astype(np.int64), fitted.support_vectors_, weights, np.asarray(intercepts), gamma)

    def decisions(self, columns: Float64Array) -> Float64Array:
        """(N, pairs) positive for the first bin of the pair."""
        answer: Float64Array = gaussian_kernel(columns, self.vectors, self.gamma) @ self.weights.T + self.intercepts
        return answer

    def likeliest_bin(self, columns: Float64Array) -> NDArray[np.int64]:
        """(N,) the bin that wins most pairs, the lower one of equals."""
        decisions = self.decisions(columns)
        votes = np.zeros((len(columns), self.bins.size), dtype=np.int64)
        for row, (first, second) in enumerate(_pairs(self.bins.size)):
            votes[:, first] += decisions[:, row] > 0
            votes[:, second] += decisions[:, row] <= 0
        likeliest: NDArray[np.int64] = self.bins[np.argmax(votes, axis=1)]
        return likeliest

    def failure_log_odds(self, columns: Float64Array) -> Float64Array:
        """(N,) mean decision of the pairs of a bin below 0.6 with one above: smooth, where votes are steps."""
        failed = self.bins < FAILED_BINS
        mixed = [failed[first] != failed[second] for first, second in _pairs(self.bins.size)]
        mean: Float64Array = self.decisions(columns)[:, mixed].mean(axis=1)
        return mean

    def expected_dice(self, columns: Float64Array) -> tuple[Float64Array, Float64Array]:
        """(N,) centre of the likeliest bin, and ones: a machine that votes knows no spread."""
        centres = ((self.likeliest_bin(columns) + 0.5) * BIN_WIDTH).astype(np.float64)
        return centres, np.ones(len(columns))

    def contributions(self, column: Float64Array) -> Float64Array:
        """(C,) Shapley values over sampled orders; they sum to the difference."""
        return contributions(self.failure_log_odds, np.zeros(column.size), column)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "bins": self.bins.tolist(),
            "vectors": self.vectors.tolist(),
            "weights": self.weights.tolist(),
            "intercepts": self.intercepts.tolist(),
            "gamma": self.gamma,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], columns: int) -> Self:
        """The machine again; a wrong shape raises KeyError, TypeError or ValueError."""
        bins = np.array(data["bins"], dtype=np.int64)
        if bins.ndim != 1 or not set(bins.tolist()) <= set(range(BIN_COUNT)) or np.any(np.diff(bins) <= 0):
            raise ValueError("The bins of a machine are damaged.")
        if not (bins < FAILED_BINS).any() or not (bins >= FAILED_BINS).any():
            raise ValueError("A machine tells failed bins from good ones.")
        vectors = finite(data["vectors"], (-1, columns))
        pairs = len(_pairs(bins.size))
        weights = finite(data["weights"], (pairs, len(vectors)))
        return cls(bins, vectors, weights, finite(data["intercepts"], (pairs,)), float(finite(data["gamma"], ())))


def _pairs(count: int) -> list[tuple[int, int]]:
    return list(combinations(range(count), 2))


@quality_models.register("svm")
class SvmQualityModel(ViewedQualityModel):
    """Predicts which of five bins the Dice falls into, by support vector machines on standardised inputs.

    Source:
        González et al., "Quality monitoring of federated Covid-19 lesion segmentation", 2021, "SVM". Differs: the
        inputs, the bin's centre instead of class/5 as predicted Dice, and a flag from a calibrated probability.
    """

    kind = "svm"
    estimator = SupportVectorMachine
