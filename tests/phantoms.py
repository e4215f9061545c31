"""Bodies whose volume, component count and Dice are known on paper.

Every function takes a grid as (shape, spacing_mm) in (Z, Y, X) and positions in mm from the corner of the box, so the
same body can be drawn on any grid.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hospital_agent.analysis.imaging.volume import BoolArray, Shape, Triple, Volume


def centres(shape: Shape, spacing_mm: Triple) -> list[np.ndarray]:
    """Open grids of voxel centres in mm from the box's corner, along (Z, Y, X)."""
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    return [(grid + 0.5) * step for grid, step in zip(grids, spacing_mm, strict=True)]


def ellipsoid(shape: Shape, spacing_mm: Triple, centre_mm: Triple, radii_mm: Triple) -> BoolArray:
    """Voxels whose centre lies in an ellipsoid; its volume is 4/3 pi abc."""
    return sum(
        ((position - c) / r) ** 2
        for position, c, r in zip(centres(shape, spacing_mm), centre_mm, radii_mm, strict=True)
    ) <= np.float64(1)


def sphere(shape: Shape, spacing_mm: Triple, centre_mm: Triple, radius_mm: float) -> BoolArray:
    """Voxels whose centre lies in a sphere."""
    return ellipsoid(shape, spacing_mm, centre_mm, (radius_mm,) * 3)


def shell(shape: Shape, spacing_mm: Triple, centre_mm: Triple, outer_mm: float, inner_mm: float) -> BoolArray:
    """A sphere with a spherical hollow; the hollow is enclosed as long as the wall is thicker than a voxel."""
    return sphere(shape, spacing_mm, centre_mm, outer_mm) & ~sphere(shape, spacing_mm, centre_mm, inner_mm)


def box(shape: Shape, first: Shape, last: Shape) -> BoolArray:
    """Voxels from `first` up to but not including `last`."""
    mask = np.zeros(shape, dtype=np.bool_)
    mask[tuple(slice(a, b) for a, b in zip(first, last, strict=True))] = True
    return mask


def dice(a: BoolArray, b: BoolArray) -> float:
    """2 |a and b| / (|a| + |b|) of two masks that are not both empty."""
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


@dataclass(frozen=True, eq=False)
class Thorax:
    """A drawn chest and what is where in it."""

    volume: Volume
    body: BoolArray
    lungs: BoolArray
    lesion: BoolArray
    heart: BoolArray
    trachea: BoolArray


def thorax(
    spacing_mm: Triple = (4.0, 3.0, 3.0),
    *,
    consolidation_mm: float = 0.0,
    ribs: bool = False,
    at_the_ribs: Literal["", "behind", "beside"] = "",
    lungs_hu: int = -850,
) -> Thorax:
    """A chest of 240 x 240 x 330 mm on a mattress: two lungs, heart, liver, spine, trachea.

    Args:
        consolidation_mm: radius of a ball of dense disease in the middle of the patient's left lung; 0 for none.
        ribs: whether slanting ribs surround the lungs.
        at_the_ribs: 25 mm of dense disease along the back or the outer side of the patient's left lung.
        lungs_hu: density of lung.
    """
    size = (240.0, 240.0, 330.0)
    shape = tuple(round(length / step) for length, step in zip(size, spacing_mm, strict=True))
    z, y, x = centres(shape, spacing_mm)
    body = (((y - 110) / 95) ** 2 + ((x - 165) / 150) ** 2 <= 1) & np.ones(shape, dtype=np.bool_)
    heart = ellipsoid(shape, spacing_mm, (95, 85, 185), (50, 45, 45))
    liver = ellipsoid(shape, spacing_mm, (-10, 110, 105), (80, 100, 80))
    trachea = ((y - 105) ** 2 + (x - 165) ** 2 <= 9**2) & (z > 150) & body
    wall = ((y - 105) ** 2 + (x - 165) ** 2 <= 12**2) & (z > 147) & body
    sides = [ellipsoid(shape, spacing_mm, (110, 110, middle), (100, 72, 55)) for middle in (95, 235)]
    lungs = (sides[0] | sides[1]) & ~heart & ~liver & ~wall
    lesion = ellipsoid(shape, spacing_mm, (120, 125, 240), (consolidation_mm or 1e-9,) * 3)
    if at_the_ribs:
        shift = (0, -25, 0) if at_the_ribs == "behind" else (0, 0, -25)
        kept = ellipsoid(shape, spacing_mm, (110, 110 + shift[1], 235 + shift[2]), (100, 72, 55))
        outer = y > 110 if at_the_ribs == "behind" else x > 235
        lesion = sides[1] & ~kept & outer & (z > 70) & (z < 150)
    lesion &= lungs
    array = np.full(shape, -1000.0)
    array[(y > 212) & (y < 230) & np.ones(shape, dtype=np.bool_)] = -880
    array[body] = 30
    array[ellipsoid(shape, spacing_mm, (120, 180, 165), (300, 20, 20)) & body] = 350
    if ribs:
        array[_ribs(shape, spacing_mm) & body & ~lungs] = 400
    array[lungs] = lungs_hu
    array[lesion] = 20
    array[wall] = 20
    array[trachea] = -1000
    array += np.random.default_rng(0).normal(0, 15, shape)
    volume = Volume(np.clip(array, -1024, 3071).astype(np.int16), spacing_mm)
    return Thorax(volume, body, lungs, lesion, heart, trachea)


def _ribs(shape: Shape, spacing_mm: Triple) -> BoolArray:
    """A shell 3 to 10 mm outside the lungs, cut into bands 10 mm high every 22 mm that sink towards the front."""
    z, y, _ = centres(shape, spacing_mm)
    shell_of_both = np.zeros(shape, dtype=np.bool_)
    inner = np.zeros(shape, dtype=np.bool_)
    for middle in (95, 235):
        inner |= ellipsoid(shape, spacing_mm, (110, 110, middle), (103, 75, 58))
        shell_of_both |= ellipsoid(shape, spacing_mm, (110, 110, middle), (110, 82, 65))
    return shell_of_both & ~inner & ((z - 0.3 * (110 - y)) % 22 < 10)
