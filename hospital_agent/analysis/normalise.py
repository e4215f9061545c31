"""The scale of a score: what it was on validation cases of people whom the scoring network had never seen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ValidationRange:
    """Smallest, median and largest value of a score over validation cases.

    Raises:
        ValueError: the three are not finite and in order.
    """

    low: float
    median: float
    high: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.low, self.median, self.high))):
            raise ValueError("A validation range holds finite numbers.")
        if not self.low <= self.median <= self.high:
            raise ValueError("A validation range is given as smallest, median, largest.")

    def normalise(self, score: float) -> float | None:
        """(score - low) / (2 high - low), clipped to [0, 1]; None where the range has no width.

        Source: González et al. 2021, sec. 2.2: between the minimum and doubled maximum of validation.
        """
        width = 2 * self.high - self.low
        if width <= 0:
            return None
        return min(max((score - self.low) / width, 0.0), 1.0)

    def log10_ratio(self, score: float) -> float | None:
        """log10(score / median): 0 for an ordinary case, 1 for ten times the ordinary; None unless both are > 0."""
        if score <= 0 or self.median <= 0:
            return None
        return math.log10(score / self.median)


def normalised(values: Mapping[str, float | None], ranges: Mapping[str, ValidationRange]) -> dict[str, float | None]:
    """`<name>_normalised` of every value that has a validation range, in [0, 1]."""
    return {
        f"{name}_normalised": None if value is None else ranges[name].normalise(value)
        for name, value in values.items()
        if name in ranges
    }


def log_ratios(values: Mapping[str, float | None], ranges: Mapping[str, ValidationRange]) -> dict[str, float | None]:
    """`<name>_log10` of every value that has a validation range: 0 is an ordinary case."""
    return {
        f"{name}_log10": None if value is None else ranges[name].log10_ratio(value)
        for name, value in values.items()
        if name in ranges
    }
