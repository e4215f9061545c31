"""The rows of results.csv, looked up by what they are about and put together over seeds."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from hospital_agent.evaluation.cases import ALL, MACRO
from hospital_agent.evaluation.rows import UNSHIFTED
from hospital_agent.evaluation.summary import ResultRow

FEWEST_SEEDS_FOR_SD = 3


@dataclass(frozen=True)
class OverSeeds:
    """One number of one method in every seed where it is defined.

    Args:
        values: at least one, in the order of the seeds.
    """

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "OverSeeds | None":
        """Of what is defined; None where nothing is."""
        known = tuple(value for value in values if value is not None)
        return cls(known) if known else None

    @property
    def mean(self) -> float:
        """Over seeds."""
        return fmean(self.values)

    @property
    def sd(self) -> float | None:
        """Over at least three seeds, divided by one less than their number; None below that."""
        return stdev(self.values) if len(self.values) >= FEWEST_SEEDS_FOR_SD else None


@dataclass(frozen=True)
class Results:
    """All result rows of one task."""

    rows: Sequence[ResultRow]

    @cached_property
    def _by_place(self) -> dict[tuple[str, str, str], list[ResultRow]]:
        found: dict[tuple[str, str, str], list[ResultRow]] = defaultdict(list)
        for row in self.rows:
            found[row.method, row.shift, row.strength].append(row)
        return found

    @property
    def methods(self) -> tuple[str, ...]:
        """Names, in the order of the rows."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    @property
    def families(self) -> tuple[str, ...]:
        """Shift families, in the order of the rows."""
        return tuple(dict.fromkeys(row.shift for row in self.rows if row.shift not in (UNSHIFTED, MACRO)))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted({row.seed for row in self.rows}))

    @property
    def whole(self) -> tuple[str, str]:
        """Shift and strength of the rows that stand for the task: macro; unshifted where nothing was shifted."""
        return (MACRO, ALL) if self.families else (UNSHIFTED, "0")

    def of(self, method: str, column: str, shift: str, strength: str = ALL) -> OverSeeds | None:
        """One column over seeds; None where it is undefined in all."""
        return OverSeeds.of(getattr(row, column) for row in self._by_place.get((method, shift, strength), ()))

    def overall(self, method: str, column: str) -> OverSeeds | None:
        """The macro column; see `whole`."""
        return self.of(method, column, *self.whole)

    def ranked(self, column: str = "normalised_aurc") -> tuple[str, ...]:
        """Methods by the macro mean of a column, highest first, undefined ones last."""
        means = {name: self.overall(name, column) for name in self.methods}
        return tuple(sorted(means, key=lambda name: -mean_or(means[name], float("-inf"))))


def mean_or(found: OverSeeds | None, otherwise: float) -> float:
    """The mean, or what stands for an undefined one."""
    return otherwise if found is None else found.mean
