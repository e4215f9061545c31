"""The part of a quality model that learns: standardised columns in, how bad a mask is out. One form a file."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.quality import FAILED_BELOW_DICE
from hospital_agent.analysis.quality.attribution import contributions
from hospital_agent.analysis.quality.bins import bins_of
from hospital_agent.analysis.quality.inputs import Float64Array


class Estimator(Protocol):
    """A fitted function of the columns of `Encoding`, which are 0 at the training mean. Predicts with numpy alone."""

    part: ClassVar[str]  # its name in the JSON of a view

    @classmethod
    def fit(cls, columns: Float64Array, dice: Float64Array, seed: int) -> Self:
        """Learn from (N, C) columns and (N,) Dice; both failed and good cases are among them."""
        ...

    def failure_log_odds(self, columns: Float64Array) -> Float64Array:
        """(N,) a number that rises with the odds of failure; `Platt` makes calibrated log-odds of it."""
        ...

    def expected_dice(self, columns: Float64Array) -> tuple[Float64Array, Float64Array]:
        """(N,) predicted Dice in [0, 1], and (N,) the unit (> 0) in which its error is measured for the interval."""
        ...

    def likeliest_bin(self, columns: Float64Array) -> NDArray[np.int64]:
        """(N,) the predicted of five bins of Dice."""
        ...

    def contributions(self, column: Float64Array) -> Float64Array:
        """(C,) share of each column in failure_log_odds(case) - failure_log_odds(training mean)."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Everything fitted, as JSON values."""
        ...

    @classmethod
    def from_json(cls, data: Mapping[str, Any], columns: int) -> Self:
        """The function again; a wrong shape raises KeyError, TypeError or ValueError."""
        ...


class Regressor(ABC):
    """What estimators that answer with one number, a Dice, have in common.

    The number may leave [0, 1]; the predicted Dice is cut off there, the ranking is not. Its error is measured in
    Dice itself, so that every case has an interval of one width.
    """

    part: ClassVar[str] = "regressor"

    @abstractmethod
    def dice(self, columns: Float64Array) -> Float64Array:
        """(N,) predicted Dice, not yet cut off."""

    def failure_log_odds(self, columns: Float64Array) -> Float64Array:
        """(N,) by how much the predicted Dice falls short of 0.6."""
        return FAILED_BELOW_DICE - self.dice(columns)

    def expected_dice(self, columns: Float64Array) -> tuple[Float64Array, Float64Array]:
        """(N,) predicted Dice in [0, 1], and ones."""
        return np.clip(self.dice(columns), 0.0, 1.0), np.ones(len(columns))

    def likeliest_bin(self, columns: Float64Array) -> NDArray[np.int64]:
        """(N,) the bin of the predicted Dice."""
        return bins_of(self.expected_dice(columns)[0])

    def contributions(self, column: Float64Array) -> Float64Array:
        """(C,) Shapley values over sampled orders; they sum to the difference, and are exact for a linear answer."""
        return contributions(self.failure_log_odds, np.zeros(column.size), column)


def finite(numbers: Any, shape: tuple[int, ...]) -> Float64Array:
    """The numbers as an array of this shape (-1: any length).

    Raises:
        ValueError: another shape, or a number that is not finite.
    """
    array = np.array(numbers, dtype=np.float64)
    if array.size == 0 and -1 in shape:  # JSON forgets how wide a table without rows was
        array = array.reshape([max(length, 0) for length in shape])
    fits = array.ndim == len(shape) and all(w in (-1, n) for n, w in zip(array.shape, shape, strict=True))
    if not fits or not np.isfinite(array).all():
        raise ValueError("The numbers of an estimator do not fit its inputs.")
    return array
