"""Grids in space: bring any axis-aligned array into the one orientation that the science knows."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import Triple
from hospital_agent.errors import GantryTilt, NoGeometry, ObliqueVolume

MAX_SHEAR_DEG = 1.0
MAX_ROTATION_DEG = 10.0
UNNOTICED_ROTATION_DEG = 1.0

LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

Affine = NDArray[np.float64]

_orientations: Any = nibabel.orientations  # nibabel declares types and gives none here


@dataclass(frozen=True, eq=False)
class Grid:
    """Where an array lies: index (i, j, k, 1) times `affine` is the position in mm, in RAS as NIfTI has it."""

    affine: Affine
    shape: tuple[int, int, int]

    @property
    def spacing_mm(self) -> Triple:
        """Lengths of the steps along the three array axes."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return x, y, z

    @property
    def to_lps(self) -> NDArray[Any]:
        """nibabel's orientation transform from this grid to (L, P, S)."""
        here = _orientations.io_orientation(self.affine)
        transform: NDArray[Any] = _orientations.ornt_transform(here, _orientations.axcodes2ornt(("L", "P", "S")))
        return transform

    def in_lps(self) -> "Grid":
        """The same grid with its axes reordered and flipped to (L, P, S)."""
        transform = self.to_lps
        affine = self.affine @ _orientations.inv_ornt_aff(transform, self.shape)
        order = np.argsort(transform[:, 0])
        a, b, c = (self.shape[int(axis)] for axis in order)
        return Grid(affine, (a, b, c))

    @property
    def origin_lps_mm(self) -> Triple:
        """Position of the first voxel in LPS, as DICOM has it."""
        x, y, z = (LPS_OF_RAS @ self.affine[:, 3])[:3].tolist()
        return x, y, z

    def corners_mm(self) -> NDArray[np.float64]:
        """(8, 3) positions of the corner voxels, for comparing two grids."""
        last = np.asarray(self.shape) - 1
        index = np.array([[i, j, k] for i in (0, last[0]) for j in (0, last[1]) for k in (0, last[2])], dtype=float)
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3])


def to_volume_axes(array: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """A view of an (i, j, k) array as (Z, Y, X) in LPS; nothing is copied."""
    return np.asarray(_orientations.apply_orientation(array, grid.to_lps)).transpose(2, 1, 0)


def from_volume_axes(array: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """The way back: a (Z, Y, X) array in LPS as (i, j, k) on the original grid."""
    lps = _orientations.axcodes2ornt(("L", "P", "S"))
    back = _orientations.ornt_transform(lps, _orientations.io_orientation(grid.affine))
    return np.asarray(_orientations.apply_orientation(array.transpose(2, 1, 0), back))


def check_grid(grid: Grid) -> tuple[str, ...]:
    """Refuse a grid that a box along the body's axes cannot stand for; a small rotation is only told.

    A `Volume` has a spacing and an origin and no rotation. Shear (an uncorrected gantry tilt) changes every shape, and
    a large rotation makes "head to foot" another direction; both are refused. Up to 10 degrees of rotation move a
    lesion against the body by less than the scores can see.

    Raises:
        NoGeometry: steps that are zero, infinite or not numbers.
        GantryTilt: two axes are further than 1 degree from a right angle.
        ObliqueVolume: an axis is further than 10 degrees from the body's.
    """
    steps = grid.affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    if not np.isfinite(grid.affine).all() or (lengths <= 0).any():
        raise NoGeometry("The file gives no usable voxel size or position.")
    directions = steps / lengths
    shear = max(_degrees_from_right_angle(directions[:, a], directions[:, b]) for a, b in combinations(range(3), 2))
    if shear > MAX_SHEAR_DEG:
        raise GantryTilt(
            f"The slices are sheared by {shear:.1f} degrees (gantry tilt); only slices at right angles are read."
        )
    rotation = _degrees_of_rotation(directions)
    if rotation > MAX_ROTATION_DEG:
        raise ObliqueVolume(
            f"The volume is rotated by {rotation:.0f} degrees against the body's axes; at most {MAX_ROTATION_DEG:.0f} "
            "are read."
        )
    if rotation > UNNOTICED_ROTATION_DEG:
        return (f"The volume is rotated by {rotation:.1f} degrees against the body's axes and was treated as axial.",)
    return ()


def same_place(first: Grid, second: Grid) -> bool:
    """Whether two grids have one shape and their corners lie within a tenth of a voxel of each other."""
    if first.shape != second.shape:
        return False
    tolerance = 0.1 * min(first.spacing_mm)
    return bool(np.abs(first.corners_mm() - second.corners_mm()).max() <= tolerance)


def _degrees_from_right_angle(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arcsin(min(abs(float(a @ b)), 1.0))))


def _degrees_of_rotation(directions: NDArray[np.float64]) -> float:
    nearest = np.abs(directions).max(axis=0)
    return float(np.degrees(np.arccos(np.clip(nearest.min(), -1.0, 1.0))))
