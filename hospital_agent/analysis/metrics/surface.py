"""How far apart the surfaces of two masks lie, in mm, where a reference exists."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.resample import bounding_box
from hospital_agent.analysis.imaging.volume import BoolArray, Triple

TOLERANCE_MM = 3.0
Distances = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distance from every surface voxel of one mask to the nearest surface voxel of the other, both ways.

    A surface voxel is a foreground voxel that has a background voxel, or the end of the grid, at one of its six faces;
    distances run between voxel centres. Surface elements all weigh the same, so on very uneven voxels the thick
    direction is under-represented, as in most implementations (surface-distance of DeepMind weighs by area).

    Args:
        from_mask: (M,) mm, from the mask to the reference.
        from_reference: (R,) mm, from the reference to the mask.
    """

    from_mask: Distances
    from_reference: Distances

    def surface_dice(self, tolerance_mm: float = TOLERANCE_MM) -> float:
        """Share of both surfaces that lies within a tolerance of the other, in [0, 1]; higher is better.

        Source: Nikolov et al. 2018, "surface DSC at tolerance"; counted in surface voxels instead of areas.
        """
        within = np.count_nonzero(self.from_mask <= tolerance_mm + 1e-9)
        within += np.count_nonzero(self.from_reference <= tolerance_mm + 1e-9)
        return int(within) / (self.from_mask.size + self.from_reference.size)

    @property
    def hausdorff_mm(self) -> float:
        """The farthest that any surface voxel of one lies from the other's surface, in mm; lower is better."""
        return float(max(self.from_mask.max(), self.from_reference.max()))

    @property
    def hd95_mm(self) -> float:
        """The larger of the two directions' 95th percentiles, in mm; lower is better.

        Libraries differ: some take the percentile of both directions together (medpy), which is never larger.
        """
        return float(max(np.percentile(self.from_mask, 95), np.percentile(self.from_reference, 95)))

    @property
    def assd_mm(self) -> float:
        """Mean over both surfaces together (average symmetric surface distance), in mm; lower is better."""
        return float(np.concatenate([self.from_mask, self.from_reference]).mean())


def surface_distances(mask: BoolArray, reference: BoolArray, spacing_mm: Triple) -> SurfaceDistances | None:
    """Measure both ways between the surfaces of two masks.

    Args:
        mask, reference: (Z, Y, X) on one grid.
        spacing_mm: (Z, Y, X), > 0.

    Returns:
        None where either mask is empty: there is no surface to measure to (methods: such a case is counted by name,
        `true_empty`, `missed_all` or `false_only`, and its distances are undefined, never 0 and never infinite).

    Raises:
        GeometryMismatch: the masks lie on different grids.
    """
    if mask.shape != reference.shape:
        raise GeometryMismatch(f"The mask has {mask.shape} voxels and the reference {reference.shape}.")
    a, b = np.asarray(mask, dtype=np.bool_), np.asarray(reference, dtype=np.bool_)
    box = bounding_box(a | b, spacing_mm)
    if box is None or not a.any() or not b.any():
        return None
    surface_a, surface_b = _surface(a[box]), _surface(b[box])
    to_a = ndimage.distance_transform_edt(~surface_a, sampling=spacing_mm)
    to_b = ndimage.distance_transform_edt(~surface_b, sampling=spacing_mm)
    return SurfaceDistances(from_mask=to_b[surface_a], from_reference=to_a[surface_b])


def surface_dice(
    mask: BoolArray, reference: BoolArray, spacing_mm: Triple, tolerance_mm: float = TOLERANCE_MM
) -> float | None:
    """Surface Dice at a tolerance in mm; None where both masks are empty, 0 where exactly one is, like Dice.

    Raises:
        GeometryMismatch: the masks lie on different grids.
    """
    distances = surface_distances(mask, reference, spacing_mm)
    if distances is not None:
        return distances.surface_dice(tolerance_mm)
    return 0.0 if np.any(mask) or np.any(reference) else None


def hd95_mm(mask: BoolArray, reference: BoolArray, spacing_mm: Triple) -> float | None:
    """95th percentile of the surface distance in mm; None where either mask is empty.

    Raises:
        GeometryMismatch: the masks lie on different grids.
    """
    distances = surface_distances(mask, reference, spacing_mm)
    return None if distances is None else distances.hd95_mm


def assd_mm(mask: BoolArray, reference: BoolArray, spacing_mm: Triple) -> float | None:
    """Average symmetric surface distance in mm; None where either mask is empty.

    Raises:
        GeometryMismatch: the masks lie on different grids.
    """
    distances = surface_distances(mask, reference, spacing_mm)
    return None if distances is None else distances.assd_mm


def _surface(mask: BoolArray) -> BoolArray:
    # Cropping to the masks' own box makes its faces count as the end of the grid: nothing of either lies beyond them.
    surface: BoolArray = mask & ~ndimage.binary_erosion(mask)
    return surface
