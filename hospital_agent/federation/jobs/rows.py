"""Rows of features at a site, and the first round that finds where they lie and how far they spread.

The first round only chooses coordinates. It may be rough: later rounds count about its centre, carry the sum of what
is left over, and put it right exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from hospital_agent.federation.jobs import Bounds, Float64Array
from hospital_agent.federation.jobs.cohort import HEADING, MOST_ROWS, Cohort, opening, patient_count
from hospital_agent.federation.jobs.errors import NotFinite, OutOfBounds, WrongShape

REACH = 1024.0  # units: a feature farther from the stated centre is refused
OPENING_STEP = 2.0**-16
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class LocalRows:
    """(N, D) rows of features at one site, and the patient of each.

    Raises:
        WrongShape: not a table, or not one patient a row.
        NotFinite: a feature is not a finite number.
    """

    rows: Float64Array = field(repr=False)
    patients: Sequence[str] = field(repr=False)

    def __post_init__(self) -> None:
        table = np.asarray(self.rows, dtype=np.float64)
        if table.ndim != 2:
            raise WrongShape("Features are a table, one row a case or patch.")
        if not np.isfinite(table).all():
            raise NotFinite("The features of this site hold values that are not finite numbers.")
        object.__setattr__(self, "rows", table)
        patient_count(self.patients, table.shape[0])


@dataclass(frozen=True, eq=False)
class Units:
    """In which units features are expected, as everybody knows it before the job: from the shipped model reference.

    Args:
        centre: (D,) about where they lie.
        unit: (D,) > 0, about how far they spread. A feature may lie up to 1024 units off, and should not spread over
            less than a hundredth of one.
    """

    centre: Float64Array
    unit: Float64Array

    @classmethod
    def plain(cls, dimension: int) -> Self:
        """About 0, in units of 1."""
        return cls(np.zeros(dimension), np.ones(dimension))

    @classmethod
    def given(cls, dimension: int, centre: ArrayLike | None, unit: ArrayLike | None) -> Self:
        """Those that are given, plain ones for those that are not.

        Raises:
            WrongShape: not one finite centre and one finite unit above 0 a feature.
        """
        plain = cls.plain(dimension)
        found = cls(
            plain.centre if centre is None else np.asarray(centre, dtype=np.float64),
            plain.unit if unit is None else np.asarray(unit, dtype=np.float64),
        )
        whole = found.centre.shape == found.unit.shape == (dimension,)
        if not whole or not np.isfinite([found.centre, found.unit]).all() or not (found.unit > 0).all():
            raise WrongShape("Units are one finite centre and one finite unit above 0 for each feature.")
        return found

    def opening_size(self) -> int:
        """Numbers in the first round's vector: heading, sums, sums of squares."""
        return HEADING + 2 * self.centre.size

    def opening_bounds(self) -> Bounds:
        """Of the first round."""
        largest = MOST_ROWS * REACH**2
        return Bounds(largest, largest * np.sqrt(self.opening_size()), OPENING_STEP)

    def opening(self, data: LocalRows) -> Float64Array:
        """The first round's vector: heading, sum and sum of squares of each feature, in units about the centre.

        Raises:
            WrongShape: rows of another length.
            OutOfBounds: a feature lies farther off than the units allow, or there are too many rows.
        """
        if data.rows.shape[1] != self.centre.size:
            raise WrongShape(f"This job takes rows of {self.centre.size} features.")
        if data.rows.shape[0] > MOST_ROWS:
            raise OutOfBounds(f"This job takes at most {MOST_ROWS} rows of one site.")
        told = (data.rows - self.centre) / self.unit
        if told.size and np.abs(told).max() > REACH:
            raise OutOfBounds(f"A feature of this site lies more than {REACH:.0f} units from the stated centre.")
        payload = np.concatenate([told.sum(axis=0), np.square(told).sum(axis=0)])
        return opening(len(told), patient_count(data.patients, len(told)), payload)

    def coordinates(self, first_total: Float64Array) -> "Coordinates":
        """The centre and spread of everybody's features, roughly, from the first total."""
        cohort, dimension = Cohort.of(first_total), self.centre.size
        sums, squares = first_total[HEADING : HEADING + dimension], first_total[HEADING + dimension :]
        mean = sums / cohort.rows
        # What rounding may hide is added, so that a spread comes out too wide rather than too narrow, and never 0.
        hidden = 2 * OPENING_STEP * cohort.sites / cohort.rows + 8 * EPS * np.square(mean)
        variance = np.maximum(squares / cohort.rows - np.square(mean), 0.0) + hidden
        return Coordinates(self.centre + self.unit * mean, self.unit * np.sqrt(variance), cohort)


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Where features lie and how far they spread, roughly; a feature that does not vary has a small spread above 0.

    Args:
        centre, spread: (D,).
        cohort: over whom.
    """

    centre: Float64Array
    spread: Float64Array
    cohort: Cohort

    def of(self, rows: Float64Array) -> Float64Array:
        """(N, D) rows in these coordinates."""
        scaled: Float64Array = (rows - self.centre) / self.spread
        return scaled
