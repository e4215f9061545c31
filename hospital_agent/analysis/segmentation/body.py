"""Where in an image the patient is: half of a CT is air and table, and a network need not look at it."""

import numpy as np
from scipy import ndimage

from hospital_agent.analysis.imaging.resample import Box, bounding_box
from hospital_agent.analysis.imaging.volume import FloatArray, Triple

TISSUE_HU = -400.0
THINNEST_MM = 12.0
MARGIN_MM = 6.0


def body_box(image_hu: FloatArray, spacing_mm: Triple) -> Box:
    """The smallest box around the largest body of tissue, with a margin; the whole image where there is none.

    Structures thinner than 12 mm (table, blankets, tubes) are opened away before the largest piece is taken.

    Args:
        image_hu: (Z, Y, X) HU.
        spacing_mm: (Z, Y, X).
    """
    steps = [max(1, round(THINNEST_MM / 2.0 / step)) for step in spacing_mm]
    tissue = _opened(image_hu > TISSUE_HU, steps)
    pieces, count = ndimage.label(tissue)
    everything = (slice(0, image_hu.shape[0]), slice(0, image_hu.shape[1]), slice(0, image_hu.shape[2]))
    if count == 0:
        return everything
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    margin_mm = MARGIN_MM + max(step * n for step, n in zip(spacing_mm, steps, strict=True))
    return bounding_box(pieces == int(sizes.argmax()), spacing_mm, margin_mm) or everything


def _opened(
    mask: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]", steps: list[int]
) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Opening by a box, in the plane alone: a thin stack has a body too."""
    size = (1, 2 * steps[1] + 1, 2 * steps[2] + 1)
    eroded = ndimage.minimum_filter(mask, size=size, mode="nearest")
    return np.asarray(ndimage.maximum_filter(eroded, size=size, mode="nearest"), dtype=np.bool_)
