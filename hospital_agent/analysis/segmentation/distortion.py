"""From two answers of one network, without and with the autoencoder at its bottleneck, to what is kept of them."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Triple
from hospital_agent.analysis.segmentation.base import Distortion

AROUND_MM = 4.0


def squared_difference(plain: FloatArray, distorted: FloatArray) -> FloatArray:
    """(C, Z, Y, X) float32 squared difference of two blended softmax maps, in [0, 1].

    Raises:
        GeometryMismatch: the maps are not of one shape.
    """
    if plain.shape != distorted.shape:
        raise GeometryMismatch("The probabilities with and without the autoencoder lie on different grids.")
    squares: FloatArray = np.subtract(plain, distorted, dtype=np.float32)
    return np.square(squares, out=squares)


def distortion_of(squares: FloatArray, foreground: BoolArray, spacing_mm: Triple, latents: FloatArray) -> Distortion:
    """What is kept of the squared differences: their means over all voxels and around the foreground.

    Args:
        squares: (C, Z, Y, X) from `squared_difference`, real voxels only.
        foreground: (Z, Y, X) bool, what the network predicts without the autoencoder.
        spacing_mm: of that grid.
        latents: (P, L).
    """
    near = dilated(foreground, spacing_mm)
    return Distortion(
        by_class=_means(squares),
        by_class_foreground=_means(squares[:, near]) if near.any() else None,
        latents=latents,
        squares=squares,
    )


def cleared_distortion(
    found: Distortion, unknown: BoolArray, foreground: BoolArray, spacing_mm: Triple
) -> Distortion | None:
    """The distortion with nothing told where nothing is known; None where its map was dropped.

    Args:
        unknown: (Z, Y, X) bool on the working grid; both answers count as background there, so nothing differs.
        foreground: what is predicted elsewhere.
    """
    if found.squares is None:
        return None
    return distortion_of(np.where(unknown, np.float32(0), found.squares), foreground, spacing_mm, found.latents)


def dilated(mask: BoolArray, spacing_mm: Triple) -> BoolArray:
    """The mask grown by a box of about 4 mm to each side, at least one voxel.

    Two answers differ most about a surface, a little outside the mask as well as inside it.
    """
    grown: NDArray[np.uint8] = mask.astype(np.uint8)
    for axis, spacing in enumerate(spacing_mm):
        reach = max(1, round(AROUND_MM / spacing))
        grown = ndimage.maximum_filter1d(grown, 2 * reach + 1, axis=axis, mode="constant")
    return grown > 0


def _means(values: FloatArray) -> NDArray[np.float64]:
    """(C,) mean of each class over its voxels."""
    return np.stack([one.mean(dtype=np.float64) for one in values])
