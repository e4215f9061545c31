"""An analytic chest: a body with lungs, heart, spine, ribs and vessels, whose every border is known.

It is no patient, and nothing measured on it alone says how a network does on patients. It is what a demonstration,
a self-test and a test of the whole way can be run on without anybody's data.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Shape, Triple

Box = tuple[slice, slice, slice]
EVERYWHERE: Box = (slice(None), slice(None), slice(None))
Paint = Callable[..., None]

AIR_HU, FAT_HU, MUSCLE_HU, BLOOD_HU, BONE_HU = -1000.0, -95.0, 45.0, 40.0, 420.0


@dataclass(frozen=True, eq=False)
class Chest:
    """A chest as it was drawn; lengths in mm, positions as (z, y, x) from the centre of the field of view.

    Args:
        body: half axes (y, x) of the trunk.
        fat_mm: thickness of the fat under the skin.
        lung: half axes (z, y, x) of one lung; lung_offset: its distance from the midline.
        heart: half axes; lung_hu: HU of the parenchyma at the front; gradient_hu: its rise to the back.
        vessels: (V, 7) rows of start (3), end (3) and radius, in one lung's own unit ball, mirrored for the other.
        texture_seed: seed of the parenchyma's texture.
    """

    body: tuple[float, float]
    fat_mm: float
    lung: Triple
    lung_offset: float
    heart: Triple
    lung_hu: float
    gradient_hu: float
    vessels: NDArray[np.float64]
    texture_seed: int


def draw_chest(rng: np.random.Generator, field_mm: Triple) -> Chest:
    """Draw a chest that fits into a field of view of (z, y, x) mm."""
    scale = rng.uniform(0.9, 1.0)
    lung = (
        field_mm[0] * 0.44 * scale * rng.uniform(0.88, 1.0),
        field_mm[1] * 0.30 * scale * rng.uniform(0.9, 1.05),
        field_mm[2] * 0.185 * scale * rng.uniform(0.9, 1.05),
    )
    starts = rng.normal(0.0, 0.12, size=(14, 3))
    ends = rng.normal(size=(14, 3))
    ends *= rng.uniform(0.55, 0.95, size=(14, 1)) / np.linalg.norm(ends, axis=1, keepdims=True)
    return Chest(
        body=(field_mm[1] * 0.44 * scale, field_mm[2] * 0.49 * scale),
        fat_mm=float(rng.uniform(4.0, 16.0)),
        lung=lung,
        lung_offset=field_mm[2] * 0.225 * scale,
        heart=(lung[0] * 0.42, lung[1] * 0.52, field_mm[2] * 0.13 * scale),
        lung_hu=float(rng.uniform(-890.0, -830.0)),
        gradient_hu=float(rng.uniform(20.0, 70.0)),
        vessels=np.hstack([starts, ends, rng.uniform(1.5, 3.2, size=(14, 1))]),
        texture_seed=int(rng.integers(2**31)),
    )


def render_chest(chest: Chest, shape: Shape, spacing_mm: Triple) -> tuple[FloatArray, BoolArray]:
    """Draw the chest on a grid.

    Returns:
        HU, (Z, Y, X) float32 without noise, and the lungs (parenchyma and its vessels).
    """
    z, y, x = _grid(shape, spacing_mm)
    soft = float(np.mean(spacing_mm)) / 2.0
    image = np.full(shape, AIR_HU, dtype=np.float32)

    def paint(distance_mm: FloatArray, hu: float | FloatArray, box: Box = EVERYWHERE) -> None:
        """Blend a tissue in; the distance to its surface in mm is negative inside."""
        share = np.clip(0.5 - distance_mm / (2.0 * soft), 0.0, 1.0)
        image[box] += share * (np.asarray(hu, dtype=np.float32) - image[box])

    trunk = _ellipse((y, x), chest.body)
    paint(trunk, FAT_HU)
    paint(trunk + chest.fat_mm, MUSCLE_HU)
    _paint_ribs(paint, chest, z, trunk)
    lungs = np.full(shape, np.inf, dtype=np.float32)
    parenchyma = _parenchyma(chest, shape, y)
    heart = _ellipsoid((z + chest.lung[0] * 0.25, y + chest.lung[1] * 0.25, x - chest.lung_offset * 0.28), chest.heart)
    for side in (-1.0, 1.0):
        lung = _ellipsoid((z, y, x - side * chest.lung_offset), chest.lung)
        # The lung's base follows the dome of the diaphragm.
        dome = np.sqrt(np.square(y) + np.square(x - side * chest.lung_offset)) * 0.35 - z - chest.lung[0] * 0.95
        lung = np.maximum(np.maximum(lung, dome), -heart)
        paint(lung, parenchyma)
        lungs = np.minimum(lungs, lung)
        _paint_vessels(paint, chest, (z, y, x), side, lung)
    paint(_ellipse((y - chest.body[0] * 0.66, x), (16.0, 18.0)), BONE_HU * 0.6)
    paint(_ellipse((y + chest.lung[1] * 0.15, x), (7.0, 7.5)), AIR_HU)
    return image, lungs < 0


def _grid(shape: Shape, spacing_mm: Triple) -> tuple[FloatArray, FloatArray, FloatArray]:
    axes = [
        ((np.arange(n) - (n - 1) / 2.0) * step).astype(np.float32) for n, step in zip(shape, spacing_mm, strict=True)
    ]
    return axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]


def _ellipse(point: tuple[FloatArray, FloatArray], axes: tuple[float, float]) -> FloatArray:
    """Approximate signed distance in mm to an elliptic cylinder along Z; negative inside."""
    radius = np.sqrt(np.square(point[0] / axes[0]) + np.square(point[1] / axes[1]))
    return np.asarray((radius - 1.0) * min(axes), dtype=np.float32)


def _ellipsoid(point: tuple[FloatArray, FloatArray, FloatArray], axes: Triple) -> FloatArray:
    """Approximate signed distance in mm to an ellipsoid; negative inside."""
    radius = np.sqrt(sum(np.square(p / a) for p, a in zip(point, axes, strict=True)))
    return np.asarray((radius - 1.0) * min(axes), dtype=np.float32)


def _parenchyma(chest: Chest, shape: Shape, y: FloatArray) -> FloatArray:
    """Lung tissue: denser towards the back, where it lies, with a fine texture."""
    grain = np.random.default_rng(chest.texture_seed).normal(0.0, 18.0, size=shape).astype(np.float32)
    return chest.lung_hu + chest.gradient_hu * (y / chest.lung[1] * 0.5 + 0.5) + grain


def _paint_ribs(paint: Paint, chest: Chest, z: FloatArray, trunk: FloatArray) -> None:
    ring = np.abs(trunk + chest.fat_mm + 9.0) - 4.5
    between = np.abs((z + trunk * 0.0) % 28.0 - 14.0) - 6.0
    paint(np.maximum(ring, between), BONE_HU)


def _paint_vessels(
    paint: Paint, chest: Chest, grid: tuple[FloatArray, FloatArray, FloatArray], side: float, lung: FloatArray
) -> None:
    """Tapering tubes from the hilum outwards; each is drawn in its own box, since most of the chest is elsewhere."""
    mirror = np.array([1.0, 1.0, -side])
    offset = np.array([0.0, 0.0, side * chest.lung_offset])
    for row in chest.vessels:
        start, end = (row[k : k + 3] * chest.lung * mirror + offset for k in (0, 3))
        axis, radius = end - start, row[6]
        box = _box_around(grid, np.minimum(start, end) - 2.0 * radius, np.maximum(start, end) + 2.0 * radius)
        z, y, x = (g[tuple(b if n == k else slice(None) for n, b in enumerate(box))] for k, g in enumerate(grid))
        rel = (z - start[0], y - start[1], x - start[2])
        along = np.clip((rel[0] * axis[0] + rel[1] * axis[1] + rel[2] * axis[2]) / float(axis @ axis), 0.0, 1.0)
        distance = np.sqrt(sum(np.square(r - along * a) for r, a in zip(rel, axis, strict=True)))
        paint(np.maximum(distance - radius * (1.3 - along), lung[box]).astype(np.float32), BLOOD_HU, box)


def _box_around(
    grid: tuple[FloatArray, FloatArray, FloatArray], low: NDArray[np.float64], high: NDArray[np.float64]
) -> Box:
    spans = [np.searchsorted(axis.ravel(), [a, b]) for axis, a, b in zip(grid, low, high, strict=True)]
    return slice(*spans[0]), slice(*spans[1]), slice(*spans[2])
