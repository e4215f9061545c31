"""In which plane an image was cut into slices: what remains of its view once it lies in the patient's axes."""

from typing import Literal

from hospital_agent.analysis.imaging.volume import Volume

SlicePlane = Literal["axial", "coronal", "sagittal", "isotropic"]
PLANES: tuple[SlicePlane, ...] = ("axial", "coronal", "sagittal")  # slices along Z, along Y, along X
THICKER = 1.5  # times the longer side of a pixel; below that nobody can say how the image was cut


def slice_plane(volume: Volume) -> SlicePlane:
    """The plane of the slices: that across the axis along which voxels are clearly longest, or that has one alone.

    A volume is turned to the nearest axes of the patient when it is read, so the short and the long axis of a heart,
    which lie obliquely, are two planes where their slices are stacked along different axes, and else one.
    """
    single = [axis for axis, count in enumerate(volume.shape) if count == 1]
    if len(single) == 1:
        return PLANES[single[0]]
    axis = max(range(3), key=lambda one: volume.spacing_mm[one])
    others = [length for one, length in enumerate(volume.spacing_mm) if one != axis]
    return PLANES[axis] if volume.spacing_mm[axis] > THICKER * max(others) else "isotropic"
