"""Which of several candidate masks of one case to believe, judged by how well each agrees with its reconstruction.

The candidates come from the best checkpoints of one training run (three in the paper). The paper's steps:

    1. rank the candidates by pDC;
    2. take the top one if its pHD does not lie above the upper fence, as `Fences.flags` has it;
    3. otherwise discard it, and go on with the next;
    4. repeat until one is taken;
    5. if none is, average the probabilities of the best by pDC and of the best by pHD.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hospital_agent.analysis.errors import GeometryMismatch, TooFewCases
from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.analysis.quality.tukey import Fences, PseudoMeasures

BEST_COUNT = 3  # m_best of the paper; its published code keeps five
Reading = Literal["paper", "code"]


@dataclass(frozen=True)
class Selection:
    """Which candidates make the answer, by their place.

    Args:
        by_pdc: the one that is taken, or the best by pDC where two are averaged.
        by_phd: the best by pHD where two are averaged, else None.
    """

    by_pdc: int
    by_phd: int | None = None

    @property
    def averaged(self) -> bool:
        """Whether no candidate met the requirement (step 5)."""
        return self.by_phd is not None


def select(candidates: Sequence[PseudoMeasures], fences: Fences) -> Selection:
    """The paper's five steps; of equals the earlier candidate, which is the better one in validation.

    A candidate without pDC (nothing segmented and nothing reconstructed) ranks last, and one without pHD never meets
    the requirement: an empty mask is not chosen over one that can be judged.

    Raises:
        TooFewCases: there is no candidate.
    """
    if not candidates:
        raise TooFewCases("There is no candidate to choose from.")
    ranked = sorted(range(len(candidates)), key=lambda i: -_or(candidates[i].pdc, -math.inf))
    for place in ranked:
        if candidates[place].phd_mm is not None and not fences.flags_phd(candidates[place]):
            return Selection(place)
    nearest = min(range(len(candidates)), key=lambda i: _or(candidates[i].phd_mm, math.inf))
    return Selection(ranked[0], nearest)


def blended(selection: Selection, probabilities: Sequence[FloatArray]) -> FloatArray:
    """(C, Z, Y, X) probabilities of the answer: the taken candidate's, or the mean of two.

    Raises:
        GeometryMismatch: two candidates that are to be averaged lie on different grids.
    """
    first = probabilities[selection.by_pdc]
    if selection.by_phd is None or selection.by_phd == selection.by_pdc:
        return first
    second = probabilities[selection.by_phd]
    if first.shape != second.shape:
        raise GeometryMismatch("Candidates on different grids cannot be averaged.")
    mean: FloatArray = (first + second) / np.float32(2)
    return mean


def is_flagged(candidates: Sequence[PseudoMeasures], fences: Fences, reading: Reading = "paper") -> bool:
    """Whether a case is out of distribution: no candidate is good enough.

    The paper says "pDC < low or pHD > high for all candidates": every candidate fails one test or the other (reading
    "paper"). The published code asks whether all fail the same one: max pDC < low, or min pHD > high (reading "code"),
    and lets a case pass whose candidates fail different tests. The paper's reading is taken: such a case has no mask
    that passes.

    Raises:
        TooFewCases: there is no candidate.
    """
    if not candidates:
        raise TooFewCases("There is no candidate to judge.")
    if reading == "paper":
        return all(fences.flags(one) for one in candidates)
    return all(fences.flags_pdc(one) for one in candidates) or all(fences.flags_phd(one) for one in candidates)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
