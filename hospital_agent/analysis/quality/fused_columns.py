"""From whatever named scores there are to columns that all point the same way: up is worse."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.quality import Scores
from hospital_agent.analysis.quality.inputs import Float64Array
from shared.quantities import Direction

TOGETHER_COLUMNS = 2
HIGHEST = 3  # how many of the worst scores make the column of the worst
FEWEST_UNDEFINED = 2  # patients with, and patients without a value, before its absence is taken to mean anything
LEAST_CORRELATION = 0.1  # rank correlation with the truth below which a score has no voice in the means
FARTHEST = 1e6  # spreads


@dataclass(frozen=True)
class FusedInput:
    """One named score and how it is put on a common scale.

    Args:
        name: as given.
        direction: which way is worse.
        log_offset: None takes the value as it is; a number takes log10(offset + value), for what has a heavy tail.
        centre, spread: median and robust SD of the training cases on that scale; spread > 0.
        indicator: whether being undefined has a column of its own.
        counted: whether it points the declared way in training, and so has a voice in the means over all scores.
    """

    name: str
    direction: Direction
    log_offset: float | None
    centre: float
    spread: float
    indicator: bool
    counted: bool

    @classmethod
    def fit(
        cls, name: str, direction: Direction, values: Float64Array, badness: Float64Array, patients: NDArray[np.str_]
    ) -> "FusedInput | None":
        """From the training values, NaN where undefined, and how bad their masks are; None where nothing varies."""
        known = values[~np.isnan(values)]
        if np.unique(known).size < 2:
            return None
        offset = _log_offset(known)
        scaled = known if offset is None else np.log10(offset + known)
        low, high = np.percentile(scaled, [25, 75])
        spread = float(high - low) / 1.349 or float(scaled.std())
        if not 0 < spread < np.inf:
            return None
        missing = np.isnan(values)
        seen = min(np.unique(patients[missing]).size, np.unique(patients[~missing]).size)
        sign = {"higher_is_worse": 1.0, "higher_is_better": -1.0, "neither": 0.0}[direction]
        counted = sign * rank_correlation(known, badness[~missing]) > LEAST_CORRELATION
        return cls(name, direction, offset, float(np.median(scaled)), spread, seen >= FEWEST_UNDEFINED, counted)

    def distance(self, values: Float64Array) -> Float64Array:
        """(N,) signed distance from the median in spreads, up is worse unless "neither"; NaN where undefined."""
        scaled = values if self.log_offset is None else np.log10(self.log_offset + np.maximum(values, 0.0))
        sign = -1.0 if self.direction == "higher_is_better" else 1.0
        return np.clip(sign * (scaled - self.centre) / self.spread, -FARTHEST, FARTHEST)


@dataclass(frozen=True)
class FusedColumns:
    """The columns that the fused model looks at, and the sign that each may have.

    - A score with a direction gives one column: asinh of its distance from the training median in robust SDs. asinh
      is near linear inside the training range and like a logarithm far outside: what no training shift ever reached
      still counts for more, and never for everything. The column may only speak for worse.
    - A quantity that is suspicious both ways gives its distance, free to speak for either, and the size of the
      distance, which may only speak for worse.
    - An undefined value counts as the median; where training knew it undefined in two patients, a column says so.
    - The mean over all scores that point their declared way in training, and over the three worst of them: a shift
      that nobody has seen may move other scores than the training shifts did, and these two do not care which.
    """

    inputs: tuple[FusedInput, ...]

    @classmethod
    def fit(
        cls,
        table: Float64Array,
        directions: Mapping[str, Direction],
        badness: Float64Array,
        patients: NDArray[np.str_],
    ) -> Self:
        """From (N, names) training values, NaN where undefined; the names are those of `directions`, in order."""
        fitted = (
            FusedInput.fit(name, way, table[:, i], badness, patients)
            for i, (name, way) in enumerate(directions.items())
        )
        return cls(tuple(item for item in fitted if item is not None))

    @property
    def layout(self) -> tuple[tuple[str, int], ...]:
        """Of each column the input that it belongs to ("" for those of all) and its sign: 1 only worse, 0 free."""
        ways = [(item.name, 0 if item.direction == "neither" else 1) for item in self.inputs]
        sizes = [(item.name, 1) for item in self.inputs if item.direction == "neither"]
        absent = [(item.name, 0) for item in self.inputs if item.indicator]
        together = [("", 1)] * TOGETHER_COLUMNS if self.together else []
        return (*ways, *sizes, *absent, *together)

    @property
    def signs(self) -> NDArray[np.int64]:
        """(C,) 1 where a column may only speak for worse, 0 where it is free."""
        return np.array([sign for _, sign in self.layout], dtype=np.int64)

    @property
    def together(self) -> bool:
        """Whether the last two columns are the means over scores."""
        return any(item.counted for item in self.inputs)

    @property
    def _directed(self) -> NDArray[np.bool_]:
        return np.array([item.direction != "neither" for item in self.inputs], dtype=np.bool_)

    def table(self, rows: Sequence[Scores]) -> Float64Array:
        """(N, inputs) values by name; NaN where a value is undefined, missing or not finite."""
        values = [[row.get(item.name) for item in self.inputs] for row in rows]
        table = np.array(values, dtype=np.float64).reshape(len(rows), len(self.inputs))
        return np.where(np.isfinite(table), table, np.nan)

    def columns(self, table: Float64Array) -> Float64Array:
        """(N, C) of `table` rows; every number is finite."""
        distances = np.column_stack([item.distance(table[:, i]) for i, item in enumerate(self.inputs)])
        known = ~np.isnan(distances)
        scaled = np.arcsinh(np.where(known, distances, 0.0))
        directed = self._directed
        parts = [scaled, np.abs(scaled[:, ~directed])]
        parts.append((~known)[:, [i for i, item in enumerate(self.inputs) if item.indicator]].astype(np.float64))
        if self.together:
            counted = np.array([item.counted for item in self.inputs], dtype=np.bool_)
            parts.append(_together(scaled[:, counted], known[:, counted]))
        return np.hstack(parts)

    def to_json(self) -> list[dict[str, Any]]:
        """Everything, as JSON values."""
        return [asdict(item) for item in self.inputs]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Self:
        """The columns again; a wrong shape raises KeyError, TypeError or ValueError."""
        inputs = tuple(FusedInput(**item) for item in data)
        ways = ("higher_is_worse", "higher_is_better", "neither")
        if not inputs or not all(item.spread > 0 and item.direction in ways for item in inputs):
            raise ValueError("The inputs of a fused model are damaged.")
        return cls(inputs)


def table_of(cases: Sequence[Scores], names: Sequence[str]) -> Float64Array:
    """(N, names) values; NaN where undefined or not finite."""
    table = np.array([[case.get(name) for name in names] for case in cases], dtype=np.float64)
    table = table.reshape(len(cases), len(names))
    return np.where(np.isfinite(table), table, np.nan)


def _together(scaled: Float64Array, known: NDArray[np.bool_]) -> Float64Array:
    """(N, 2) mean of the defined ones, and mean of the worst three."""
    mean = scaled.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    worst = np.sort(scaled, axis=1)[:, -HIGHEST:].mean(axis=1)
    return np.column_stack([mean, worst])


def rank_correlation(values: Float64Array, truth: Float64Array) -> float:
    """Spearman's, ties with their mean rank; 0 where one of them does not vary."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(values), rankdata(truth)])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    size = float(np.sqrt(np.prod(np.square(centred).sum(axis=1))))
    return float(centred[0] @ centred[1]) / size if size > 0 else 0.0


def _log_offset(known: Float64Array) -> float | None:
    """The offset under which the logarithm is less skewed than the value; None where the value is better as it is."""
    if known.min() < 0:
        return None
    offset = 0.01 * float(np.median(known)) or 0.01 * float(known.mean())
    if not 0 < offset < np.inf or not np.isfinite(known).all():
        return None
    return offset if _skewness(np.log10(offset + known)) < _skewness(known) else None


def _skewness(values: Float64Array) -> float:
    """Size of the skewness, 0 for a symmetric distribution."""
    scale = float(np.abs(values).max()) or 1.0
    centred = values / scale - np.mean(values / scale)
    spread = float(np.sqrt(np.mean(np.square(centred))))
    return abs(float(np.mean(centred**3))) / spread**3 if spread > 1e-12 else 0.0
