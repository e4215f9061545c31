"""The quality model's logistic regression over the cases of all sites, by Newton steps on summed derivatives."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.quality.bins import BIN_COUNT, FAILED_BINS, BinModel, bins_of
from hospital_agent.analysis.quality.inputs import FARTHEST
from hospital_agent.federation.jobs import Bounds, Float64Array, Totals, federated_jobs
from hospital_agent.federation.jobs.cohort import FEWEST_PATIENTS, HEADING, Cohort, check_same_cohort, shares
from hospital_agent.federation.jobs.errors import NotConverged, WrongShape
from hospital_agent.federation.jobs.newton import Problem, Walk
from hospital_agent.federation.jobs.rows import LocalRows, Units

STEP = 2.0**-40
CONSTANT = 1e-9  # share of its rough variance below which a column does not vary


@dataclass(frozen=True, eq=False)
class LocalCases:
    """The judged cases of one site, as columns for a linear model.

    Undefined values are filled before, and told by columns of their own, with the medians that were shipped: a median
    is no sum. NaN is refused.

    Args:
        columns: (N, C).
        dice: (N,) true Dice, in [0, 1].
        patients: whose case it is.

    Raises:
        NotFinite: a column holds an undefined value.
        WrongShape: not one Dice and one patient a case, or a Dice outside [0, 1].
    """

    columns: Float64Array = field(repr=False)
    dice: Float64Array = field(repr=False)
    patients: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        rows = LocalRows(self.columns, self.patients)
        object.__setattr__(self, "columns", rows.rows)
        dice = np.asarray(self.dice, dtype=np.float64)
        if dice.shape != (len(rows.rows),) or not ((dice >= 0) & (dice <= 1)).all():
            raise WrongShape("Every case has one Dice between 0 and 1.")
        object.__setattr__(self, "dice", dice)

    @property
    def rows(self) -> LocalRows:
        """The columns, with the bin of each case beside them, so that a changed Dice changes the fingerprint."""
        return LocalRows(np.column_stack([self.columns, bins_of(self.dice)]), self.patients)


@dataclass(frozen=True, eq=False)
class Standard:
    """What rounds 1 and 2 say: how the columns are standardised, and how often each bin of Dice occurs.

    Args:
        used: columns that vary.
        means, deviations: of the used columns (divisor: number of cases), as in `Encoding`.
        bins: that occur, ascending.
        frequencies: their shares.
        cohort: over whom.
    """

    used: NDArray[np.intp]
    means: Float64Array
    deviations: Float64Array
    bins: NDArray[np.int64]
    frequencies: Float64Array
    cohort: Cohort

    def columns(self, table: Float64Array) -> Float64Array:
        """(N, used) standardised columns, cut off at 5 SD as in `Encoding`."""
        standard = (table[:, self.used] - self.means) / self.deviations
        cut: Float64Array = np.clip(standard, -FARTHEST, FARTHEST)
        return cut

    @property
    def problem(self) -> Problem:
        """What the Newton steps minimise."""
        return Problem(self.bins, self.frequencies, self.used.size, self.cohort.rows)


@dataclass(frozen=True, eq=False)
class FederatedLogistic:
    """A model of which bin of Dice a case falls into, and the standardisation that goes before it.

    Args:
        model: as `BinModel.fit` makes it of all cases in one place.
        standard: of the columns.
        rounds: how many were needed.
    """

    model: BinModel
    standard: Standard
    rounds: int


@federated_jobs.register("logistic")
class LogisticJob:
    """Multinomial logistic regression, balanced bins, ridge penalty C = 1: what `BinModel.fit` finds on pooled cases.

    1. Sites, cases, patients, and rough coordinates of the columns.
    2. Exact means and variances of the columns, and how many cases fall into each bin of Dice.
    3. and on: loss, gradient and Hessian at the coefficients that the totals so far lead to. A step that does not
       lower the loss is halved. Over when no entry of the gradient is above 1e-9, after 6 to 12 rounds as a rule.

    In float64, and rounded to the stated step, coefficients are within 1e-8 of those of pooled training. Bins that
    no site has are left out, as are columns that nowhere vary. Two bins are one regression, as in scikit-learn.

    The total of round 2 tells how many cases of all sites fall into each bin, as the trained model does.

    Args:
        column_count: C.
        centre, unit: (C,) where columns are expected and how far they spread (`Units`); by default 0 and 1.
        fewest_patients: of all sites together, below which no later round is answered.
        most_rounds: to give up after.
    """

    def __init__(
        self,
        column_count: int,
        *,
        centre: ArrayLike | None = None,
        unit: ArrayLike | None = None,
        fewest_patients: int = FEWEST_PATIENTS,
        most_rounds: int = 40,
    ) -> None:
        columns = Units.given(column_count, centre, unit)
        self.column_count = column_count
        self.units = Units(np.append(columns.centre, 0.0), np.append(columns.unit, 1.0))  # the bin, beside them
        self.fewest_patients = fewest_patients
        self.most_rounds = most_rounds

    def finished(self, totals: Totals) -> bool:
        """When the gradient has vanished."""
        if totals:
            Cohort.of(totals[0]).checked(self.fewest_patients)
            check_same_cohort(totals)
        done = len(totals) > 2 and self._walk(totals).arrived
        if not done and len(totals) >= self.most_rounds:
            raise NotConverged(f"The coefficients have not settled in {self.most_rounds} rounds.")
        return done

    def size(self, totals: Totals) -> int:
        """4 + 2 (C + 1), then 4 + 2 C + 5, then loss, gradient and Hessian."""
        if not totals:
            return self.units.opening_size()
        if len(totals) == 1:
            return HEADING + 2 * self.column_count + BIN_COUNT
        return HEADING + self._standard(totals).problem.size

    def bounds(self, totals: Totals) -> Bounds:
        """Derivatives are means over all cases of columns that are cut off at 5; the loss follows the coefficients."""
        if not totals:
            return self.units.opening_bounds()
        largest = 2.0 if len(totals) == 1 else 1024.0
        return Bounds(largest, largest * np.sqrt(self.size(totals)), STEP)

    def contribution(self, totals: Totals, data: LocalCases) -> Float64Array:
        """One site's vector of the next round."""
        own = self.units.opening(data.rows)
        if not totals:
            return own
        self.finished(totals)
        if len(data.columns) == 0:
            return np.zeros(self.size(totals))
        heading = shares(own, totals[0])
        if len(totals) == 1:
            coordinates = self.units.coordinates(totals[0])
            scaled = coordinates.of(data.rows.rows)[:, :-1]
            counts = np.bincount(bins_of(data.dice), minlength=BIN_COUNT).astype(np.float64)
            sums = np.concatenate([scaled.sum(axis=0), np.square(scaled).sum(axis=0), counts])
            return np.concatenate([heading, sums / coordinates.cohort.rows])
        standard, walk = self._standard(totals), self._walk(totals)
        derivatives = standard.problem.derivatives(walk.next, standard.columns(data.columns), bins_of(data.dice))
        return np.concatenate([heading, derivatives])

    def result(self, totals: Totals) -> FederatedLogistic:
        """The model of all cases."""
        if not self.finished(totals):
            raise NotConverged("The coefficients have not settled yet.")
        standard = self._standard(totals)
        table = standard.problem.table(self._walk(totals).next)
        model = BinModel(standard.bins, standard.frequencies, np.ascontiguousarray(table[:, :-1]), table[:, -1])
        return FederatedLogistic(model, standard, len(totals))

    def _standard(self, totals: Totals) -> Standard:
        coordinates, columns = self.units.coordinates(totals[0]), self.column_count
        sums, squares, shared = np.split(totals[1][HEADING:], [columns, 2 * columns])
        variance = np.maximum(squares - np.square(sums), 0.0)
        used = np.flatnonzero(variance > CONSTANT)
        counts = np.round(shared * coordinates.cohort.rows)
        bins = np.flatnonzero(counts)
        if used.size == 0 or bins.min() >= FAILED_BINS or bins.max() < FAILED_BINS:
            raise TooFewCases("A quality model needs failed and good masks, and an input that tells them apart.")
        return Standard(
            used=used,
            means=(coordinates.centre[:-1] + coordinates.spread[:-1] * sums)[used],
            deviations=coordinates.spread[:-1][used] * np.sqrt(variance[used]),
            bins=bins.astype(np.int64),
            frequencies=counts[bins] / counts.sum(),
            cohort=coordinates.cohort,
        )

    def _walk(self, totals: Totals) -> Walk:
        problem = self._standard(totals).problem
        return Walk.along(problem, [total[HEADING:] for total in totals[2:]])
