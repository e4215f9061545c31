"""The model reference's Gaussian over the features of all sites, as if their rows had been in one place."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hospital_agent.analysis.ood.gaussian import fit_gaussian, oas_weight
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.analysis.ood.patient_check import WeightChoice
from hospital_agent.analysis.ood.reference import GaussianReference
from hospital_agent.federation.jobs import Bounds, Float64Array, Totals, federated_jobs
from hospital_agent.federation.jobs.cohort import FEWEST_PATIENTS, HEADING, Cohort, check_same_cohort, shares
from hospital_agent.federation.jobs.rows import LocalRows, Units
from hospital_agent.federation.jobs.weight_check import CheckOfWeight

STEP = 2.0**-40


@dataclass(frozen=True, eq=False)
class FederatedGaussian:
    """What the totals say.

    Args:
        moments: of all rows of all sites.
        cohort: how many sites, rows and patients.
        weight: the shrinkage weight and how it was come to.
    """

    moments: GaussianMoments
    cohort: Cohort
    weight: WeightChoice

    def reference(self) -> GaussianReference:
        """The fitted Gaussian, as `GaussianReference.fit` makes it of rows in one place.

        Raises:
            TooFewCases: fewer than two different rows.
        """
        gaussian = fit_gaussian(self.moments, self.weight.weight)
        return GaussianReference(gaussian, self.cohort.rows, self.cohort.patients, self.weight)


@federated_jobs.register("gaussian")
class GaussianJob:
    """Mean and covariance of features over all sites, with the shrinkage weight of the local fit.

    1. Sites, rows, patients, sums and sums of squares: rough coordinates, in which every feature spreads by about 1.
    2. Sums and the upper triangle of the outer products in these coordinates, as shares of all rows. Every entry of
       the total lies in [-1, 1] or so. The sums put the centre right, so that nothing of the first round's rounding
       is left in the result.
    3. Where `check_weight` is wanted: how likely each left-out patient is under each candidate weight, which a site
       can tell from the totals and its own patient's rows; `choose_weight` then decides as it does locally. Without
       it the weight is that of the formula, which needs the totals alone.

    In float64 the result is that of the pooled rows to rounding. Rounded to multiples of 2^-40 (the stated step) it
    stays within 1e-8 of the covariance and 1e-6 of the distances; 2^-30 does so only where features are few or
    strongly correlated, 2^-24 does not. Exact otherwise: a constant feature stays constant, fewer rows than
    dimensions shrink by the same formula. Differs from the local fit in form alone: the covariance is kept whole even
    where rows are fewer than dimensions, since totals cannot be turned back into rows, and must not be.

    The vector of round 2 has D (D + 1) / 2 + D + 4 numbers. Every site needs its total for round 3, and no site for
    anything else.

    Args:
        dimension: D.
        centre, unit: (D,) where features are expected and how far they spread (`Units`); by default 0 and 1.
        fewest_patients: of all sites together, below which no later round is answered.
        check_weight: whether there is a third round.

    Source:
        Chan, Golub, LeVeque 1979, for sums about a centre that is not the mean.
    """

    def __init__(
        self,
        dimension: int,
        *,
        centre: ArrayLike | None = None,
        unit: ArrayLike | None = None,
        fewest_patients: int = FEWEST_PATIENTS,
        check_weight: bool = False,
    ) -> None:
        self.dimension = dimension
        self.units = Units.given(dimension, centre, unit)
        self.fewest_patients = fewest_patients
        self.most_rounds = 3 if check_weight else 2

    def finished(self, totals: Totals) -> bool:
        """After two rounds, or three."""
        if totals:
            Cohort.of(totals[0]).checked(self.fewest_patients)
            check_same_cohort(totals)
        return len(totals) >= self.most_rounds

    def size(self, totals: Totals) -> int:
        """4 + 2 D, then 4 + D + D (D + 1) / 2, then a few."""
        if not totals:
            return self.units.opening_size()
        if len(totals) == 1:
            return HEADING + self.dimension + self.dimension * (self.dimension + 1) // 2
        return CheckOfWeight.size()

    def bounds(self, totals: Totals) -> Bounds:
        """In round 2 squares of all sites add to 1 a feature, so that no product of one site can be much above 1."""
        if not totals:
            return self.units.opening_bounds()
        if len(totals) == 1:
            return Bounds(2.0, 2.0 * (self.dimension + HEADING), STEP)
        return CheckOfWeight.bounds()

    def contribution(self, totals: Totals, data: LocalRows) -> Float64Array:
        """One site's vector of the next round."""
        own = self.units.opening(data)
        if not totals:
            return own
        self.finished(totals)
        if len(data.rows) == 0:
            return np.zeros(self.size(totals))
        heading = shares(own, totals[0])
        if len(totals) > 1:
            return np.concatenate([heading, self._check(self._moments(totals), totals).payload(data)])
        coordinates = self.units.coordinates(totals[0])
        scaled, everybody = coordinates.of(data.rows), coordinates.cohort.rows
        sums = scaled.sum(axis=0) / everybody
        return np.concatenate([heading, sums, upper_triangle(scaled.T @ scaled / everybody)])

    def result(self, totals: Totals) -> FederatedGaussian:
        """The moments of all rows, and the weight."""
        self.finished(totals)
        moments = self._moments(totals)
        if len(totals) > 2:
            choice = self._check(moments, totals).choice(totals[2])
        else:
            formula = oas_weight(moments)
            choice = WeightChoice(formula, formula)
        return FederatedGaussian(moments, Cohort.of(totals[0]), choice)

    def _moments(self, totals: Totals) -> GaussianMoments:
        coordinates, d = self.units.coordinates(totals[0]), self.dimension
        rows = coordinates.cohort.rows
        left_over, triangle = totals[1][HEADING : HEADING + d], totals[1][HEADING + d :]
        scatter = from_upper_triangle(triangle, d)
        scatter -= np.outer(left_over, left_over)
        scatter *= rows * coordinates.spread
        scatter *= coordinates.spread[:, None]
        mean = coordinates.centre + coordinates.spread * left_over
        return GaussianMoments(rows, mean, np.zeros((0, d)), scatter)

    @staticmethod
    def _check(moments: GaussianMoments, totals: Totals) -> CheckOfWeight:
        return CheckOfWeight(moments, Cohort.of(totals[0]).patients)


def upper_triangle(matrix: Float64Array) -> Float64Array:
    """(D (D + 1) / 2,) rows of the upper triangle of a (D, D) matrix, one after the other."""
    return np.concatenate([matrix[i, i:] for i in range(matrix.shape[0])])


def from_upper_triangle(triangle: Float64Array, dimension: int) -> Float64Array:
    """The symmetric (D, D) matrix again."""
    matrix = np.empty((dimension, dimension))
    start = 0
    for i in range(dimension):
        row = triangle[start : start + dimension - i]
        matrix[i, i:] = row
        matrix[i:, i] = row
        start += dimension - i
    return matrix
