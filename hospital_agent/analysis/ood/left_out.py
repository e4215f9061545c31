"""The Gaussian of everybody but one patient, without fitting it again."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.ood.gaussian import State
from hospital_agent.analysis.ood.moments import Float64Array, GaussianMoments, feature_rows
from hospital_agent.analysis.ood.patient_check import NOTHING_LEFT


@dataclass(frozen=True, eq=False)
class GaussianWithout:
    """What `fit_gaussian` makes of all rows but some, at the same shrinkage weight.

    The scale of a score must come from people whom its reference has not seen. Where the rows of all sites went into
    one reference, a site can still take its own patient out of the moments: the covariance without the patient differs
    from the whole one by as many rank-one terms as the patient has rows, plus one for the mean (Woodbury). One
    eigendecomposition of the moments serves all patients.

    Args:
        moments: of all rows.
        removed: (K, D), some of these rows.
        weight: the shrinkage weight, in (0, 1].

    Raises:
        TooFewCases: no row is left, or those that are do not vary.
    """

    moments: GaussianMoments
    removed: Float64Array
    weight: float

    def __post_init__(self) -> None:
        whole = self.moments.total_variance * self.moments.count
        if self._others < 2 or self._trace * self._others <= NOTHING_LEFT * whole or not 0 < self.weight <= 1:
            raise TooFewCases("Without this patient no rows are left that a Gaussian could be fitted to.")

    @property
    def dimension(self) -> int:
        """D, the length of a row."""
        return self.moments.dimension

    @property
    def mean(self) -> Float64Array:
        """(D,) of the rows that are left."""
        gone: Float64Array = self._centred.sum(axis=0) / self._others
        return self.moments.mean - gone

    def squared_distances(self, rows: ArrayLike) -> Float64Array:
        """(N,) squared Mahalanobis distances of (N, D) rows, >= 0."""
        spread, axes = self.moments.principal_axes
        centred = feature_rows(rows, self.dimension) - self.mean
        along = centred @ axes.T
        floor = self.weight * self._trace / self.dimension
        variances = (1 - self.weight) * spread * self.moments.count / self._others + floor
        scale = (1 - self.weight) / self._others
        removed = np.vstack([self._centred, self._centred.sum(axis=0) / np.sqrt(self._others)]) @ axes.T
        inside = np.eye(removed.shape[0]) - scale * (removed / variances) @ removed.T
        across = (along / variances) @ removed.T
        off = np.maximum(np.square(centred).sum(axis=1) - np.square(along).sum(axis=1), 0.0)
        distances: Float64Array = np.square(along) @ (1 / variances) + off / floor
        distances += scale * np.sum(across * np.linalg.solve(inside, across.T).T, axis=1)
        return distances

    def state(self) -> State:
        """It is made to look at one patient and never kept.

        Raises:
            TypeError: always.
        """
        raise TypeError("The Gaussian without a patient is not kept.")

    @cached_property
    def _centred(self) -> Float64Array:
        return feature_rows(self.removed, self.dimension) - self.moments.mean

    @property
    def _others(self) -> int:
        return self.moments.count - len(self.removed)

    @property
    def _trace(self) -> float:
        """Of the covariance of the rows that are left."""
        gone = np.sum(np.square(self._centred)) + np.sum(np.square(self._centred.sum(axis=0))) / self._others
        return float(self.moments.total_variance * self.moments.count - gone) / self._others
