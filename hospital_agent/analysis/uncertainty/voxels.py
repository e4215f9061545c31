"""How unsure a network is at every voxel, and the regions over which that is averaged.

All maps of one segmentation are computed at most once, when the first score asks, and are dropped together with it.
"""

import math
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from hospital_agent.analysis.errors import AnalysisError
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Triple
from hospital_agent.analysis.segmentation.base import Segmentation

BOUNDARY_MM = 4.0
AT_ONCE = 1 << 16  # voxels a block: small enough for every step of the entropy to stay in the cache
ROUNDING = 1e-4  # blended probabilities may leave [0, 1] by this much


class VoxelDoubt:
    """Voxelwise uncertainty of a foreground probability, with the regions it may be averaged over.

    Args:
        probability: (Z, Y, X) float32 foreground probability, in [0, 1].
        spacing_mm: (Z, Y, X).

    Raises:
        AnalysisError: a value is not a probability (NaN included).
    """

    def __init__(self, probability: FloatArray, spacing_mm: Triple) -> None:
        low, high = float(probability.min()), float(probability.max())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):
            raise AnalysisError("The probabilities of a segmentation lie between 0 and 1, and these do not.")
        inside = low >= 0 and high <= 1 and probability.dtype == np.float32
        self.probability = probability if inside else np.clip(probability, 0, 1).astype(np.float32)
        self.spacing_mm = spacing_mm

    @cached_property
    def foreground(self) -> BoolArray:
        """(Z, Y, X) bool: what the network takes for foreground, probability > 0.5."""
        return self.probability > 0.5

    @cached_property
    def away_from_boundary(self) -> BoolArray:
        """(Z, Y, X) bool: voxels farther than about 4 mm from the edge of the predicted foreground, on both sides.

        At an edge every network is unsure, about a surface and not about a finding; what is left tells more. The
        distance is a box of 4 mm rounded to whole voxels, at least one. Without an edge every voxel is away from it.
        """
        reach = [max(1, round(BOUNDARY_MM / spacing)) for spacing in self.spacing_mm]
        return ~(_dilated(self.foreground, reach) & _dilated(~self.foreground, reach))

    @cached_property
    def entropy(self) -> FloatArray:
        """(Z, Y, X) float32: -p log2 p - (1-p) log2 (1-p), in bits, in [0, 1]."""
        entropy = np.empty(self.probability.shape, dtype=np.float32)
        source, target = self.probability.reshape(-1), entropy.reshape(-1)
        for start in range(0, source.size, AT_ONCE):
            _entropy_into(source[start : start + AT_ONCE], target[start : start + AT_ONCE])
        return entropy

    @cached_property
    def one_minus_max(self) -> FloatArray:
        """(Z, Y, X) float32: 1 - max(p, 1 - p), in [0, 0.5]."""
        return np.minimum(self.probability, 1 - self.probability)


_doubts: "WeakKeyDictionary[Segmentation, VoxelDoubt]" = WeakKeyDictionary()


def doubt_of(segmentation: Segmentation) -> VoxelDoubt | None:
    """The maps of a segmentation, made once; None where it came without probabilities.

    Raises:
        AnalysisError: its probabilities are none.
    """
    if segmentation.probability is None or segmentation.working_spacing_mm is None:
        return None
    known = _doubts.get(segmentation)
    if known is None:
        known = VoxelDoubt(segmentation.probability, segmentation.working_spacing_mm)
        _doubts[segmentation] = known
    return known


def mean_over(values: FloatArray, region: BoolArray | None = None) -> float | None:
    """Mean in float64 over a region, or over everything; None over no voxel."""
    chosen = values if region is None else values[region]
    return float(chosen.mean(dtype=np.float64)) if chosen.size else None


def _entropy_into(probability: FloatArray, target: FloatArray) -> None:
    tiny = np.finfo(np.float32).tiny
    other = 1 - probability
    np.log(np.maximum(probability, tiny), out=target)
    target *= probability
    target += other * np.log(np.maximum(other, tiny))
    target *= np.float32(-1 / math.log(2))
    np.clip(target, 0, 1, out=target)


def _dilated(mask: BoolArray, reach: list[int]) -> BoolArray:
    """The mask grown by a box of `reach` voxels to each side; what lies outside the array adds nothing."""
    for axis, steps in enumerate(reach):
        grown, before = mask.copy(), np.moveaxis(mask, axis, 0)
        after = np.moveaxis(grown, axis, 0)
        for step in range(1, min(steps, mask.shape[axis] - 1) + 1):
            after[step:] |= before[:-step]
            after[:-step] |= before[step:]
        mask = grown
    return mask
