"""The trachea and the main bronchi, followed slice by slice from the top of a CT."""

import numpy as np
from scipy import ndimage

from hospital_agent.analysis.imaging.lungs.sides import tissue_midline
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Triple

SEED_MM2 = (60.0, 800.0)  # cross-section of a trachea
SEED_BELOW_HU = -850
OFF_MIDLINE_MM = 40.0
MIN_LENGTH_MM = 20.0
# A bronchus opens into lung, which is denser than air: where the cut region leaks it is cut at a lower HU.
CUTS_HU = (-400, -700, -850, -920)


def airways_of(hu: FloatArray, air: BoolArray, spacing_mm: Triple) -> BoolArray:
    """Trachea and main bronchi with their walls; empty where none is seen.

    A round piece of air near the midline is followed downwards; its area may not double against what it was, so the
    walk ends where the bronchi enter the lungs.

    Args:
        hu: (Z, Y, X) in HU, Z upwards.
        air: (Z, Y, X), aerated voxels without the air of the room.
        spacing_mm: (Z, Y, X).
    """
    found = np.zeros(air.shape, dtype=np.bool_)
    midline = tissue_midline(hu)
    if midline is None:
        return found
    top = hu.shape[0] - 1
    while top >= 0:
        walk = _walk_down(hu, air, top, midline, spacing_mm)
        if len(walk) * spacing_mm[0] >= MIN_LENGTH_MM:
            found[top - len(walk) + 1 : top + 1] = walk[::-1]
            with_walls: BoolArray = ndimage.binary_dilation(found)
            return with_walls
        top -= max(1, len(walk))
    return found


def _walk_down(hu: FloatArray, air: BoolArray, top: int, midline: float, spacing_mm: Triple) -> list[BoolArray]:
    """Cross-sections from slice `top` downwards; empty where `top` shows no trachea."""
    seed = _seed(hu[top], air[top], midline, spacing_mm)
    if seed is None:
        return []
    walk = [seed]
    areas = [int(seed.sum())]
    for z in range(top - 1, -1, -1):
        section = _next_section(hu[z], air[z], walk[-1], limit=2 * float(np.median(areas)))
        if section is None:
            break
        walk.append(section)
        areas.append(int(section.sum()))
    return walk


def _seed(hu: FloatArray, air: BoolArray, midline: float, spacing_mm: Triple) -> BoolArray | None:
    labels, count = ndimage.label(air)
    for number in range(1, count + 1):
        piece: BoolArray = labels == number
        area = float(piece.sum()) * spacing_mm[1] * spacing_mm[2]
        off = abs(float(np.nonzero(piece)[1].mean()) - midline) * spacing_mm[2]
        if SEED_MM2[0] <= area <= SEED_MM2[1] and off < OFF_MIDLINE_MM and float(hu[piece].min()) < SEED_BELOW_HU:
            return piece
    return None


def _next_section(hu: FloatArray, air: BoolArray, above: BoolArray, limit: float) -> BoolArray | None:
    """The air that touches the section above, cut low enough not to leak; None where it ends or leaks at every cut."""
    near = ndimage.binary_dilation(above)
    for cut in CUTS_HU:
        labels, count = ndimage.label(air & (hu < cut))
        touched = np.zeros(count + 1, dtype=np.bool_)
        touched[labels[near]] = True
        touched[0] = False
        section: BoolArray = touched[labels]
        if section.sum() <= limit:
            return section if section.any() else None
    return None
