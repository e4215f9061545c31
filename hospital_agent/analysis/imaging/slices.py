"""How an image was cut into slices: what remains of its view once it lies in the patient's axes, and how fine it is."""

from dataclasses import dataclass
from math import hypot
from typing import Literal

from hospital_agent.analysis.imaging.volume import Volume

SlicePlane = Literal["axial", "coronal", "sagittal", "isotropic"]
PLANES: tuple[SlicePlane, ...] = ("axial", "coronal", "sagittal")  # slices along Z, along Y, along X
THICKER = 1.5  # times the longer side of a pixel; below that nobody can say how the image was cut


@dataclass(frozen=True)
class Slices:
    """The slices of an image.

    Args:
        plane: across the axis along which voxels are clearly longest, or that has one voxel alone.
        pixel_mm: from a pixel to its diagonal neighbour, >= 0; on this grid a surface moves by no less to be told apart
            from one that another rounding put there.
    """

    plane: SlicePlane = "isotropic"
    pixel_mm: float = 0.0


def slices_of(volume: Volume) -> Slices:
    """The slices of a volume.

    A volume is turned to the nearest axes of the patient when it is read, so the short and the long axis of a heart,
    which lie obliquely, are two planes where their slices are stacked along different axes, and else one.
    """
    plane = _plane(volume)
    across = PLANES.index(plane) if plane in PLANES else max(range(3), key=lambda one: volume.spacing_mm[one])
    return Slices(plane, hypot(*(length for one, length in enumerate(volume.spacing_mm) if one != across)))


def _plane(volume: Volume) -> SlicePlane:
    single = [axis for axis, count in enumerate(volume.shape) if count == 1]
    if len(single) == 1:
        return PLANES[single[0]]
    axis = max(range(3), key=lambda one: volume.spacing_mm[one])
    others = [length for one, length in enumerate(volume.spacing_mm) if one != axis]
    return PLANES[axis] if volume.spacing_mm[axis] > THICKER * max(others) else "isotropic"
