"""Where the patient's left and right half meet, also when only one lung is left to see."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import BoolArray

TISSUE_ABOVE_HU = -200
LEAST_SHARE = 0.25  # of the longer side: a shifted mediastinum leaves more of a lung than this


def tissue_midline(hu: NDArray[Any]) -> float | None:
    """Mean X of the tissue, in voxels; None without tissue. Every fourth row and slice is enough for a mean."""
    columns = (hu[::4, ::4] > TISSUE_ABOVE_HU).sum(axis=(0, 1))
    return float(columns @ np.arange(columns.size) / columns.sum()) if columns.any() else None


def lungs_midline(hu: NDArray[Any], lungs: BoolArray) -> tuple[float, bool] | None:
    """Where the halves meet, in voxels along X, and whether lung lies on both sides of the patient.

    With two lungs it is the middle of their extent from side to side, wherever the patient lies in the image. After a
    pneumonectomy, or with a lung that is white altogether, that middle would lie inside the lung that is left, so the
    middle of the tissue is taken. None without a voxel of lung.
    """
    columns = np.flatnonzero(lungs.any(axis=(0, 1)))
    if columns.size == 0:
        return None
    first, last = float(columns[0]), float(columns[-1])
    body = tissue_midline(hu)
    shorter, longer = (0.0, 0.0) if body is None else sorted((body - first, last - body))
    if body is None or shorter >= LEAST_SHARE * longer:
        return (first + last) / 2, True
    return body, False
