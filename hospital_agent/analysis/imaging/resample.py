"""Images, probabilities and masks moved between grids, one axial slice at a time.

Both grids cover the same box: voxel i of n along an axis spans [i, i + 1] / n of its length, so centres stay aligned
whatever the two spacings are, and going there and back shifts nothing. Growing along an axis interpolates linearly
between voxel centres and repeats the edge voxel beyond the outermost ones. Shrinking averages by overlap (area), which
is its own antialiasing and keeps the mean, hence the volume of a mask, exactly.

The weights of an axis are a small sparse matrix, so a slice costs two sparse products, and only the slices that the
next slice of the result needs are held: a 512 x 512 x 300 volume needs its own memory, that of the result, and a few
slices.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Shape, Triple

AnyArray = NDArray[Any]
Order = Literal[0, 1]
Box = tuple[slice, slice, slice]


def shape_at(shape: Sequence[int], spacing_mm: Triple, new_spacing_mm: Triple) -> Shape:
    """The shape whose voxels come nearest to `new_spacing_mm` over the same box; no axis falls below 1 voxel.

    Example:
        >>> shape_at((30, 166, 166), (8.0, 2.0, 2.0), (2.0, 2.0, 2.0))
        (120, 166, 166)
    """
    z, y, x = (
        max(1, round(length * old / new)) for length, old, new in zip(shape, spacing_mm, new_spacing_mm, strict=True)
    )
    return z, y, x


def spacing_of(shape: Sequence[int], spacing_mm: Triple, new_shape: Sequence[int]) -> Triple:
    """The exact spacing of `new_shape` over the box of `shape`; near, not equal, to the one asked of `shape_at`."""
    z, y, x = (old * length / new for length, old, new in zip(shape, spacing_mm, new_shape, strict=True))
    return z, y, x


def resample(array: AnyArray, spacing_mm: Triple, new_spacing_mm: Triple, order: Order = 1) -> AnyArray:
    """Move an array to another spacing; see the module for the alignment.

    Args:
        array: (Z, Y, X), any real or boolean dtype; a mask becomes the fraction of each new voxel that it fills.
        spacing_mm, new_spacing_mm: (Z, Y, X), > 0. The result's spacing is `spacing_of` its shape.
        order: 1 linear when growing and area when shrinking; 0 nearest, for labels.

    Returns:
        (Z', Y', X'), float32 for order 1, the dtype of `array` for order 0.

    Raises:
        GeometryMismatch: not three axes, an empty axis, or another order.
    """
    return resample_to_shape(array, shape_at(array.shape, spacing_mm, new_spacing_mm), order)


def resample_to_shape(array: AnyArray, shape: Shape, order: Order = 1) -> AnyArray:
    """Move an array to a grid of `shape` over the same box; as `resample`, which says more."""
    _check(array, shape, order)
    if order == 0:
        return _nearest(array, shape)
    result = np.empty(shape, dtype=np.float32)
    for k, plane in enumerate(_planes(array, shape)):
        result[k] = plane
    return result


def resample_mask(array: AnyArray, shape: Shape, threshold: float = 0.5) -> BoolArray:
    """A probability or a mask on a grid of `shape`, cut at `threshold`, without a float copy of the whole result.

    Args:
        array: (Z, Y, X), probability, fraction or boolean mask.
        threshold: a voxel is inside when its interpolated value is at least this.

    Raises:
        GeometryMismatch: not three axes, or an empty axis.
    """
    _check(array, shape, 1)
    if array.dtype == np.bool_ and array.shape == shape:
        return array.copy()
    result = np.empty(shape, dtype=np.bool_)
    for k, plane in enumerate(_planes(array, shape)):
        np.greater_equal(plane, threshold, out=result[k])
    return result


def bounding_box(mask: BoolArray, spacing_mm: Triple, margin_mm: float = 0.0) -> Box | None:
    """Slices of the smallest box around a mask, widened by a margin and cut at the grid; None for an empty mask.

    Args:
        mask: (Z, Y, X).
        spacing_mm: (Z, Y, X), turns the margin into voxels, rounded up.
        margin_mm: >= 0, added on every side.
    """
    plane = np.any(mask, axis=0)
    lines = [np.any(mask, axis=(1, 2)), np.any(plane, axis=1), np.any(plane, axis=0)]
    if not lines[0].any():
        return None
    z, y, x = (_span(line, int(np.ceil(margin_mm / step))) for line, step in zip(lines, spacing_mm, strict=True))
    return z, y, x


def _span(line: BoolArray, margin: int) -> slice:
    inside = np.flatnonzero(line)
    return slice(max(0, int(inside[0]) - margin), min(line.size, int(inside[-1]) + 1 + margin))


def _check(array: AnyArray, shape: Sequence[int], order: int) -> None:
    if array.ndim != 3 or len(shape) != 3:
        raise GeometryMismatch("Only arrays with three axes can be resampled.")
    if 0 in array.shape or min(shape) < 1:
        raise GeometryMismatch("An array with an empty axis cannot be resampled.")
    if order not in (0, 1):
        raise GeometryMismatch(f"Resampling knows order 0 (nearest) and 1 (linear or area), not {order}.")


def _nearest(array: AnyArray, shape: Shape) -> AnyArray:
    picks = [((np.arange(new) + 0.5) * old / new).astype(np.intp) for old, new in zip(array.shape, shape, strict=True)]
    return array[np.ix_(*picks)]


def _planes(array: AnyArray, shape: Shape) -> Iterator[FloatArray]:
    """The axial slices of the result in order, each computed from the few input slices that it needs."""
    through, down, across = (_weights(old, new) for old, new in zip(array.shape, shape, strict=True))
    held: dict[int, FloatArray] = {}
    for k in range(shape[0]):
        shares = {k: np.float32(1)} if through is None else _shares(through, k)
        held = {j: held[j] if j in held else _in_plane(array[j], down, across) for j in shares}
        yield held[k] if through is None else _weighted_sum(shares, held)


def _shares(weights: sparse.csr_array, row: int) -> dict[int, np.float32]:
    """Which input slices make this slice of the result, and with what weight."""
    part = slice(weights.indptr[row], weights.indptr[row + 1])
    return dict(zip(weights.indices[part].tolist(), weights.data[part], strict=True))


def _weighted_sum(shares: dict[int, np.float32], planes: dict[int, FloatArray]) -> FloatArray:
    (first, share), *others = shares.items()
    total: FloatArray = share * planes[first]
    for j, other in others:
        total += other * planes[j]
    return total


def _in_plane(plane: AnyArray, down: sparse.csr_array | None, across: sparse.csr_array | None) -> FloatArray:
    result: FloatArray = np.ascontiguousarray(plane, dtype=np.float32)
    if down is not None:
        result = down @ result
    if across is not None:
        result = (across @ np.ascontiguousarray(result.T)).T
    return result


def _weights(old: int, new: int) -> sparse.csr_array | None:
    """(new, old) matrix whose rows sum to 1; None where nothing changes."""
    if old == new:
        return None
    dense = _area_weights(old, new) if new < old else _linear_weights(old, new)
    return sparse.csr_array(dense.astype(np.float32))


def _area_weights(old: int, new: int) -> NDArray[np.float64]:
    """Overlap of each new voxel with each old one, as a fraction of the new voxel."""
    edges = np.arange(new + 1) * (old / new)
    starts = np.arange(old)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    # Rounding of the edges leaves overlaps of 1e-13, each of which would drag a whole slice into the sum.
    overlap[overlap < 1e-9 * old] = 0.0
    weights: NDArray[np.float64] = overlap / overlap.sum(axis=1, keepdims=True)
    return weights


def _linear_weights(old: int, new: int) -> NDArray[np.float64]:
    """Linear interpolation between the centres of the old voxels, clamped at the two ends."""
    centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    low = np.minimum(centres.astype(np.intp), max(old - 2, 0))
    share = centres - low
    weights = np.zeros((new, old))
    rows = np.arange(new)
    weights[rows, low] = 1 - share
    weights[rows, np.minimum(low + 1, old - 1)] += share
    return weights
