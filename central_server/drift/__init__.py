"""Distances of a window from the site's baseline, one a file. Shown with their null bands, never paging.

A fixed cut-off on any of them would page small sites for being small: at 14 cases a window differs from its own
baseline by chance alone. Each distance is therefore told with where it lies by chance at these very sizes.
"""

from collections.abc import Callable
from typing import Literal

from shared.read_models import DriftStatistic
from shared.registry import Registry
from shared.statistics.null_bands import BandedDistance, Distances, distances
from shared.summaries import Histogram

Drift = Callable[[Distances, str], DriftStatistic]
"""Picks one distance and words it; the second argument is the quantity's unit."""

drift_statistics: Registry[Drift] = Registry("drift statistic")


def measure(current: Histogram, baseline: Histogram, unit: str) -> tuple[DriftStatistic, ...] | None:
    """Every registered distance of a window from its baseline; None where one of them is empty.

    Raises:
        EdgesMismatch: the two were not counted on the same nested edges.
    """
    found = distances(baseline, current)
    if found is None:
        return None
    return tuple(statistic(found, unit) for _, statistic in drift_statistics.load("central_server.drift").items())


def told(
    name: Literal["jensen_shannon", "wasserstein", "psi"], unit: str, distance: BandedDistance, note: str
) -> DriftStatistic:
    """A distance in the form in which the API tells it."""
    return DriftStatistic(
        name=name,
        unit=unit,
        value=distance.value,
        null_median=distance.null_median,
        null_high=distance.null_high,
        note=note,
    )
