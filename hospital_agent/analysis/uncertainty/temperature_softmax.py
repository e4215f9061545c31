"""The largest probability of a softmax that was flattened first, at three temperatures over three regions."""

from typing import ClassVar, Literal

from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import uncertainty_scores
from hospital_agent.analysis.uncertainty.maps import least_at
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from hospital_agent.analysis.uncertainty.voxels import VoxelDoubt, doubt_of, mean_over
from shared.quantities import Quantity

Region = Literal["", "_foreground", "_away_from_boundary"]  # as names end: the whole image, or a part of it
REGIONS = {
    "": "whole image",
    "_foreground": "inside the predicted foreground",
    "_away_from_boundary": "away from the boundary",
}


def mean_at(doubt: VoxelDoubt, temperature: float, region: Region = "") -> float | None:
    """Mean of 1 - the largest of softmax(log p / T) over a region; None where the region is empty."""
    voxels = None
    if region:
        voxels = doubt.foreground if region == "_foreground" else doubt.away_from_boundary
    value = mean_over(doubt.one_minus_max_at(temperature), voxels)
    return None if value is None else min(max(value, least_at(temperature)), 0.5)  # a mean of float32 may step outside


class TemperatureSoftmax:
    """1 - mean largest probability of softmax(log p / T).

    A trained network's softmax is saturated; at a high temperature the differences between very sure and surest, which
    it hides, come back: for large T the value is near 0.5 - mean |log-odds| / (4 T). Even a certain voxel keeps
    1 / (1 + 2^(24/T)), since float32 cannot tell it from one at 2^-24; the range begins there, and is narrow.

    Source:
        Guo et al. 2017, as used by González et al. 2021 (T = 10, 100, 1000, mean over the image, inverted); differs:
        from the logarithm of the blended probabilities, not from the logits of each tile (see `maps`).
    """

    quantity: ClassVar[Quantity]
    temperature: ClassVar[int]
    region: ClassVar[Region]

    def __init_subclass__(cls, *, temperature: int, region: Region = "") -> None:
        low = least_at(temperature)
        cls.temperature, cls.region = temperature, region
        cls.quantity = uncertainty_quantity(
            f"temperature_softmax_{temperature}{region}",
            f"1 - mean largest probability at temperature {temperature}, {REGIONS[region]}",
            low=low,
            high=0.5,
        )

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [1 / (1 + 2^(24/T)), 0.5]; None without probabilities or without a voxel in the region."""
        doubt = doubt_of(segmentation)
        return None if doubt is None else mean_at(doubt, self.temperature, self.region)


@uncertainty_scores.register("temperature_softmax_10")
class TemperatureSoftmax10(TemperatureSoftmax, temperature=10):
    """1 - mean largest probability at T = 10 over the whole image."""


@uncertainty_scores.register("temperature_softmax_10_foreground")
class TemperatureSoftmax10Foreground(TemperatureSoftmax, temperature=10, region="_foreground"):
    """1 - mean largest probability at T = 10 where the network found foreground (any label)."""


@uncertainty_scores.register("temperature_softmax_10_away_from_boundary")
class TemperatureSoftmax10AwayFromBoundary(TemperatureSoftmax, temperature=10, region="_away_from_boundary"):
    """1 - mean largest probability at T = 10 farther than about 4 mm from the edge of the predicted foreground."""


@uncertainty_scores.register("temperature_softmax_100")
class TemperatureSoftmax100(TemperatureSoftmax, temperature=100):
    """1 - mean largest probability at T = 100 over the whole image."""


@uncertainty_scores.register("temperature_softmax_100_foreground")
class TemperatureSoftmax100Foreground(TemperatureSoftmax, temperature=100, region="_foreground"):
    """1 - mean largest probability at T = 100 where the network found foreground (any label)."""


@uncertainty_scores.register("temperature_softmax_100_away_from_boundary")
class TemperatureSoftmax100AwayFromBoundary(TemperatureSoftmax, temperature=100, region="_away_from_boundary"):
    """1 - mean largest probability at T = 100 farther than about 4 mm from the edge of the predicted foreground."""


@uncertainty_scores.register("temperature_softmax_1000")
class TemperatureSoftmax1000(TemperatureSoftmax, temperature=1000):
    """1 - mean largest probability at T = 1000 over the whole image."""


@uncertainty_scores.register("temperature_softmax_1000_foreground")
class TemperatureSoftmax1000Foreground(TemperatureSoftmax, temperature=1000, region="_foreground"):
    """1 - mean largest probability at T = 1000 where the network found foreground (any label)."""


@uncertainty_scores.register("temperature_softmax_1000_away_from_boundary")
class TemperatureSoftmax1000AwayFromBoundary(TemperatureSoftmax, temperature=1000, region="_away_from_boundary"):
    """1 - mean largest probability at T = 1000 farther than about 4 mm from the edge of the predicted foreground."""
