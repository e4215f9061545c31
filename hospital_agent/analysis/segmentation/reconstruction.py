"""A mask beside its reconstruction: pseudo Dice and pseudo Hausdorff distance of each label, in numbers that exist."""

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import Triple
from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.metrics.surface import surface_distances
from hospital_agent.analysis.segmentation.base import ABSENT, Reconstruction

Labels = NDArray[np.uint8]
FARTHEST_MM = 500.0  # declared maximum of a Hausdorff distance; also that of a label which only one of two masks holds


def compare(labels: Labels, reconstructed: Labels, spacing_mm: Triple, label_count: int) -> Reconstruction:
    """How a mask differs from its reconstruction, label by label.

    The Hausdorff distance is the plain one, as in the paper, between surface voxels; in mm, while the published code
    counts voxels of whatever size. A label that exactly one of the two holds has Dice 0 and no distance: the published
    code writes infinity, which then makes its own threshold infinite or NaN. Here it is `FARTHEST_MM`.

    Args:
        labels, reconstructed: (Z, Y, X) uint8 on one grid; labels above `label_count` are not looked at.
        spacing_mm: (Z, Y, X), > 0.
        label_count: labels of the task, background not counted, >= 1.

    Raises:
        GeometryMismatch: the two lie on different grids.

    Source:
        Galati and Zuluaga 2021 (QC of masks by reconstruction), sec. 2.3 of the refinement paper.
    """
    if labels.shape != reconstructed.shape:
        raise GeometryMismatch(f"The mask has {labels.shape} voxels and its reconstruction {reconstructed.shape}.")
    gaps, far = np.full(label_count, ABSENT), np.full(label_count, ABSENT)
    for place, number in enumerate(range(1, label_count + 1)):
        own, other = labels == number, reconstructed == number
        overlap = dice(own, other)
        if overlap is None:
            continue
        distances = surface_distances(own, other, spacing_mm)
        gaps[place] = 1.0 - overlap
        far[place] = FARTHEST_MM if distances is None else min(distances.hausdorff_mm, FARTHEST_MM)
    return Reconstruction(gaps, far, reconstructed)
