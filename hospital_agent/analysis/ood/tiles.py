"""From one number a tile to a map and to one number a volume, weighted as the segmentation weights its tiles.

At a voxel v the map is sum_p w(v - s_p) D_p / sum_p w(v - s_p) over the tiles p that cover it; the number of the
volume is the mean of the map over the real voxels that a tile covers. Padding around the volume counts for nothing.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.resample import resample_to_shape
from hospital_agent.analysis.imaging.volume import FloatArray, Shape
from hospital_agent.analysis.ood.moments import Float64Array
from hospital_agent.analysis.segmentation.base import PatchFeatures

Box = tuple[slice, slice, slice]


def tile_shares(patches: PatchFeatures, shape: Shape) -> Float64Array:
    """(P,) share of each tile in the mean of the map; >= 0, summing to 1.

    The mean over voxels of sum_p w_p D_p / sum_p w_p is sum_p D_p mean(w_p / sum_q w_q): linear in D, with factors
    that depend on the geometry alone. So `shares @ values` is the mean of the map, and no map is built.

    Args:
        patches: starts may be negative and tiles may reach past the end: that part is padding.
        shape: (Z, Y, X) of the real voxels.

    Raises:
        GeometryMismatch: no tile touches the volume, or the importance is not of the tile's shape.
    """
    boxes = list(_boxes(patches, shape))
    summed = np.zeros(shape, dtype=np.float32)
    for real, inner in boxes:
        summed[real] += patches.importance[inner]
    shares = np.array([np.sum(patches.importance[inner] / summed[real], dtype=np.float64) for real, inner in boxes])
    if not shares.sum() > 0:
        raise GeometryMismatch("No tile of the segmentation touches the volume.")
    normalised: Float64Array = shares / shares.sum()
    return normalised


def tile_map(patches: PatchFeatures, values: Float64Array, shape: Shape) -> FloatArray:
    """(Z, Y, X) float32 map of one value a tile, for display; NaN at real voxels that no tile covers.

    Raises:
        GeometryMismatch: the importance is not of the tile's shape.
    """
    weighted, summed = np.zeros(shape), np.zeros(shape)
    for value, (real, inner) in zip(values, _boxes(patches, shape), strict=True):
        summed[real] += patches.importance[inner]
        weighted[real] += patches.importance[inner] * value
    with np.errstate(invalid="ignore"):
        return (weighted / summed).astype(np.float32)


def on_source_grid(shown: FloatArray, shape: Shape) -> FloatArray:
    """(Z, Y, X) float32 map on the grid of the source, over the same box; 0 where no tile lies.

    Voxels without a tile (NaN) lend nothing to their neighbours: values and cover are moved alike and divided.

    Args:
        shown: (Z, Y, X) on the working grid, from `tile_map`.
        shape: (Z, Y, X) of the source.
    """
    known = np.isfinite(shown)
    cover = resample_to_shape(known.astype(np.float32), shape)
    moved: FloatArray = resample_to_shape(np.where(known, shown, np.float32(0)), shape)
    inside = cover >= 0.5
    return np.divide(moved, cover, out=np.zeros(shape, dtype=np.float32), where=inside)


def weighted_mean(shares: Float64Array, values: Float64Array) -> float:
    """sum(shares * values); a mean never leaves the range of what it averages, so rounding must not either."""
    return float(np.clip(shares @ values, values.min(), values.max()))


def overlap(start: NDArray[np.int64], tile: Shape, shape: Shape) -> tuple[Box, Box]:
    """The part of the volume that a tile covers, and that part's place in the tile; empty where they do not touch."""
    low = np.maximum(start, 0)
    high = np.maximum(np.minimum(start + np.asarray(tile), shape), low)
    return _box(low, high), _box(low - start, high - start)


def _boxes(patches: PatchFeatures, shape: Shape) -> Iterator[tuple[Box, Box]]:
    if patches.importance.shape != tuple(patches.tile_shape):
        raise GeometryMismatch("The importance of a tile has another shape than the tile.")
    for start in patches.starts:
        yield overlap(start, patches.tile_shape, shape)


def _box(low: NDArray[np.int64], high: NDArray[np.int64]) -> Box:
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x
