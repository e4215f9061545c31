"""From when on a mask's agreement with its reconstruction is unusual: Tukey's fences on pDC and pHD.

pDC is the pseudo Dice between a mask and what a mask autoencoder makes of it (1 - `mask_autoencoder_pdc`; higher is
better), pHD the pseudo Hausdorff distance in mm (`mask_autoencoder_phd`; lower is better).

The paper takes the quartiles from the very cases that are judged ("target"). Such fences find the odd ones out of a
set; when the whole set is shifted they move along and flag nothing. The default here is fences from validation cases.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.segmentation.reconstruction import FARTHEST_MM

Source = Literal["validation", "target"]
REACH = 1.5  # interquartile ranges beyond a quartile
FEWEST = 4  # cases that have quartiles


@dataclass(frozen=True)
class PseudoMeasures:
    """How well one mask agrees with its reconstruction.

    Args:
        pdc: pseudo Dice in [0, 1], higher is better; None where neither holds anything.
        phd_mm: pseudo Hausdorff distance in mm, lower is better; may be infinite; None where neither holds anything.
    """

    pdc: float | None
    phd_mm: float | None


@dataclass(frozen=True)
class Fences:
    """The thresholds of eq. 3 and 4.

    Args:
        low_pdc: a pDC below it is unusual.
        high_phd_mm: a pHD above it is unusual.
        case_count: how many cases the quartiles are of.
        source: of these cases.
    """

    low_pdc: float
    high_phd_mm: float
    case_count: int
    source: Source

    def flags(self, found: PseudoMeasures) -> bool:
        """Whether pDC < low or pHD > high; what is undefined is not unusual."""
        return self.flags_pdc(found) or self.flags_phd(found)

    def flags_pdc(self, found: PseudoMeasures) -> bool:
        """Whether the pDC alone is unusual."""
        return found.pdc is not None and found.pdc < self.low_pdc

    def flags_phd(self, found: PseudoMeasures) -> bool:
        """Whether the pHD alone is unusual."""
        return found.phd_mm is not None and found.phd_mm > self.high_phd_mm


def fences_of(cases: Iterable[PseudoMeasures], source: Source = "validation", pixel_mm: float = 0.0) -> Fences:
    """Q1 - 1.5 IQR of pDC and Q3 + 1.5 IQR of pHD, quartiles interpolated linearly between cases.

    Cases with an infinite or a missing value are left out: in the published code one infinite pHD makes IQR and
    threshold infinite or NaN, and the test stops flagging. So is a pHD of `FARTHEST_MM`, which stands for infinity
    here: a few such cases would lift the fence beyond every distance there is. What is left out can still be flagged.

    Args:
        source: what the cases are, which the fences remember.
        pixel_mm: the fence of pHD lies at least so far above Q3. Distances on a grid are multiples of its steps: where
            most cases have the same one, the IQR is 0, and without this the next larger one is unusual.

    Raises:
        TooFewCases: fewer than four cases have both values.

    Source:
        QC autoencoder and refinement 2021, eq. 3-4; differs: `pixel_mm`.
    """
    known = [
        (case.pdc, case.phd_mm)
        for case in cases
        if case.pdc is not None and case.phd_mm is not None and math.isfinite(case.pdc) and case.phd_mm < FARTHEST_MM
    ]
    if len(known) < FEWEST:
        raise TooFewCases(
            f"Fences need at least {FEWEST} cases whose pDC and pHD are defined and not at their end, "
            f"and there are {len(known)}."
        )
    (first, third), (first_far, third_far) = (np.quantile(column, (0.25, 0.75)) for column in zip(*known, strict=True))
    return Fences(
        low_pdc=float(first - REACH * (third - first)),
        high_phd_mm=float(third_far + max(REACH * (third_far - first_far), pixel_mm)),
        case_count=len(known),
        source=source,
    )


def fences_by_group(
    cases: Mapping[str, Sequence[PseudoMeasures]], source: Source = "validation", pixel_mm: float = 0.0
) -> dict[str, Fences]:
    """Fences for each view or label, each from its own cases; a group with too few has none."""
    found = {}
    for group, measures in cases.items():
        try:
            found[group] = fences_of(measures, source, pixel_mm)
        except TooFewCases:
            continue
    return found
