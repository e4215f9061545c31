"""The connected pieces of a mask, labelled once a case and shared by every feature.

Lesion masks fill a small part of a CT, so the volume is read twice only: to find the box around the mask, and to label
inside that box. Everything else is counted from the list of lesion voxels.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

try:
    import cc3d
except ImportError:
    cc3d = None  # type: ignore[assignment]

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.resample import Box, bounding_box
from hospital_agent.analysis.imaging.volume import BoolArray, Shape, Volume

MIN_COMPONENT_ML = 0.01  # below this a piece is a fragment: about one voxel of a 2 mm grid
Connectivity = Literal[6, 26]
IntArray = NDArray[np.int64]
IndexArray = NDArray[np.signedinteger[Any]]  # 32 bits wide unless the grid needs more


def label(mask: NDArray[Any], connectivity: Connectivity = 26) -> tuple[NDArray[np.uint32], int]:
    """Number the connected pieces of a mask from 1 in the order in which a reader of (Z, Y, X) meets them.

    Args:
        mask: (Z, Y, X), bool or anything whose non-zero voxels are foreground.
        connectivity: 26 joins voxels that share a face, edge or corner; 6 only a face.

    Returns:
        (Z, Y, X) labels with 0 for background, and how many there are.

    connected-components-3d is used where it is installed and scipy otherwise; they agree. An axis of length 1 goes to
    scipy as well: connected-components-3d 4.1.1 reserves too few labels for isolated voxels in one slice, and fails.
    """
    mask = np.ascontiguousarray(mask, dtype=np.bool_)
    if mask.size == 0:
        return np.zeros(mask.shape, dtype=np.uint32), 0
    if 1 in mask.shape or cc3d is None:
        return _label_with_scipy(mask, connectivity)
    # The library walks in Fortran order: the transposed view spares it a copy, and leaves the numbering to us.
    labels, count = cc3d.connected_components(
        mask.T, connectivity=connectivity, return_N=True, out_dtype=np.uint32, binary_image=True
    )
    numbered: NDArray[np.uint32] = labels.T.astype(np.uint32, copy=False)
    return numbered, int(count)


def _label_with_scipy(mask: BoolArray, connectivity: Connectivity) -> tuple[NDArray[np.uint32], int]:
    structure = ndimage.generate_binary_structure(3, 3 if connectivity == 26 else 1)
    labels = np.empty(mask.shape, dtype=np.uint32)
    count = ndimage.label(mask, structure, output=labels)
    return labels, int(count)


@dataclass(frozen=True, eq=False)
class Components:
    """The 26-connected components of one mask.

    Two voxels belong together when they share a face, an edge or a corner: at most 3 city-block hops apart, which is
    what the 2021 paper's "city-block distance 3" means. Component i (from 0) has label i + 1.

    Args:
        labels: (z, y, x) inside `box` only, 0 for background.
        box: where `labels` lies in the volume; None for an empty mask.
        count: number of components.
        shape: (Z, Y, X) of the whole volume.
        voxel_ml: volume of a voxel in ml.
    """

    labels: NDArray[np.uint32]
    box: Box | None
    count: int
    shape: Shape
    voxel_ml: float

    @property
    def empty(self) -> bool:
        """Whether the mask has no voxel."""
        return self.count == 0

    @cached_property
    def voxels(self) -> IndexArray:
        """(M,) positions of the mask's voxels in the flattened `labels`, ascending."""
        # A mask that fills a whole CT has 80 million voxels: half the bytes count.
        width = np.int32 if self.labels.size < np.iinfo(np.int32).max else np.int64
        voxels: IndexArray = np.flatnonzero(self.labels).astype(width, copy=False)
        return voxels

    @cached_property
    def owners(self) -> IndexArray:
        """(M,) component index, from 0, of each of `voxels`."""
        owners: IndexArray = self.labels.reshape(-1)[self.voxels].view(np.int32) - np.int32(1)
        return owners

    @cached_property
    def sizes(self) -> IntArray:
        """(N,) voxels per component."""
        return np.bincount(self.owners, minlength=self.count)

    @property
    def voxel_count(self) -> int:
        """Voxels of the whole mask."""
        return int(self.voxels.size)

    @cached_property
    def ml(self) -> NDArray[np.float64]:
        """(N,) volume per component in ml."""
        return self.sizes.astype(np.float64) * self.voxel_ml

    @cached_property
    def large(self) -> BoolArray:
        """(N,) whether a component has at least 0.01 ml; the others are fragments."""
        # Half a microlitre of tolerance would change the rule; a rounding error of the product must not.
        return self.ml >= MIN_COMPONENT_ML * (1 - 1e-9)

    @cached_property
    def largest(self) -> int | None:
        """Index of the component with most voxels, the first of equals; None for an empty mask."""
        return None if self.empty else int(np.argmax(self.sizes))

    @cached_property
    def bounds(self) -> IntArray:
        """(N, 3, 2): first voxel and one past the last along (Z, Y, X) of the volume, per component."""
        if self.box is None:
            return np.empty((0, 3, 2), dtype=np.int64)
        boxes: list[Box] = ndimage.find_objects(self.labels.view(np.int32))
        local = np.array([[(side.start, side.stop) for side in box] for box in boxes], dtype=np.int64)
        bounds: IntArray = local + np.array([[[side.start] for side in self.box]])
        return bounds

    def box_of(self, component: int) -> Box:
        """The smallest box around one component, as slices of the volume."""
        z, y, x = (slice(int(first), int(last)) for first, last in self.bounds[component])
        return z, y, x

    def local(self, box: Box) -> Box:
        """A box of the volume as slices of `labels`; it must lie inside `self.box`."""
        assert self.box is not None  # noqa: S101 - only a mask with voxels has boxes
        z, y, x = (slice(s.start - o.start, s.stop - o.start) for s, o in zip(box, self.box, strict=True))
        return z, y, x


def label_components(mask: BoolArray, volume: Volume) -> Components:
    """Label the components of a mask on the grid of its volume.

    Args:
        mask: (Z, Y, X), bool, or any integer type whose non-zero voxels are foreground.

    Raises:
        GeometryMismatch: the mask lies on another grid than the volume.
    """
    if mask.shape != volume.shape:
        raise GeometryMismatch(f"The mask has {mask.shape} voxels and the volume {volume.shape}.")
    box = bounding_box(mask, volume.spacing_mm)
    if box is None:
        return Components(np.zeros((0, 0, 0), dtype=np.uint32), None, 0, volume.shape, volume.voxel_ml)
    labels, count = label(mask[box])
    return Components(labels, box, count, volume.shape, volume.voxel_ml)
