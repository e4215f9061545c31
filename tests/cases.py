"""Cases made from a bare mask, for tests of what is computed from masks."""

import numpy as np

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.imaging.volume import BoolArray, Triple, Volume
from hospital_agent.analysis.segmentation.base import Segmentation


def segmentation_of_mask(mask: np.ndarray) -> Segmentation:
    """A supplied mask: no probabilities, no patches."""
    return Segmentation(mask.astype(np.bool_), None, None, None, "supplied", "none", "none", "cpu", 0)


def case_of(
    mask: np.ndarray,
    *,
    spacing_mm: Triple = (1.0, 1.0, 1.0),
    array: np.ndarray | None = None,
    lungs: BoolArray | None = None,
    modality: str = "CT",
) -> Case:
    """A case around a mask; the image is flat unless one is given."""
    image = np.zeros(mask.shape, np.int16) if array is None else array
    volume = Volume(image, spacing_mm, modality=modality)  # type: ignore[arg-type]
    return Case(volume, segmentation_of_mask(mask), lungs, "given" if lungs is not None else "none")
