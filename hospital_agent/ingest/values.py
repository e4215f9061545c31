"""Whether numbers can be Hounsfield units, and the form in which volumes carry those of CT and of MR."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.errors import NonHounsfieldValues, NotFiniteValues

AIR_HU = -1024
HIGHEST_HU = np.iinfo(np.int16).max
AIR_BELOW_HU = -200
TISSUE_HU = (-200, 300)
LEAST_TISSUE_FRACTION = 0.01
IMPOSSIBLE_FRACTION = 0.001  # isolated values of metal or of a broken detector element are left to the scores


def as_hounsfield(values: NDArray[Any]) -> NDArray[np.int16] | NDArray[np.float32]:
    """Values in HU with everything outside the scanner's field as air; refuse what cannot be HU.

    Padding outside the field of view (-2000, -3024, -32768) is set to -1024 HU, the HU of a voxel without matter.
    Whole numbers stay 16 bits wide, which halves the memory of a large series.

    Raises:
        NotFiniteValues: NaN or infinite values.
        NonHounsfieldValues: no air, no tissue, or values beyond 32767.
    """
    _check_finite(values)
    check_hounsfield(values)
    whole = values.dtype.kind in "iu"
    clipped = np.clip(values, AIR_HU, HIGHEST_HU)
    kept: NDArray[np.int16] | NDArray[np.float32] = clipped.astype(np.int16 if whole else np.float32, copy=False)
    return kept


def as_brightness(values: NDArray[Any]) -> FloatArray:
    """Values of MR as float32 and as they are: they have no unit, so nothing about them can be implausible.

    Raises:
        NotFiniteValues: NaN or infinite values.
    """
    _check_finite(values)
    return values.astype(np.float32, copy=False)


def check_hounsfield(values: NDArray[Any]) -> None:
    """Refuse values that no CT of a body can have; looks at every 64th voxel at most."""
    sample = values[tuple(slice(None, None, 4 if length > 64 else 1) for length in values.shape)]
    if float(sample.min()) > AIR_BELOW_HU:
        raise NonHounsfieldValues(
            "The image holds no value as low as air (-1000 HU): it is not in Hounsfield units. "
            "Was the rescale intercept lost?"
        )
    if float((sample > HIGHEST_HU).mean()) > IMPOSSIBLE_FRACTION:
        raise NonHounsfieldValues(f"The image holds values beyond {HIGHEST_HU}: it is not in Hounsfield units.")
    tissue = (sample > TISSUE_HU[0]) & (sample < TISSUE_HU[1])
    if float(tissue.mean()) < LEAST_TISSUE_FRACTION:
        raise NonHounsfieldValues("The image holds almost no value of soft tissue (-200 to 300 HU): it shows no body.")


def _check_finite(values: NDArray[Any]) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise NotFiniteValues("The image holds values that are not numbers (NaN or infinite).")
