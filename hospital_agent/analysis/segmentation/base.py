"""What a segmenter gives back, and what one is."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Shape, Triple, Volume
from shared.registry import Registry


@dataclass(frozen=True, eq=False)
class PatchFeatures:
    """Features of the tiles of one volume, taken from one encoder layer during the sliding window.

    Args:
        features: (P, D), one pooled and flattened row per tile.
        starts: (P, 3), first voxel of each tile on the working grid, in (Z, Y, X).
        tile_shape: (Z, Y, X) of a tile.
        importance: tile_shape, the weight with which the segmentation blends a tile; > 0.
        layer: name of the hooked layer.
    """

    features: FloatArray
    starts: NDArray[np.int64]
    tile_shape: Shape
    importance: FloatArray
    layer: str


@dataclass(frozen=True, eq=False)
class Segmentation:
    """One forward pass over a volume, and everything that later scores need from it.

    Args:
        mask: (Z, Y, X) bool, on the grid of the source volume.
        probability: (Z, Y, X) float32, foreground probability on the *working* grid of the network, real voxels only
            (padding removed); None where the mask was supplied by another product.
        working_spacing_mm: spacing of that grid, (Z, Y, X).
        patches: features of the tiles, or None.
        backend, model_version, model_hash, device: what made it.
        passes: forward passes over the volume that it took.
        warnings: sentences for a person.
    """

    mask: BoolArray
    probability: FloatArray | None
    working_spacing_mm: Triple | None
    patches: PatchFeatures | None
    backend: str
    model_version: str
    model_hash: str
    device: str
    passes: int
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mask.dtype != np.bool_ or self.mask.ndim != 3:
            raise GeometryMismatch("A mask is a boolean array with three axes.")


@runtime_checkable
class Segmenter(Protocol):
    """Anything that turns a volume into a `Segmentation` in one call."""

    def segment(self, volume: Volume) -> Segmentation:
        """Segment the volume; the mask comes back on the volume's own grid."""
        ...


segmenters: Registry[type[Segmenter]] = Registry("segmenter")
