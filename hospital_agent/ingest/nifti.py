"""NIfTI files: volumes and masks in, masks and maps out."""

import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray
from hospital_agent.errors import (
    ColourImage,
    MaskGeometryMismatch,
    NoGeometry,
    NotAMask,
    NotFiniteValues,
    NotThreeDimensional,
    SingleSlice,
    UnreadableNifti,
)
from hospital_agent.ingest.geometry import Grid, check_grid, from_volume_axes, same_place, to_volume_axes

NIFTI_SUFFIXES = (".nii", ".nii.gz")
nib: Any = nibabel  # declares types and gives few

_DAMAGE = (
    nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError,
    OSError, EOFError, ValueError, OverflowError, zlib.error,
)  # fmt: skip

MASK_COMPRESSION = 1  # masks compress well at any level, and the highest costs seconds


def is_nifti(path: Path) -> bool:
    """Whether the name says NIfTI."""
    return path.name.lower().endswith(NIFTI_SUFFIXES)


def read_nifti(path: Path) -> tuple[NDArray[Any], Grid, tuple[str, ...]]:
    """A NIfTI file's (i, j, k) array with its grid and warnings.

    Raises:
        UnreadableNifti: the file is damaged or cut short.
        ColourImage, NotThreeDimensional, SingleSlice, NoGeometry, NotFiniteValues, GantryTilt, ObliqueVolume
    """
    image = _open(path)
    if image.get_data_dtype().fields is not None:
        raise ColourImage("The NIfTI file holds colours, not one value a voxel.")
    shape = _three_axes(tuple(int(length) for length in image.shape))
    if not (int(image.header["sform_code"]) or int(image.header["qform_code"])):
        raise NoGeometry("The NIfTI file does not say how the volume lies in the body (no sform and no qform).")
    grid = Grid(np.asarray(image.affine, dtype=np.float64), shape)
    warnings = check_grid(grid)
    array = _values(image).reshape(shape)
    if array.dtype.kind not in "iuf":
        raise UnreadableNifti("The NIfTI file holds values of a kind that cannot be an image.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NotFiniteValues("The image holds values that are not numbers (NaN or infinite).")
    return array, grid, warnings


def read_mask(path: Path, lps_grid: Grid) -> BoolArray:
    """A mask as (Z, Y, X) bool on the grid of a volume; every voxel that is not 0 belongs to it.

    Args and errors: as `read_labels`.
    """
    mask: BoolArray = read_labels(path, lps_grid) != 0
    return mask


def read_labels(path: Path, lps_grid: Grid) -> NDArray[np.uint8]:
    """Labels as (Z, Y, X) uint8 on the grid of a volume; 0 is background, and what is above 255 counts as 255.

    Args:
        lps_grid: the volume's grid with axes (L, P, S).

    Raises:
        MaskGeometryMismatch: the mask lies on another grid.
        NotAMask: it holds fractions or negative numbers.
        (and what `read_nifti` raises)
    """
    array, grid, _ = read_nifti(path)
    if not same_place(grid.in_lps(), lps_grid):
        raise MaskGeometryMismatch("The mask lies on another grid than the volume; it must have the same voxels.")
    if array.dtype.kind == "f" and not np.equal(array, np.rint(array)).all():
        raise NotAMask("The file given as a mask holds fractions; a mask holds whole labels, 0 for outside.")
    if array.size and array.min() < 0:
        raise NotAMask("The file given as a mask holds negative numbers; a mask holds 0 for outside and labels inside.")
    largest = min(array.max(initial=0), np.iinfo(np.uint8).max)  # never a number that the mask's own type cannot hold
    labels = np.minimum(array, array.dtype.type(largest)).astype(np.uint8)
    return np.ascontiguousarray(to_volume_axes(labels, grid))


def write_mask(path: Path, mask: BoolArray, grid: Grid) -> None:
    """Write a (Z, Y, X) mask as NIfTI on the grid its volume was read from: voxel upon voxel."""
    _write(path, from_volume_axes(mask, grid).astype(np.uint8), grid)


def write_map(path: Path, values: FloatArray, grid: Grid) -> None:
    """Write (Z, Y, X) float values as NIfTI on the grid their volume was read from; viewers show 0 to the largest."""
    _write(path, from_volume_axes(values, grid).astype(np.float32), grid, shown_to=float(values.max()))


def _write(path: Path, voxels: NDArray[Any], grid: Grid, shown_to: float = 0.0) -> None:
    image = nib.Nifti1Image(voxels, grid.affine)
    image.header.set_xyzt_units("mm")
    image.header["cal_max"] = shown_to
    image.set_sform(grid.affine, code=1)
    image.set_qform(grid.affine, code=1)
    previous = nib.openers.Opener.default_compresslevel
    nib.openers.Opener.default_compresslevel = MASK_COMPRESSION
    try:
        nib.save(image, path)
    finally:
        nib.openers.Opener.default_compresslevel = previous


def _open(path: Path) -> Any:
    try:
        return nib.load(path)
    except _DAMAGE:
        raise UnreadableNifti("The NIfTI file is damaged or is not NIfTI.") from None


def _values(image: Any) -> NDArray[Any]:
    """The scaled values; float64 on disk or from scaling becomes float32, which holds any HU exactly enough."""
    try:
        array: NDArray[Any] = np.asanyarray(image.dataobj)
    except _DAMAGE:
        raise UnreadableNifti("The NIfTI file ends early or is damaged.") from None
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _three_axes(shape: tuple[int, ...]) -> tuple[int, int, int]:
    axes = list(shape)
    while len(axes) > 3 and axes[-1] == 1:
        axes.pop()
    if len(axes) != 3:
        raise NotThreeDimensional(f"The NIfTI file has {len(axes)} axes; a volume has three.")
    if 0 in axes:
        raise UnreadableNifti("The NIfTI file has an axis of length 0.")
    if min(axes) < 2:
        raise SingleSlice("The NIfTI file has one slice; a volume needs at least two.")
    return axes[0], axes[1], axes[2]
