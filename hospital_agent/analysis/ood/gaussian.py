"""A Gaussian over rows of features: a shrunk covariance in its smaller exact form, and squared distances.

A bare pseudo-inverse is never used: it gives every direction that training did not vary a weight of 0, so that the
cases that differ most are not seen. Shrinkage gives those directions the weight 1/floor.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.ood.moments import Float64Array, GaussianMoments, feature_rows

State = Mapping[str, NDArray[np.float64] | NDArray[np.float32]]

ROWS_AT_ONCE = 1024  # distances are computed in blocks, so that a long list of rows needs no second copy of itself
ROUNDING = 1e-14  # relative: rows that differ by less than this of their size are the same row
FLOAT32_SAFE_RATIO = 1e3  # axes of a Cholesky factor may differ this much before float32 storage costs 1e-4 of D


def oas_weight(moments: GaussianMoments) -> float:
    """Oracle approximating shrinkage: the weight in [0, 1] of the isotropic part.

    It assumes independent rows. Overlapping patches of one patient are not, so `patient_check.choose_weight` checks
    it on left-out patients.

    Raises:
        TooFewCases: fewer than two rows, or rows that do not vary.

    Source:
        Chen, Wiesel, Eldar, Hero, "Shrinkage algorithms for MMSE covariance estimation", 2010, eq. 23; as in
        scikit-learn the terms of order 2/D are left out.
    """
    check_spread(moments)
    gram = moments.dense if moments.dense is not None else moments.factor @ moments.factor.T
    squares = float(np.vdot(gram, gram)) / moments.count**2
    return oas_formula(moments.dimension, moments.count, moments.total_variance, squares)


def oas_formula(dimension: int, rows: int, trace: float, squares: float) -> float:
    """The weight of `oas_weight` from the trace of the covariance and the sum of its squared entries."""
    mean_square, squared_mean = squares / dimension**2, (trace / dimension) ** 2
    denominator = (rows + 1) * (mean_square - squared_mean / dimension)
    return 1.0 if denominator <= 0 else min((mean_square + squared_mean) / denominator, 1.0)


class Gaussian(Protocol):
    """A fitted Gaussian, in whichever form is smaller."""

    @property
    def dimension(self) -> int:
        """D, the length of a row."""
        ...

    def squared_distances(self, rows: ArrayLike) -> Float64Array:
        """(N,) squared Mahalanobis distances of (N, D) rows, >= 0."""
        ...

    def state(self) -> State:
        """Everything fitted, as arrays."""
        ...


@dataclass(frozen=True, eq=False)
class CompactGaussian:
    """Covariance = axes.T diag(variances - floor) axes + floor I: a low-rank part and an isotropic rest.

    Exact for a shrunk covariance of fewer rows than dimensions. Off the axes the distance grows by 1/floor, so that
    a case in the null space of the training features is seen; a pseudo-inverse would be blind to it.

    Args:
        mean: (D,).
        axes: (R, D), orthonormal rows.
        variances: (R,), variance along each axis, >= floor.
        floor: variance in every other direction, > 0.
    """

    mean: Float64Array
    axes: Float64Array
    variances: Float64Array
    floor: float

    @property
    def dimension(self) -> int:
        """D, the length of a row."""
        return self.mean.size

    def squared_distances(self, rows: ArrayLike) -> Float64Array:
        """(N,) squared Mahalanobis distances of (N, D) rows, >= 0."""
        return _in_blocks(self._block, feature_rows(rows, self.dimension))

    def _block(self, rows: Float64Array) -> Float64Array:
        centred = rows - self.mean
        along = centred @ self.axes.T
        off = centred - along @ self.axes
        distances: Float64Array = np.square(along) @ (1 / self.variances) + np.sum(np.square(off), axis=1) / self.floor
        return distances

    def state(self) -> State:
        """Axes as float32: an error of 1e-7 in a direction changes a distance by about as much."""
        return {
            "mean": self.mean,
            "axes": self.axes.astype(np.float32),
            "variances": self.variances,
            "floor": np.array([self.floor]),
        }


@dataclass(frozen=True, eq=False)
class DenseGaussian:
    """A Gaussian with a full covariance, kept as its lower Cholesky factor.

    Args:
        mean: (D,).
        cholesky: (D, D) lower triangular, cholesky @ cholesky.T = covariance.
    """

    mean: Float64Array
    cholesky: Float64Array

    @property
    def dimension(self) -> int:
        """D, the length of a row."""
        return self.mean.size

    def squared_distances(self, rows: ArrayLike) -> Float64Array:
        """(N,) squared Mahalanobis distances of (N, D) rows, >= 0."""
        return _in_blocks(self._block, feature_rows(rows, self.dimension))

    def _block(self, rows: Float64Array) -> Float64Array:
        centred = (rows - self.mean).T
        white = scipy.linalg.solve_triangular(self.cholesky, centred, lower=True, overwrite_b=True, check_finite=False)
        distances: Float64Array = np.einsum("ij,ij->j", white, white)
        return distances

    def state(self) -> State:
        """The triangle row by row, as float32 where its diagonal is even enough for that."""
        diagonal = np.diag(self.cholesky)
        safe = diagonal.max() <= FLOAT32_SAFE_RATIO * diagonal.min()
        triangle = np.concatenate([self.cholesky[i, : i + 1] for i in range(self.dimension)])
        return {"mean": self.mean, "triangle": triangle.astype(np.float32) if safe else triangle}


def gaussian_from_state(state: State) -> Gaussian:
    """The fitted Gaussian again, from `Gaussian.state()`.

    Raises:
        KeyError: an array is missing.
    """
    mean = np.asarray(state["mean"], dtype=np.float64)
    if "triangle" not in state:
        axes, variances = (np.asarray(state[name], dtype=np.float64) for name in ("axes", "variances"))
        return CompactGaussian(mean, axes, variances, float(state["floor"][0]))
    cholesky = np.zeros((mean.size, mean.size))
    start = 0
    for i in range(mean.size):
        cholesky[i, : i + 1] = state["triangle"][start : start + i + 1]
        start += i + 1
    return DenseGaussian(mean, cholesky)


def fit_gaussian(moments: GaussianMoments, weight: float) -> Gaussian:
    """The Gaussian with covariance (1 - weight) S + weight tr(S)/D I, in its smaller exact form.

    Args:
        moments: of the training rows.
        weight: in [0, 1]; 0 is the plain covariance and needs more rows than dimensions.

    Raises:
        TooFewCases: the covariance cannot be inverted: it is never pseudo-inverted.
        ValueError: the weight lies outside [0, 1].
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"A shrinkage weight lies in [0, 1]; {weight} does not.")
    check_spread(moments)
    floor = weight * moments.total_variance / moments.dimension
    if moments.dense is not None:
        return _dense(moments, weight, floor)
    if floor <= 0:
        raise TooFewCases(
            f"Without shrinkage {moments.dimension} features need more than {moments.dimension} rows, "
            f"and there are {moments.count}."
        )
    spread, axes = moments.principal_axes
    return CompactGaussian(moments.mean, axes, (1 - weight) * spread + floor, floor)


def check_spread(moments: GaussianMoments) -> None:
    """That there are at least two different rows; what rounding makes of equal ones does not count.

    Raises:
        TooFewCases: there are not.
    """
    rounding = float(np.sum(np.square(ROUNDING * moments.mean)))
    if moments.count < 2 or moments.total_variance <= rounding:
        raise TooFewCases("A covariance needs at least two different rows of features.")


def _dense(moments: GaussianMoments, weight: float, floor: float) -> DenseGaussian:
    covariance = moments.scatter() * ((1 - weight) / moments.count)
    covariance[np.diag_indices_from(covariance)] += floor
    try:  # the transpose of a symmetric matrix is itself, and lies in memory as LAPACK wants it: no copy is made
        lower = scipy.linalg.cholesky(covariance.T, lower=True, overwrite_a=True, check_finite=False)
    except scipy.linalg.LinAlgError as problem:
        raise TooFewCases("The covariance of the training features is singular; it needs shrinkage.") from problem
    return DenseGaussian(moments.mean, lower)


def _in_blocks(distances: Callable[[Float64Array], Float64Array], rows: Float64Array) -> Float64Array:
    blocks = [distances(rows[i : i + ROWS_AT_ONCE]) for i in range(0, rows.shape[0], ROWS_AT_ONCE)]
    return np.concatenate(blocks) if blocks else np.zeros(0)
