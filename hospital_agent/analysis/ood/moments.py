"""Count, mean and centred outer products of rows of features: sums that add exactly over cases and over sites.

Everything is computed in float64. Moments of two sets of rows add to the moments of their union (Chan, Golub and
LeVeque 1979), so features can be streamed case by case, and sites can add theirs without sharing a row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from hospital_agent.analysis.errors import AnalysisError, FeatureShapeError, TooFewCases

Float64Array = NDArray[np.float64]

COLUMNS_AT_ONCE = 1024  # of a scatter matrix whose halves are made equal, so that no second one is held
GRAM_SAFE_RATIO = 1e-8  # smallest to largest eigenvalue: above it, axes made from a Gram matrix are orthonormal to 1e-8


@dataclass(frozen=True, eq=False)
class GaussianMoments:
    """Count, mean and centred outer products of rows of features.

    The outer products are kept as a `factor` (R, D) with factor.T @ factor = scatter while there are fewer rows than
    dimensions (R = count - 1, exactly), and as the (D, D) scatter itself from then on. Both are exact; the factor is
    smaller. A factor can be turned back into rows, so what leaves a site is `scatter()`, never the factor.

    Args:
        count: number of rows.
        mean: (D,) float64.
        factor: (count - 1, D); without rows when `dense` is given.
        dense: (D, D) scatter matrix, or None while the factor says it all.

    Source:
        Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

    Example:
        >>> a, b = GaussianMoments.of([[0.0], [2.0]]), GaussianMoments.of([[4.0]])
        >>> (a + b).count, (a + b).mean.tolist(), (a + b).scatter().round(6).tolist()
        (3, [2.0], [[8.0]])
    """

    count: int
    mean: Float64Array
    factor: Float64Array
    dense: Float64Array | None = None

    @classmethod
    def zero(cls, dimension: int) -> Self:
        """The neutral element: no rows."""
        return cls(0, np.zeros(dimension), np.zeros((0, dimension)))

    @classmethod
    def of(cls, rows: ArrayLike) -> Self:
        """The moments of (N, D) rows.

        Raises:
            FeatureShapeError: not a table of rows.
            AnalysisError: a feature is not a finite number.
        """
        table = feature_rows(rows)
        count, dimension = table.shape
        if count == 0:
            return cls.zero(dimension)
        mean = table.mean(axis=0)
        centred = table - mean
        if count > dimension:
            return cls(count, mean, np.zeros((0, dimension)), centred.T @ centred)
        return cls(count, mean, _contrasts(centred))

    @classmethod
    def of_batches(cls, batches: Iterable[ArrayLike]) -> "GaussianMoments":
        """The moments of all rows of all batches, holding one batch at a time.

        Raises:
            TooFewCases: there is no batch.
        """
        stream: _Stream | None = None
        for batch in batches:
            rows = feature_rows(batch, None if stream is None else stream.mean.size)
            if stream is None:
                stream = _Stream(rows.shape[1])
            stream.take(rows)
        if stream is None:
            raise TooFewCases("A Gaussian needs features, and there are none.")
        return stream.moments()

    @property
    def dimension(self) -> int:
        """D, the length of a row."""
        return self.mean.size

    @property
    def total_variance(self) -> float:
        """Trace of the covariance (divisor: count), 0 without rows."""
        if self.count == 0:
            return 0.0
        if self.dense is not None:
            return float(np.trace(self.dense)) / self.count
        return float(np.sum(np.square(self.factor))) / self.count

    def scatter(self) -> Float64Array:
        """(D, D) sum of the outer products of the centred rows."""
        if self.dense is not None:
            return self.dense
        return self.factor.T @ self.factor

    def covariance(self) -> Float64Array:
        """(D, D) covariance with divisor count, as in the paper.

        Raises:
            TooFewCases: there are no rows.
        """
        if self.count == 0:
            raise TooFewCases("Without features there is no covariance.")
        return self.scatter() / self.count

    @cached_property
    def principal_axes(self) -> tuple[Float64Array, Float64Array]:
        """Variance (R,) along each principal axis (divisor: count), and the axes (R, D) as orthonormal rows.

        Raises:
            TooFewCases: there are no rows.
        """
        if self.count == 0:
            raise TooFewCases("Without features there is no covariance.")
        if self.dense is not None:
            values, vectors = scipy.linalg.eigh(self.dense, driver="evd", check_finite=False)
            return np.maximum(values, 0.0) / self.count, np.ascontiguousarray(vectors.T)
        squares, axes = _axes_of(self.factor)
        return squares / self.count, axes

    def __add__(self, other: "GaussianMoments") -> "GaussianMoments":
        if self.dimension != other.dimension:
            raise FeatureShapeError(f"Features of {self.dimension} and {other.dimension} numbers cannot be added.")
        if self.count == 0 or other.count == 0:
            return self if other.count == 0 else other
        count = self.count + other.count
        step = other.mean - self.mean
        mean = self.mean + step * (other.count / count)
        bridge = step * np.sqrt(self.count * other.count / count)
        if count <= self.dimension:
            return GaussianMoments(count, mean, np.vstack([self.factor, other.factor, bridge]))
        scatter = np.outer(bridge, bridge)
        scatter += self.scatter()
        scatter += other.scatter()
        return GaussianMoments(count, mean, np.zeros((0, self.dimension)), scatter)


class _Stream:
    """Moments of rows that arrive in batches, in the memory of one scatter matrix.

    Only its upper triangle is summed, by a rank-k update in place; the other half is written once, at the end.
    """

    def __init__(self, dimension: int) -> None:
        self.count, self.mean = 0, np.zeros(dimension)
        self._factors: list[Float64Array] = []
        self._upper: Float64Array | None = None

    def take(self, rows: Float64Array) -> None:
        """Add a batch; it may be empty."""
        new = rows.shape[0]
        if new == 0:
            return
        count, mean = self.count + new, rows.mean(axis=0)
        step, centred = mean - self.mean, rows - mean
        bridge = (step * np.sqrt(self.count * new / count))[None] if self.count else np.zeros((0, self.mean.size))
        if self._upper is None and count <= self.mean.size:
            self._factors += [_contrasts(centred), bridge]
        else:
            for part in (*self._factors, bridge, centred):
                self._add(part)
            self._factors = []
        self.count, self.mean = count, self.mean + step * (new / count)

    def _add(self, part: Float64Array) -> None:
        if self._upper is None:
            self._upper = np.zeros((self.mean.size, self.mean.size), order="F")
        self._upper = scipy.linalg.blas.dsyrk(1.0, part.T, beta=1.0, c=self._upper, overwrite_c=True)

    def moments(self) -> GaussianMoments:
        """What was taken so far; the stream is spent."""
        dimension = self.mean.size
        if self._upper is None:
            return GaussianMoments(self.count, self.mean, np.vstack([np.zeros((0, dimension)), *self._factors]))
        scatter = self._upper.T  # lies in memory row by row, with its lower triangle filled
        for first in range(0, dimension, COLUMNS_AT_ONCE):
            some, later = slice(first, first + COLUMNS_AT_ONCE), slice(first + COLUMNS_AT_ONCE, None)
            scatter[some, later] = scatter[later, some].T
            square = scatter[some, some]
            scatter[some, some] = np.tril(square) + np.tril(square, -1).T
        return GaussianMoments(self.count, self.mean, np.zeros((0, dimension)), scatter)


def _contrasts(centred: Float64Array) -> Float64Array:
    """(N - 1, D) Helmert contrasts of N centred rows: the same outer products, one row fewer."""
    steps = np.arange(1, centred.shape[0], dtype=np.float64)[:, None]
    earlier = np.cumsum(centred, axis=0)[:-1]
    contrasts: Float64Array = (earlier - steps * centred[1:]) / np.sqrt(steps * (steps + 1))
    return contrasts


def feature_rows(rows: ArrayLike, dimension: int | None = None) -> Float64Array:
    """(N, D) float64 rows of finite features.

    Raises:
        FeatureShapeError: not a table, or rows of another length than `dimension`.
        AnalysisError: a feature is not a finite number.
    """
    table = np.asarray(rows, dtype=np.float64)
    if table.ndim != 2:
        raise FeatureShapeError(f"Features are rows of numbers with two axes, not {table.ndim}.")
    if dimension is not None and table.shape[1] != dimension:
        raise FeatureShapeError(f"The reference has {dimension} numbers a row and these features {table.shape[1]}.")
    if not np.isfinite(table).all():
        raise AnalysisError("The features hold values that are not finite numbers.")
    return table


def _axes_of(factor: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Squared singular values (R,) and right singular vectors (R, D) of a wide factor.

    Through the small Gram matrix, tens of times quicker than a singular value decomposition, where its eigenvalues
    are close enough together for the axes to come out orthonormal; by the decomposition where they are not.
    """
    values, vectors = scipy.linalg.eigh(factor @ factor.T, driver="evd", check_finite=False)
    if values.size and values[0] > GRAM_SAFE_RATIO * values[-1]:
        return values, (vectors / np.sqrt(values)).T @ factor
    _, singular, axes = scipy.linalg.svd(factor, full_matrices=False, check_finite=False)
    return np.square(singular), axes
