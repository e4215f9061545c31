"""The fixed grid on which masks are reconstructed: a mask is put there around its own middle, and brought back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.resample import Box, resample_to_shape
from hospital_agent.analysis.imaging.volume import FloatArray, Shape, Triple

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class MaskGrid:
    """A box of fixed size in mm, and how finely it is divided.

    Args:
        spacing_mm: (Z, Y, X), > 0.
        shape: voxels (Z, Y, X). With one slice, masks are taken slice by slice, whatever the distance of their slices.

    Raises:
        GeometryMismatch: an axis without a voxel, or a spacing that cannot be.
    """

    spacing_mm: Triple
    shape: Shape

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise GeometryMismatch("The grid of a mask autoencoder has three axes of at least one voxel.")
        if len(self.spacing_mm) != 3 or not all(np.isfinite(step) and step > 0 for step in self.spacing_mm):
            raise GeometryMismatch("The spacing of a mask autoencoder is three positive lengths in mm.")

    @property
    def flat(self) -> bool:
        """Whether masks are taken slice by slice."""
        return self.shape[0] == 1


@dataclass(frozen=True)
class Place:
    """Where a mask's box lies on its own grid, and where that part of it which is real lies on the fixed one.

    Args:
        window: (Z, Y, X) slices of the source grid.
        inner: the same part on the fixed grid; what is around it is background.
        slices: those that are shown where the grid is flat; a slice without foreground has nothing to reconstruct.
    """

    window: Box
    inner: Box
    slices: tuple[int, ...]


def place_of(labels: Labels, spacing_mm: Triple, grid: MaskGrid) -> Place | None:
    """The box around the median voxel of the foreground, which an island far away does not move; None without any.

    What lies outside the box is background in the reconstruction: far islands are never given back.
    """
    foreground = labels > 0
    along = [foreground.sum(axis=others) for others in ((1, 2), (0, 2), (0, 1))]
    total = int(along[0].sum())
    if total == 0:
        return None
    sides = [
        _side(int(np.searchsorted(counts.cumsum(), (total + 1) // 2)), counts.size, step, cells, cell)
        for counts, step, cells, cell in zip(along, spacing_mm, grid.shape, grid.spacing_mm, strict=True)
    ]
    if grid.flat:
        sides[0] = slice(0, labels.shape[0]), slice(0, 1)
    (z, inner_z), (y, inner_y), (x, inner_x) = sides
    slices = tuple(np.flatnonzero(foreground[:, y, x].any(axis=(1, 2))).tolist()) if grid.flat else ()
    return Place((z, y, x), (inner_z, inner_y, inner_x), slices)


def _side(middle: int, length: int, step: float, cells: int, cell: float) -> tuple[slice, slice]:
    """One axis: the part of the source around a voxel, and where it comes to lie among the cells."""
    wide = max(1, round(cells * cell / step))
    start = middle - (wide - 1) // 2
    real = slice(max(start, 0), min(start + wide, length))
    low = min(round((real.start - start) * cells / wide), cells - 1)
    return real, slice(low, max(low + 1, round((real.stop - start) * cells / wide)))


def onto_grid(labels: Labels, place: Place, grid: MaskGrid, label_count: int) -> Labels:
    """(N, Z, Y, X) labels on the fixed grid: one mask, or N slices of one."""
    part = labels[place.window][list(place.slices)] if grid.flat else labels[place.window]
    inner = tuple(side.stop - side.start for side in place.inner)
    shape: Shape = (len(part), inner[1], inner[2]) if grid.flat else (inner[0], inner[1], inner[2])
    found = _most(np.stack([part == number for number in range(label_count + 1)]), shape)
    result = np.zeros((len(found) if grid.flat else 1, *grid.shape), dtype=np.uint8)
    result[(slice(None), *place.inner)] = found[:, None] if grid.flat else found[None]
    return result


def from_grid(probabilities: FloatArray, place: Place, grid: MaskGrid, shape: Shape) -> Labels:
    """The most probable labels on a source grid of `shape`; background outside the box and in slices not shown.

    Args:
        probabilities: (N, C, Z, Y, X) on the fixed grid, background first.
    """
    inside = probabilities[(slice(None), slice(None), *place.inner)]
    by_class = np.moveaxis(inside[:, :, 0], 0, 1) if grid.flat else inside[0]
    z, y, x = (side.stop - side.start for side in place.window)
    found = _most(by_class, (len(place.slices), y, x) if grid.flat else (z, y, x))
    result = np.zeros(shape, dtype=np.uint8)
    window = result[place.window]
    if grid.flat:
        window[list(place.slices)] = found
    else:
        window[:] = found
    return result


def _most(by_class: NDArray[np.bool_] | FloatArray, shape: Shape) -> Labels:
    """(Z, Y, X) class with the largest share after moving every class to a grid of `shape`; the first of equals."""
    best, labels = np.full(shape, -1.0, dtype=np.float32), np.zeros(shape, dtype=np.uint8)
    for number, values in enumerate(by_class):
        here = resample_to_shape(values, shape)
        labels[here > best] = number
        np.maximum(best, here, out=best)
    return labels
