"""One CT or MR volume: an array, where it lies in space, and nothing about whom it shows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import InvalidVolume

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Triple = tuple[float, float, float]
Shape = tuple[int, int, int]
Modality = Literal["CT", "MR"]
BODY_ABOVE = 0.1


@dataclass(frozen=True, eq=False)
class Volume:
    """An image with its geometry, always in one orientation.

    Axes are `(Z, Y, X)`: Z runs from feet to head, Y from front to back, X from the patient's right to left (LPS).
    Whoever loads a file reorients it to this; nobody downstream looks at an orientation again.

    Args:
        array: (Z, Y, X), finite; HU for CT.
        spacing_mm: distance between voxel centres along (Z, Y, X), all > 0.
        origin_mm: LPS position (x, y, z) of the centre of voxel (0, 0, 0).
        modality: "CT" or "MR".

    Raises:
        InvalidVolume: not three axes, an empty axis, a value that is not finite, or a spacing that cannot be.
    """

    array: NDArray[np.float32] | NDArray[np.int16]
    spacing_mm: Triple
    origin_mm: Triple = (0.0, 0.0, 0.0)
    modality: Modality = "CT"

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise InvalidVolume(f"A volume has three axes, not {self.array.ndim}.")
        if 0 in self.array.shape:
            raise InvalidVolume("A volume cannot have an axis of length 0.")
        if len(self.spacing_mm) != 3 or not all(np.isfinite(s) and s > 0 for s in self.spacing_mm):
            raise InvalidVolume("The spacing of a volume is three positive lengths in mm.")
        if not np.isfinite(self.array).all():
            raise InvalidVolume("The volume holds values that are not finite numbers.")

    @property
    def shape(self) -> Shape:
        """(Z, Y, X)."""
        z, y, x = self.array.shape
        return z, y, x

    @cached_property
    def body_intensities(self) -> tuple[float, float] | None:
        """Mean and SD of the numbers inside the body, the scale of an image whose numbers have no unit (MR).

        The body is what is brighter than a tenth of the way from the 1st to the 99th percentile: air and a frame of
        zeros are darker. Another gain or offset of the scanner moves the scale
        along; in a tight crop the darkest tenth of the range is left out as well. None where the image does not vary.
        """
        dark, bright = np.percentile(self.array, (1, 99))
        body = self.array[self.array > dark + BODY_ABOVE * (bright - dark)]
        spread = float(body.std(dtype=np.float64)) if body.size else 0.0
        return (float(body.mean(dtype=np.float64)), spread) if spread > 0 else None

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(np.prod(self.spacing_mm)) / 1000.0
