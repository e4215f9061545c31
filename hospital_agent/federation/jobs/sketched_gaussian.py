"""The Gaussian of all sites from a sketch of its covariance, where the whole triangle is too much to send."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.ood.gaussian import CompactGaussian, oas_formula
from hospital_agent.analysis.ood.patient_check import WeightChoice
from hospital_agent.analysis.ood.reference import GaussianReference
from hospital_agent.federation.jobs import Bounds, Float64Array, Totals, federated_jobs
from hospital_agent.federation.jobs.cohort import FEWEST_PATIENTS, HEADING, Cohort, check_same_cohort, shares
from hospital_agent.federation.jobs.errors import WrongShape
from hospital_agent.federation.jobs.rows import LocalRows, Units

STEP = 2.0**-48
RIDGE = 1e-11  # of the largest direction: what keeps the small triangle invertible


@dataclass(frozen=True, eq=False)
class SketchedGaussian:
    """What the totals say.

    Args:
        gaussian: the strongest directions, and one variance for all others.
        cohort: how many sites, rows and patients.
        weight: of the shrinkage: the given one, or the formula's with the sketch's sum of squares.
        unexplained: share of the total variance outside the strongest directions, in [0, 1].
        largest_error: no distance is more than this share too long or too short, whatever the row: with the whole
            covariance, shrunk by the same weight, it lies between 1 / (1 + largest_error) and 1 + largest_error times
            the one found here. A certificate from the totals alone, and a strict one: what was left out is weighed as
            if it all lay in one direction. Where it is too large, the exact job has to be run.
    """

    gaussian: CompactGaussian
    cohort: Cohort
    weight: WeightChoice
    unexplained: float
    largest_error: float

    def reference(self) -> GaussianReference:
        """In the form that the Mahalanobis scores keep."""
        return GaussianReference(self.gaussian, self.cohort.rows, self.cohort.patients, self.weight)


@federated_jobs.register("sketched_gaussian")
class SketchedGaussianJob:
    """Mean and the strongest directions of the covariance over all sites, for large D.

    1. As in the exact job: sites, rows, patients, rough coordinates.
    2. The product S Q of the covariance with `rank` directions that everybody draws from one seed, the sums, and the
       total variance. S Q is linear in S, hence a sum; whoever holds it never holds S.

    A Nystroem approximation makes the strong directions of it; what variance is left is spread evenly over all other
    directions. So the sketch is as good as the spectrum is short: exact where the covariance has at most `rank`
    directions, near where the rest is small beside the shrinkage floor, and wrong where it is not, as with a spectrum
    that falls like a power. The result says which by `largest_error`. `python -m benchmarks.federated_gaussian`
    measures the errors for a given spectrum. Round 2 takes 8 (D rank + D + 5) bytes a site. A further round with the
    directions that round 2 found was tried: for the same bytes, hence half the rank, it was no better.

    Args:
        dimension: D.
        rank: of the sketch, at most D.
        seed: of the first directions; the same at all sites.
        weight: of shrinkage, where one is known that was checked on left-out patients, as that of the shipped model
            reference; by default that of the formula. The larger it is, the less the left-out directions matter.
        centre, unit, fewest_patients: as for `GaussianJob`.

    Source:
        Tropp, Yurtsever, Udell, Cevher, "Fixed-rank approximation of a positive-semidefinite matrix from streaming
        data", 2017, algorithm 3. Differs: the rest of the variance is kept, as an even floor.
    """

    most_rounds = 2

    def __init__(
        self,
        dimension: int,
        rank: int,
        *,
        seed: int = 0,
        weight: float | None = None,
        centre: ArrayLike | None = None,
        unit: ArrayLike | None = None,
        fewest_patients: int = FEWEST_PATIENTS,
    ) -> None:
        if not 1 <= rank <= dimension:
            raise WrongShape("A sketch has between 1 and D directions.")
        if weight is not None and not 0 < weight <= 1:
            raise WrongShape("The covariance of a sketch needs a shrinkage weight above 0 and at most 1.")
        self.dimension, self.rank, self.seed, self.weight = dimension, rank, seed, weight
        self.units = Units.given(dimension, centre, unit)
        self.fewest_patients = fewest_patients

    def finished(self, totals: Totals) -> bool:
        """After two rounds."""
        if totals:
            Cohort.of(totals[0]).checked(self.fewest_patients)
            check_same_cohort(totals)
        return len(totals) >= self.most_rounds

    def size(self, totals: Totals) -> int:
        """4 + 2 D, then 4 + 1 + D + D rank."""
        if not totals:
            return self.units.opening_size()
        return HEADING + 1 + self.dimension * (1 + self.rank)

    def bounds(self, totals: Totals) -> Bounds:
        """In units of the total variance no entry is above 1, and neither are all together above sqrt(rank)."""
        if not totals:
            return self.units.opening_bounds()
        return Bounds(2.0, 2.0 * np.sqrt(self.rank) + HEADING, STEP)

    def contribution(self, totals: Totals, data: LocalRows) -> Float64Array:
        """One site's vector of the next round."""
        own = self.units.opening(data)
        if not totals:
            return own
        self.finished(totals)
        if len(data.rows) == 0:
            return np.zeros(self.size(totals))
        centre, unit, cohort = self._frame(totals)
        scaled = (data.rows - centre) / unit
        product = scaled.T @ (scaled @ self._directions()) / cohort.rows
        trace = np.square(scaled).sum() / cohort.rows
        sums = scaled.sum(axis=0) / cohort.rows
        return np.concatenate([shares(own, totals[0]), [trace], sums, product.ravel()])

    def result(self, totals: Totals) -> SketchedGaussian:
        """The strongest directions, the mean, and the shrunk variances."""
        self.finished(totals)
        centre, unit, cohort = self._frame(totals)
        directions, body = self._directions(), totals[1][HEADING + 1 :]
        left_over, product = body[: self.dimension], body[self.dimension :].reshape(self.dimension, self.rank)
        trace = float(totals[1][HEADING] - left_over @ left_over)
        variances, axes = _nystroem(product - np.outer(left_over, left_over @ directions), directions)
        rest, others = max(trace - variances.sum(), 0.0), self.dimension - variances.size
        even = rest / others if others else 0.0
        if trace <= 0:
            raise TooFewCases("A covariance needs at least two different rows of features.")
        squares = float(np.sum(np.square(variances))) + even * rest
        formula = oas_formula(self.dimension, cohort.rows, trace, squares)
        weight = formula if self.weight is None else self.weight
        floor = weight * trace / self.dimension
        gaussian = CompactGaussian(
            centre + unit * left_over,
            axes,
            ((1 - weight) * variances + floor) * unit**2,
            ((1 - weight) * even + floor) * unit**2,
        )
        worst = (1 - weight) * rest / floor
        return SketchedGaussian(gaussian, cohort, WeightChoice(weight, formula), rest / trace, worst)

    def _frame(self, totals: Totals) -> tuple[Float64Array, float, Cohort]:
        """Rough centre, root of the rough total variance, and the cohort."""
        coordinates = self.units.coordinates(totals[0])
        return coordinates.centre, float(np.linalg.norm(coordinates.spread)), coordinates.cohort

    def _directions(self) -> Float64Array:
        """(D, rank) orthonormal columns, the same everywhere up to the last bits, which do not matter."""
        drawn = np.random.default_rng(self.seed).standard_normal((self.dimension, self.rank))
        directions: Float64Array = scipy.linalg.qr(drawn, mode="economic", check_finite=False)[0]
        return directions


def _nystroem(product: Float64Array, directions: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Variances (R,) and axes (R, D) of the positive semidefinite matrix S of which S Q is known."""
    ridge = RIDGE * float(np.linalg.norm(product, 2))
    raised = product + ridge * directions
    small = directions.T @ raised
    values, vectors = scipy.linalg.eigh((small + small.T) / 2)
    kept = values > ridge  # what rounding makes of directions without variance
    root = raised @ (vectors[:, kept] / np.sqrt(values[kept]))
    left, singular, _ = scipy.linalg.svd(root, full_matrices=False, check_finite=False)
    return np.maximum(np.square(singular) - ridge, 0.0), np.ascontiguousarray(left.T)
