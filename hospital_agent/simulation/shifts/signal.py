"""An image as shifts see it: never negative, 0 where nothing answers, about 1 in bright tissue."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from hospital_agent.analysis.imaging.volume import FloatArray, Volume

AIR_HU, HIGHEST_HU = -1024.0, 3071.0
WATER = 1024.0  # HU + 1024 of water
BRIGHT_PERCENTILE = 99.0


@dataclass(frozen=True, eq=False)
class Signal:
    """Values of a volume on a scale that all scanners share.

    Args:
        values: (Z, Y, X), >= 0. For CT (HU + 1024) / 1024, so that air is 0 and water 1. For MR the volume over its
            99th percentile, after subtracting its minimum where that is negative (a normalised image).
        blank: what an empty part of the image holds, in the same units: 0 for CT, the smallest value for MR.
        is_ct: HU have a fixed meaning and a narrow useful range, so multiplicative shifts are milder there.
        offset, scale: volume = values * scale + offset.
    """

    values: FloatArray
    blank: float
    is_ct: bool
    offset: float
    scale: float

    @classmethod
    def of(cls, volume: Volume) -> Self:
        """Read a volume; values that CT cannot store are clipped."""
        array = _in_range(volume)
        if volume.modality == "CT":
            return cls((array - np.float32(AIR_HU)) / np.float32(WATER), 0.0, True, AIR_HU, WATER)
        lowest = float(array.min())
        offset = min(lowest, 0.0)
        raised = array - np.float32(offset)
        # An image that is nearly all background has its 99th percentile there, and a blank one has no scale at all.
        scale = float(np.percentile(raised, BRIGHT_PERCENTILE)) or float(raised.max()) or 1.0
        return cls(raised / np.float32(scale), (lowest - offset) / scale, False, offset, scale)

    @property
    def inplane_unit(self) -> float:
        """How many voxels "a little" is in the plane: 1 at 64 voxels, 2 at 256, 0.75 at 36.

        A blur of three voxels hides a hippocampus of eight and hardly touches a heart of sixty; a blur of 3 % of the
        field of view does the contrary. The square root lies between the two.
        """
        return float(np.sqrt(min(self.values.shape[1:]) / 64.0))

    def restored(self, changed: FloatArray, volume: Volume) -> Volume:
        """A volume like the one this signal was read from, with changed values."""
        original = _in_range(volume)
        array = np.maximum(changed, np.float32(0.0)) * np.float32(self.scale) + np.float32(self.offset)
        if self.is_ct:
            array = np.clip(array, AIR_HU, HIGHEST_HU)
        array = np.where(changed == self.values, original, array).astype(np.float32, copy=False)
        return Volume(array, volume.spacing_mm, volume.origin_mm, volume.modality)


def _in_range(volume: Volume) -> FloatArray:
    array = volume.array.astype(np.float32)
    return np.clip(array, AIR_HU, HIGHEST_HU) if volume.modality == "CT" else array
