"""Mergeable histograms on nested fixed edges.

A histogram is the only form in which the distribution of a quantity leaves a hospital. Its edges are fixed by the
quantity, never by the data, so that counting reveals nothing about a single case and sites can be added.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self

import numpy as np

from shared.errors import EdgesMismatch

Resolution = Literal[8, 16, 32]
RESOLUTIONS: tuple[Resolution, ...] = (8, 16, 32)


@dataclass(frozen=True)
class Histogram:
    """Counts between fixed cuts; bin i holds cuts[i-1] <= x < cuts[i] and the two ends are open.

    Args:
        cuts: strictly increasing, one fewer than counts; 7, 15 or 31 of them.
        counts: whole numbers >= 0.

    Raises:
        ValueError: the shapes do not fit or a count is negative.

    Example:
        >>> a = Histogram.of([0.1, 0.2, 5.0], cuts=tuple(range(31)))
        >>> (a + Histogram.zero(a.cuts)) == a
        True
        >>> a.coarsen(8).total
        3
    """

    cuts: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.counts) not in RESOLUTIONS or len(self.cuts) != len(self.counts) - 1:
            raise ValueError(f"A histogram has 8, 16 or 32 bins, not {len(self.counts)} with {len(self.cuts)} cuts.")
        if any(a >= b for a, b in pairwise(self.cuts)):
            raise ValueError("The cuts of a histogram must increase.")
        if any(count < 0 for count in self.counts):
            raise ValueError("A count cannot be negative.")

    @classmethod
    def zero(cls, cuts: Sequence[float]) -> Self:
        """The neutral element of addition."""
        return cls(tuple(cuts), (0,) * (len(cuts) + 1))

    @classmethod
    def of(cls, values: Iterable[float], cuts: Sequence[float]) -> Self:
        """Count finite values.

        Raises:
            ValueError: a value is NaN or infinite; undefined values are counted elsewhere, never here.
        """
        array = np.asarray(list(values), dtype=np.float64)
        if not np.isfinite(array).all():
            raise ValueError("Only finite values can be counted in a histogram.")
        bins = np.searchsorted(np.asarray(cuts, dtype=np.float64), array, side="right")
        counts = np.bincount(bins, minlength=len(cuts) + 1)
        return cls(tuple(cuts), tuple(int(count) for count in counts))

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    @property
    def resolution(self) -> int:
        """The number of bins: 8, 16 or 32."""
        return len(self.counts)

    def __add__(self, other: "Histogram") -> "Histogram":
        if self.cuts != other.cuts:
            raise EdgesMismatch("Histograms on different edges cannot be added; coarsen them to common edges first.")
        return Histogram(self.cuts, tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    def coarsen(self, resolution: int) -> "Histogram":
        """The same values on fewer bins.

        Raises:
            EdgesMismatch: the wanted resolution is finer than this one, or is not 8, 16 or 32.
        """
        if resolution not in RESOLUTIONS or resolution > self.resolution:
            raise EdgesMismatch(f"A histogram of {self.resolution} bins cannot be shown on {resolution}.")
        step = self.resolution // resolution
        counts = tuple(sum(self.counts[i : i + step]) for i in range(0, self.resolution, step))
        return Histogram(self.cuts[step - 1 :: step], counts)


def common(first: Histogram, second: Histogram) -> tuple[Histogram, Histogram]:
    """Both histograms on the finest resolution that both have.

    Raises:
        EdgesMismatch: they do not come from the same nested edges.
    """
    resolution = min(first.resolution, second.resolution)
    a, b = first.coarsen(resolution), second.coarsen(resolution)
    if a.cuts != b.cuts:
        raise EdgesMismatch("These histograms were counted on different edges and cannot be compared.")
    return a, b
