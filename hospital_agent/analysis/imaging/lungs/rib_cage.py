"""Disease that fills the lung right up to the ribs, found between what is still aerated and the rib cage.

Consolidation at the pleura touches the chest wall, and both have the density of muscle: no closing separates them. The
ribs do. From a point inside each lung rays run outwards in every axial slice; where a ray leaves aerated lung and meets
a rib only centimetres later, what lies between is lung. Muscle and fat of a healthy chest wall lie outside the ribs.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hospital_agent.analysis.imaging.resample import bounding_box
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Triple

BONE_ABOVE_HU = 180
FAT_HU = (-150, -40)
ANGLES = 120
RING_MM = 3.0
THICK_MM = 9.0  # ribs are thinner than twice this; a heart or a kidney full of contrast is not
WINDOW_MM = 12.0  # ribs slant, so a ray meets one within this much up or down
WINDOW_ANGLES = 5
MIN_RIB_ML = 0.2  # less bone than this on a ray, in its window, is noise or a contrast-filled vessel
MIN_AERATED_MM = 9.0
HEALTHY_GAP_MM = 8.0  # pleura and muscle between a healthy lung and its ribs
WIDEST_GAP_MM = 60.0
PLEURA_MM = 1.5
MOST_FAT = 0.2  # disease holds no fat; a path through the armpit or under the skin does
MIDLINE_MM = 35.0  # spine, aorta and heart lie within this of the midline
APEX_FRACTION = 0.15  # at the top the shoulder blades and collar bones stand in for ribs
ORIGINS = (0.0, 0.3)  # where the rays start, from the middle of the lung towards the midline, in widths of the lung
Map = NDArray[np.float64]


def ribs_of(hu: FloatArray, aerated: BoolArray, spacing_mm: Triple) -> BoolArray:
    """Bone outside aerated lung, without anything as thick as a heart full of contrast."""
    bone: BoolArray = (hu > BONE_ABOVE_HU) & ~aerated
    layers = max(1, round(THICK_MM / min(spacing_mm)))
    thick = ndimage.binary_erosion(bone, iterations=layers)
    thin: BoolArray = bone & ~ndimage.binary_dilation(thick, iterations=layers + 2)
    return thin


def disease_at_the_ribs(
    hu: FloatArray, ribs: BoolArray, lung: BoolArray, midline: float, spacing_mm: Triple
) -> BoolArray:
    """Tissue between one aerated lung and the ribs beside and behind it.

    Args:
        hu: (Z, Y, X).
        ribs: (Z, Y, X), from `ribs_of`.
        lung: (Z, Y, X), the aerated part of one lung, not empty.
        midline: X between the lungs, in voxels.
        spacing_mm: (Z, Y, X).
    """
    found = np.zeros(lung.shape, dtype=np.bool_)
    slices = np.flatnonzero(lung.any(axis=(1, 2)))
    part = slice(int(slices[0]), int(slices[-1]) + 1)
    for origin in ORIGINS:
        rays = _Rays.from_inside(lung, origin, midline, spacing_mm)
        reach, gap = _reach_and_gap(rays, lung[part], ribs[part])
        chosen = _diseased(rays, hu[part], reach, gap)
        found[part] |= rays.between(chosen, reach, reach + gap - PLEURA_MM)
    columns = np.abs(np.arange(lung.shape[2]) - midline) * spacing_mm[2]
    beside: BoolArray = found & (columns > MIDLINE_MM) & ~lung
    return beside


@dataclass(frozen=True, eq=False)
class _Rays:
    """Rays of one origin in the axial plane, and which voxel lies on which ray (`angle`) at which distance (`ring`)."""

    dy: Map
    dx: Map
    outward: float
    spacing_mm: Triple

    @classmethod
    def from_inside(cls, lung: BoolArray, origin: float, midline: float, spacing_mm: Triple) -> "_Rays":
        box = bounding_box(lung, spacing_mm)
        assert box is not None  # noqa: S101 - the caller's lung is not empty
        middle = (box[2].start + box[2].stop - 1) / 2
        outward = float(np.sign(middle - midline))
        x0 = middle - outward * origin * (box[2].stop - box[2].start)
        y0 = box[1].start + 0.35 * (box[1].stop - box[1].start)
        y, x = np.ogrid[: lung.shape[1], : lung.shape[2]]
        dy, dx = np.broadcast_arrays((y - y0) * spacing_mm[1], (x - x0) * spacing_mm[2])
        return cls(dy, dx, outward, spacing_mm)

    @cached_property
    def radius(self) -> Map:
        radius: Map = np.hypot(self.dy, self.dx)
        return radius

    @cached_property
    def angle(self) -> NDArray[np.int64]:
        turn = np.arctan2(self.dy, self.dx) / (2 * np.pi) + 1
        return (turn * ANGLES).astype(np.int64) % ANGLES

    @cached_property
    def ring(self) -> NDArray[np.int64]:
        return (self.radius / RING_MM).astype(np.int64)

    @property
    def rings(self) -> int:
        return int(self.ring.max()) + 1

    @property
    def distance(self) -> Map:
        """Distance of the middle of each ring."""
        distance: Map = (np.arange(self.rings, dtype=np.float64) + 0.5) * RING_MM
        return distance

    @property
    def sideways_or_back(self) -> BoolArray:
        """Which rays point beside and behind the lung, where ribs are bone and not cartilage."""
        turn = (np.arange(ANGLES) + 0.5) / ANGLES * 2 * np.pi
        towards: BoolArray = (np.sin(turn) > -0.3) & (np.cos(turn) * self.outward > -0.6)
        return towards

    def count(self, mask: BoolArray) -> NDArray[np.int64]:
        """(Z, ANGLES, rings): voxels of a mask on each ray at each distance."""
        z, y, x = np.nonzero(mask)
        cell = (z * ANGLES + self.angle[y, x]) * self.rings + self.ring[y, x]
        cells = mask.shape[0] * ANGLES * self.rings
        return np.bincount(cell, minlength=cells).reshape(mask.shape[0], ANGLES, self.rings)

    def between(self, chosen: BoolArray, near: Map, far: Map) -> BoolArray:
        """Voxels on the chosen rays between two distances; all three are (Z, ANGLES)."""
        inside = np.zeros((chosen.shape[0], *self.radius.shape), dtype=np.bool_)
        for k in np.flatnonzero(chosen.any(axis=1)):
            beyond = self.radius > near[k][self.angle] - RING_MM
            inside[k] = chosen[k][self.angle] & beyond & (self.radius < far[k][self.angle])
        return inside


def _reach_and_gap(rays: _Rays, lung: BoolArray, ribs: BoolArray) -> tuple[Map, Map]:
    """Per ray: how far aerated lung reaches, and how much further the inner side of the ribs is; -1 where unknown."""
    air = rays.count(lung) > 0
    last = rays.rings - air[:, :, ::-1].argmax(axis=2)
    reach = np.where(air.sum(axis=2) * RING_MM >= MIN_AERATED_MM, last, 0) * RING_MM
    bone = rays.count(ribs) * (float(np.prod(rays.spacing_mm)) / 1000)
    bone[rays.distance < reach[:, :, None] - RING_MM] = 0
    window = 2 * max(1, round(WINDOW_MM / rays.spacing_mm[0])) + 1
    bone = ndimage.uniform_filter1d(bone, window, axis=0, mode="constant") * window
    bone = ndimage.uniform_filter1d(bone, WINDOW_ANGLES, axis=1, mode="wrap") * WINDOW_ANGLES
    enough = np.cumsum(bone, axis=2) >= MIN_RIB_ML
    inner = enough.argmax(axis=2) * RING_MM
    padded = np.pad(inner, ((2, 2), (3, 3)), mode="wrap")
    smooth = ndimage.median_filter(padded, (5, 7))[2:-2, 3:-3]
    known = enough[:, :, -1] & (reach > 0)
    return reach, np.where(known, smooth - reach, -1.0)


def _diseased(rays: _Rays, hu: FloatArray, reach: Map, gap: Map) -> BoolArray:
    """Which rays cross more tissue between lung and ribs than a healthy chest wall has, and no fat."""
    chosen: BoolArray = (gap > HEALTHY_GAP_MM) & (gap <= WIDEST_GAP_MM) & rays.sideways_or_back
    chosen[round(chosen.shape[0] * (1 - APEX_FRACTION)) :] = False
    far = (reach + gap)[:, :, None]
    path = (rays.distance > reach[:, :, None] + RING_MM) & (rays.distance < far - PLEURA_MM)
    fat = (rays.count((hu > FAT_HU[0]) & (hu < FAT_HU[1])) * path).sum(axis=2)
    all_of_it = (rays.count(np.ones((1, *hu.shape[1:]), dtype=np.bool_)) * path).sum(axis=2)
    chosen &= fat < MOST_FAT * np.maximum(all_of_it, 1)
    padded = np.pad(chosen, ((3, 3), (3, 3)), mode="wrap")
    opened: BoolArray = ndimage.binary_opening(padded, np.ones((3, 3)))[3:-3, 3:-3]
    return opened
