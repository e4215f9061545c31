"""How well two masks agree, where a reference exists, and what the empty ones count as."""

from typing import Literal

import numpy as np

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import BoolArray

Agreement = Literal["true_empty", "missed_all", "false_only", "both"]


def dice(mask: BoolArray, reference: BoolArray) -> float | None:
    """2 |mask and reference| / (|mask| + |reference|), in [0, 1]; higher is better.

    Returns:
        None where both are empty: two empty masks agree, but have no overlap to measure (`agreement` tells them apart);
        0 where exactly one is.

    Raises:
        GeometryMismatch: the masks lie on different grids.

    Example:
        >>> dice(np.array([[[True, True]]]), np.array([[[True, False]]]))
        0.6666666666666666
    """
    _same_grid(mask, reference)
    total = int(np.count_nonzero(mask)) + int(np.count_nonzero(reference))
    if total == 0:
        return None
    return 2 * int(np.count_nonzero(_both(mask, reference))) / total


def agreement(mask: BoolArray, reference: BoolArray) -> Agreement:
    """Which of the four cases of empty and not empty this is; `missed_all` and `false_only` are failures.

    Raises:
        GeometryMismatch: the masks lie on different grids.
    """
    _same_grid(mask, reference)
    found, there = bool(np.any(mask)), bool(np.any(reference))
    if found and there:
        return "both"
    if found:
        return "false_only"
    return "missed_all" if there else "true_empty"


def absolute_volume_error_ml(mask: BoolArray, reference: BoolArray, voxel_ml: float) -> float:
    """| volume of the mask - volume of the reference | in ml, >= 0; defined for empty masks too.

    Args:
        voxel_ml: volume of a voxel.

    Raises:
        GeometryMismatch: the masks lie on different grids.
    """
    _same_grid(mask, reference)
    return abs(int(np.count_nonzero(mask)) - int(np.count_nonzero(reference))) * voxel_ml


def _both(mask: BoolArray, reference: BoolArray) -> BoolArray:
    # An integer mask is foreground where it is not zero; a bitwise "and" of 1 and 2 would be 0.
    return np.logical_and(mask, reference)


def _same_grid(mask: BoolArray, reference: BoolArray) -> None:
    if mask.shape != reference.shape:
        raise GeometryMismatch(f"The mask has {mask.shape} voxels and the reference {reference.shape}.")
