"""How unsure a network is at every voxel, and the regions over which that is averaged.

All maps of one segmentation are computed at most once, when the first score asks, and are dropped together with it.
"""

from collections.abc import Iterator
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import AnalysisError, GeometryMismatch
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Triple
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import maps

BOUNDARY_MM = 4.0
ROUNDING = 1e-4  # blended probabilities may leave [0, 1] by this much
SUM_ROUNDING = 1e-3  # and the classes of a voxel may sum to something this far from 1


class VoxelDoubt:
    """Voxelwise uncertainty of a network's answer, with the regions it may be averaged over.

    With two classes everything is told by the foreground probability. With more, the maps are scaled to the range they
    have for two, and foreground is any label.

    Args:
        probability: (Z, Y, X) float32 foreground probability, in [0, 1].
        spacing_mm: (Z, Y, X).
        class_probabilities: (C, Z, Y, X) float32 softmax, background first; looked at only when C > 2.

    Raises:
        AnalysisError: a value is not a probability (NaN included), or those of a voxel do not sum to 1.
        GeometryMismatch: the two lie on different grids.
    """

    def __init__(
        self, probability: FloatArray, spacing_mm: Triple, class_probabilities: FloatArray | None = None
    ) -> None:
        self.probability = _between_0_and_1(probability)
        self.softmax = self.probability
        self.spacing_mm = spacing_mm
        if class_probabilities is not None and class_probabilities.shape[0] > 2:
            self.softmax = _of_all_classes(class_probabilities, probability.shape)
            self.probability = 1 - self.softmax[0]
        self._at_temperature: dict[float, FloatArray] = {}

    @property
    def class_count(self) -> int:
        """Background included."""
        return maps.class_count(self.softmax)

    @cached_property
    def predicted(self) -> NDArray[np.uint8]:
        """(Z, Y, X): the predicted class, 0 is background; with two classes 1 where the probability is above 0.5."""
        return (self.probability > 0.5).view(np.uint8) if self.softmax.ndim == 3 else maps.predicted_class(self.softmax)

    @cached_property
    def foreground(self) -> BoolArray:
        """(Z, Y, X) bool: what the network takes for foreground, probability > 0.5; any label of several."""
        return self.predicted > 0

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
        """(Z, Y, X) float32: -sum p log2 p / log2 C, in [0, 1]; with two classes that is in bits."""
        return maps.entropy(self.softmax)

    @cached_property
    def one_minus_max(self) -> FloatArray:
        """(Z, Y, X) float32: 1 - the largest probability, in [0, 0.5]; with C > 2 classes times C / (2 (C - 1))."""
        return maps.one_minus_max(self.softmax)

    @cached_property
    def kl_from_uniform(self) -> FloatArray:
        """(Z, Y, X) float32: KL(u || p) in bits, a *confidence*: 0 is ignorance, `maps.largest_kl(C)` is certain."""
        return maps.kl_from_uniform(self.softmax)

    def one_minus_max_at(self, temperature: float) -> FloatArray:
        """(Z, Y, X) float32: `one_minus_max` of softmax(log p / T); each temperature is computed once."""
        if temperature not in self._at_temperature:
            self._at_temperature[temperature] = maps.one_minus_max_at(self.softmax, temperature)
        return self._at_temperature[temperature]

    def labels(self) -> Iterator[tuple[FloatArray, BoolArray]]:
        """Probability and predicted mask of every label, background left out."""
        if self.softmax.ndim == 3:
            yield self.probability, self.foreground
        else:
            for label in range(1, self.class_count):
                yield self.softmax[label], self.predicted == label


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
        known = VoxelDoubt(segmentation.probability, segmentation.working_spacing_mm, segmentation.class_probabilities)
        _doubts[segmentation] = known
    return known


def mean_over(values: FloatArray, region: BoolArray | None = None) -> float | None:
    """Mean in float64 over a region, or over everything; None over no voxel."""
    chosen = values if region is None else values[region]
    return float(chosen.mean(dtype=np.float64)) if chosen.size else None


def _between_0_and_1(probability: FloatArray) -> FloatArray:
    low, high = float(probability.min()), float(probability.max())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise AnalysisError("The probabilities of a segmentation lie between 0 and 1, and these do not.")
    inside = low >= 0 and high <= 1 and probability.dtype == np.float32
    return probability if inside else np.clip(probability, 0, 1).astype(np.float32)


def _of_all_classes(class_probabilities: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    if class_probabilities.shape[1:] != shape:
        raise GeometryMismatch("The probabilities of all classes lie on another grid than that of the foreground.")
    softmax = _between_0_and_1(class_probabilities)
    total = softmax.sum(axis=0)
    if not np.allclose(total, 1, rtol=0, atol=SUM_ROUNDING):
        raise AnalysisError("The probabilities of a voxel's classes sum to 1, and these do not.")
    return softmax


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
