"""What a number is: unit, direction, range, and the fixed edges on which it is counted.

Every feature and score of the agent declares one `Quantity`. Reports carry it along, so that the server and the
dashboard can show a quantity they have never heard of.
"""

import math
from dataclasses import dataclass
from typing import Literal

CUT_COUNT = 31  # 31 cuts make 32 bins with open ends; every 2nd makes 16, every 4th makes 8.

Direction = Literal["higher_is_worse", "higher_is_better", "neither"]


@dataclass(frozen=True)
class Quantity:
    """One measured number and how it is summarised.

    Args:
        name: as in the JSON of `hospital-agent analyse` and on the wire, e.g. "lesion_volume_ml".
        unit: a short word for people: "ml", "HU", "fraction", "count", "Dice", "".
        direction: which way is worse; "neither" where both ways are suspicious.
        low, high: the range a value can have; infinite ends are allowed.
        version: raised when the definition changes; values of two versions are never compared.
        cuts: 31 strictly increasing finite numbers. Bin i holds cuts[i-1] <= x < cuts[i]; the ends are open.
        label: what a person reads on a chart.
        monitored: whether it is watched for drift and summarised in reports.

    Raises:
        ValueError: the cuts are not 31 increasing finite numbers, or the range is empty.
    """

    name: str
    unit: str
    direction: Direction
    low: float
    high: float
    version: int
    cuts: tuple[float, ...]
    label: str
    monitored: bool = True

    def __post_init__(self) -> None:
        if len(self.cuts) != CUT_COUNT or not all(map(math.isfinite, self.cuts)):
            raise ValueError(f"Quantity '{self.name}' needs {CUT_COUNT} finite cuts, not {len(self.cuts)}.")
        if any(a >= b for a, b in zip(self.cuts, self.cuts[1:], strict=False)):
            raise ValueError(f"The cuts of quantity '{self.name}' must increase.")
        if not self.low < self.high:
            raise ValueError(f"The range of quantity '{self.name}' is empty.")

    def accepts(self, value: float) -> bool:
        """Whether a value can be this quantity: finite and inside the range."""
        return math.isfinite(value) and self.low <= value <= self.high


def linear_cuts(low: float, high: float) -> tuple[float, ...]:
    """31 equally spaced cuts strictly between low and high."""
    step = (high - low) / (CUT_COUNT + 1)
    return tuple(low + step * (i + 1) for i in range(CUT_COUNT))


def geometric_cuts(low: float, high: float) -> tuple[float, ...]:
    """31 cuts from low to high with equal ratios; for volumes and counts that span decades."""
    ratio = (high / low) ** (1 / (CUT_COUNT - 1))
    return tuple(low * ratio**i for i in range(CUT_COUNT))


def count_cuts(high: int) -> tuple[float, ...]:
    """31 half-integer cuts from 0.5 up to about `high`: single counts first, then growing steps."""
    cuts = [0.5]
    for i in range(1, CUT_COUNT):
        wanted = 0.5 + round((high - 1) * (i / (CUT_COUNT - 1)) ** 2)
        cuts.append(max(cuts[-1] + 1, wanted))
    return tuple(cuts)
