"""From whatever named scores there are to columns on one scale: the normal score of each among the training cases."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from hospital_agent.analysis.quality import Scores
from hospital_agent.analysis.quality.inputs import Float64Array

FEWEST_KNOWN, FEWEST_DISTINCT = 5, 3  # training cases behind a scale
KNOTS = 33  # a scale of thousands of values is kept as this many of its quantiles
BEYOND = 1.0  # by how much a value outside the training range may exceed its end


@dataclass(frozen=True)
class FusedInput:
    """One named score and its normal scores: what a standard normal variable has at the same share of the cases.

    Distances, counts, volumes and probabilities then have one scale and no tail that could drown the others, whatever
    the network. Outside the training range the scale goes on in a straight line, by at most 1: what no training case
    ever reached counts for more than all of them, and never for everything.

    Args:
        name: as given.
        knots: increasing values of the score.
        levels: the normal score at each knot, not decreasing.
    """

    name: str
    knots: tuple[float, ...]
    levels: tuple[float, ...]

    @classmethod
    def fit(cls, name: str, values: Float64Array) -> "FusedInput | None":
        """From the training values, NaN where undefined; None where they are too few or hardly vary."""
        from scipy.special import ndtri

        known = values[~np.isnan(values)]
        distinct, counts = np.unique(known, return_counts=True)
        if known.size < FEWEST_KNOWN or distinct.size < FEWEST_DISTINCT:
            return None
        levels = ndtri((np.cumsum(counts) - counts / 2) / known.size)
        kept = np.unique(np.linspace(0, distinct.size - 1, KNOTS).round().astype(int))
        return cls(name, tuple(distinct[kept].tolist()), tuple(levels[kept].tolist()))

    def scores(self, values: Float64Array) -> Float64Array:
        """(N,) normal scores; 0, the middle of training, where a value is undefined."""
        knots, levels = np.array(self.knots), np.array(self.levels)
        inside = np.interp(values, knots, levels)
        tail = max(2, len(knots) // 10)
        up = (levels[-1] - levels[-tail]) / (knots[-1] - knots[-tail])
        down = (levels[tail - 1] - levels[0]) / (knots[tail - 1] - knots[0])
        with np.errstate(over="ignore", invalid="ignore"):
            above = np.minimum(up * np.maximum(values - knots[-1], 0.0), BEYOND)
            below = np.minimum(down * np.maximum(knots[0] - values, 0.0), BEYOND)
        found: Float64Array = np.where(np.isnan(values), 0.0, inside + above - below)
        return found


@dataclass(frozen=True)
class FusedColumns:
    """The columns that the fused model looks at: one normal score for each input that training knew."""

    inputs: tuple[FusedInput, ...]

    @classmethod
    def fit(cls, table: Float64Array, names: Sequence[str]) -> Self:
        """From (N, names) training values, NaN where undefined."""
        fitted = (FusedInput.fit(name, table[:, i]) for i, name in enumerate(names))
        return cls(tuple(item for item in fitted if item is not None))

    @property
    def names(self) -> tuple[str, ...]:
        """The input of each column."""
        return tuple(item.name for item in self.inputs)

    def columns(self, rows: Sequence[Scores]) -> Float64Array:
        """(N, C); every number is finite."""
        table = table_of(rows, self.names)
        return np.column_stack([item.scores(table[:, i]) for i, item in enumerate(self.inputs)])

    def to_json(self) -> list[dict[str, Any]]:
        """Everything, as JSON values."""
        return [asdict(item) for item in self.inputs]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Self:
        """The columns again; a wrong shape raises KeyError, TypeError or ValueError."""
        inputs = tuple(
            FusedInput(str(item["name"]), tuple(map(float, item["knots"])), tuple(map(float, item["levels"])))
            for item in data
        )
        if not inputs or not all(_sound(item) for item in inputs):
            raise ValueError("The inputs of a fused model are damaged.")
        return cls(inputs)


def table_of(cases: Sequence[Scores], names: Sequence[str]) -> Float64Array:
    """(N, names) values; NaN where undefined, missing or not finite."""
    table = np.array([[case.get(name) for name in names] for case in cases], dtype=np.float64)
    table = table.reshape(len(cases), len(names))
    return np.where(np.isfinite(table), table, np.nan)


def _sound(item: FusedInput) -> bool:
    knots, levels = np.array(item.knots), np.array(item.levels)
    if knots.size < 2 or knots.shape != levels.shape or not np.isfinite([knots, levels]).all():
        return False
    return bool((np.diff(knots) > 0).all() and (np.diff(levels) >= 0).all())
