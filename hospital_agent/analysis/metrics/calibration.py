"""Whether a confidence of 90 % means right nine times in ten: over voxels (ECE, MCE) and over subjects (ESCE)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import BoolArray

BINS = 10
BOUNDARY_VOXELS = 10.0

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Calibration:
    """How far confidence and accuracy lie apart, bin by bin of confidence.

    Args:
        ece: mean over the bins, each weighted with its share of the voxels, in [0, 1]; lower is better.
        mce: the largest of any bin that holds a voxel, in [0, 1]; a bin of a few voxels counts as much as a full one.
        voxel_count: how many voxels were judged.
    """

    ece: float
    mce: float
    voxel_count: int


def boundary_calibration(
    class_probabilities: Floats, reference: Labels, within_voxels: float = BOUNDARY_VOXELS, bins: int = BINS
) -> Calibration | None:
    """Expected and maximum calibration error near the boundary of the reference's foreground.

    Confidence is the probability of the most likely class, and a voxel is right where that class is the reference's.
    Only voxels near the boundary count: farther out everything is background, right and certain, and hides the rest.

    Args:
        class_probabilities: (C, Z, Y, X) in [0, 1], background first.
        reference: (Z, Y, X) class of each voxel, 0 background; borders between classes of foreground do not count.
        within_voxels: Euclidean distance, in voxels, to the nearest voxel on the other side of the boundary.
        bins: K equal bins (k/K, (k+1)/K] of confidence; 0 lies in the first.

    Returns:
        None where the reference is all background or all foreground, which has no boundary.

    Raises:
        GeometryMismatch: probabilities and reference lie on different grids.

    Source:
        Karimi & Gholipour 2022, eq. 3 and 4. Differs: the paper leaves K open (10 here) and closes its bins at both
        ends, as if a value on an edge lay in two; the dilation by 10 voxels is by distance and not by steps.
    """
    if class_probabilities.shape[1:] != reference.shape:
        raise GeometryMismatch(
            f"The probabilities have {class_probabilities.shape[1:]} voxels and the reference {reference.shape}."
        )
    foreground = np.asarray(reference > 0, dtype=np.bool_)
    if not foreground.any() or foreground.all():
        return None
    box = _around(foreground, within_voxels)
    near = _near_boundary(foreground[box], within_voxels)
    softmax = class_probabilities[(slice(None), *box)][:, near]
    return calibration(softmax.max(axis=0), softmax.argmax(axis=0) == reference[box][near], bins)


def calibration(confidence: Floats, right: BoolArray, bins: int = BINS) -> Calibration | None:
    """Calibration errors of (N,) confidences in [0, 1], given which of them were right; None where there are none.

    Example:
        >>> calibration(np.array([0.75, 0.75, 0.5, 0.5]), np.array([True, True, True, False]))
        Calibration(ece=0.125, mce=0.25, voxel_count=4)
    """
    if confidence.size == 0:
        return None
    counts, gaps = _gaps(confidence, right, bins)
    ece = float((counts * gaps).sum() / counts.sum())
    return Calibration(ece, float(gaps.max()), int(confidence.size))


def esce(normalised_uncertainty: Floats, dice: Floats, bins: int = BINS) -> float | None:
    """Expected Segmentation Calibration Error over subjects, in [0, 1]; lower is better.

    sum over bins of n_b / N |mean Dice - mean confidence|, where confidence is 1 - normalised uncertainty and bins are
    equal, (k/K, (k+1)/K], with 0 in the first. It asks that a score be a Dice in disguise: a score that finds every
    failure but runs on another scale does badly, and one that is clipped at 1 for all failures does well where their
    Dice is near 0.

    Args:
        normalised_uncertainty: (N,) in [0, 1]; see `ValidationRange.normalise`.
        dice: (N,) in [0, 1] of the same subjects, in and out of distribution together.

    Returns:
        None without a subject.

    Raises:
        ValueError: not one Dice a subject.

    Source:
        González et al. 2021, eq. 3; the edges as in its code.
    """
    if normalised_uncertainty.shape != dice.shape:
        raise ValueError("ESCE needs one Dice for each normalised uncertainty.")
    if dice.size == 0:
        return None
    counts, gaps = _gaps(1.0 - np.asarray(normalised_uncertainty, dtype=np.float64), dice, bins)
    return float((counts * gaps).sum() / counts.sum())


def _gaps(confidence: Floats, outcome: Floats | BoolArray, bins: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Members of each bin, and |mean outcome - mean confidence| there (0 where a bin is empty)."""
    of_bin = np.searchsorted(np.linspace(0.0, 1.0, bins + 1)[1:-1], confidence, side="left")
    counts = np.bincount(of_bin, minlength=bins)
    differences = np.asarray(outcome, dtype=np.float64) - np.asarray(confidence, dtype=np.float64)
    sums = np.bincount(of_bin, weights=differences, minlength=bins)
    return counts, np.abs(sums) / np.maximum(counts, 1)


def _around(foreground: BoolArray, margin: float) -> tuple[slice, ...]:
    """The box of the foreground and of all that lies within the margin, so that distances are measured there alone."""
    reach = int(np.ceil(margin)) + 1
    box = []
    for axis in range(foreground.ndim):
        others = tuple(other for other in range(foreground.ndim) if other != axis)
        held = np.flatnonzero(foreground.any(axis=others))
        box.append(slice(max(0, int(held[0]) - reach), int(held[-1]) + reach + 1))
    return tuple(box)


def _near_boundary(foreground: BoolArray, within_voxels: float) -> BoolArray:
    inside = ndimage.distance_transform_edt(foreground)
    outside = ndimage.distance_transform_edt(~foreground)
    near: BoolArray = np.where(foreground, inside, outside) <= within_voxels
    return near
