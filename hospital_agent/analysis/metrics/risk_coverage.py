"""How good the cases are that a score lets through, over all thresholds at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RiskCoverage:
    """Area under the risk-coverage curve, beside the best and the random order of the same cases.

    Args:
        aurc: mean risk of the cases let through, averaged over how many are let through; in [0, 1], lower is better.
        oracle: AURC of the order of the risks themselves, the least there is.
        random: expected AURC of a random order, which is the mean risk.
    """

    aurc: float
    oracle: float
    random: float

    @property
    def excess(self) -> float:
        """AURC above the oracle's, >= 0; lower is better."""
        return self.aurc - self.oracle

    @property
    def normalised(self) -> float | None:
        """1 for the oracle, 0 for a random order, negative for a worse one; None where all risks are equal.

        This is the one to compare over networks and shifts: AURC itself falls when the network gets better.
        """
        span = self.random - self.oracle
        return None if span <= 1e-12 else (self.random - self.aurc) / span


def risk_coverage(scores: NDArray[Any], dice: NDArray[Any]) -> RiskCoverage | None:
    """Let cases through from the least suspicious on, and see what risk (1 - Dice) they carry.

    AURC is the mean over k = 1..n of the mean risk of the k cases with the lowest scores. Cases with equal scores
    enter as the mean over all their orders, which comes to giving each the mean risk of its group: no order among ties
    can help or harm, and a constant score is exactly as good as a random one.

    Args:
        scores: (N,) higher is worse, not NaN; only their order matters.
        dice: (N,) in [0, 1] of the same cases; a case without a Dice is left out by the caller.

    Returns:
        None without a case.

    Raises:
        ValueError: not one Dice a score, or NaN.

    Source:
        Geifman & El-Yaniv 2017; Zenk et al. 2025 for segmentation with risk 1 - Dice, and for the normalised form.
        Differs from the code of Zenk et al. and fd-shifts: they integrate a trapezoid over coverage from 1/n to 1, so
        the first case and the last weigh half and the area of n cases spans (n - 1)/n; and they add a point where a
        confidence differs from the one before it, so a tied group takes the risk up to its first case.

    Example:
        >>> found = risk_coverage(np.array([0.1, 0.2, 0.3]), np.array([1.0, 0.7, 0.1]))
        >>> round(found.aurc, 3), found.normalised
        (0.183, 1.0)
    """
    score, truth = _checked(scores, dice)
    if score.size == 0:
        return None
    risk = 1.0 - truth
    return RiskCoverage(aurc=_area(score, risk), oracle=_area(risk, risk), random=float(risk.mean()))


@dataclass(frozen=True)
class Admitted:
    """What a boundary lets through.

    Args:
        coverage: share of the cases, in [0, 1].
        mean_dice, sd_dice: over the cases let through (SD with divisor n); None where there is none.
    """

    coverage: float
    mean_dice: float | None
    sd_dice: float | None


def admitted(scores: NDArray[Any], dice: NDArray[Any], boundary: float) -> Admitted | None:
    """Dice of the cases that score at or below a boundary, and how many these are; None without a case.

    The two belong together: a boundary that lets nearly nothing through has a fine Dice.

    Raises:
        ValueError: not one Dice a score, or NaN.

    Source:
        González et al. 2021, table 1, last column. Differs: coverage stands beside it, and where none is let through
        the Dice is undefined, not 0.
    """
    score, truth = _checked(scores, dice)
    if score.size == 0:
        return None
    inside = truth[score <= boundary]
    if inside.size == 0:
        return Admitted(0.0, None, None)
    return Admitted(inside.size / score.size, float(inside.mean()), float(inside.std()))


def _checked(scores: NDArray[Any], dice: NDArray[Any]) -> tuple[Floats, Floats]:
    score, truth = np.asarray(scores, dtype=np.float64), np.asarray(dice, dtype=np.float64)
    if score.shape != truth.shape or score.ndim != 1:
        raise ValueError("A risk-coverage curve needs one Dice for each score.")
    if np.isnan(score).any() or np.isnan(truth).any():
        raise ValueError("A risk-coverage curve holds defined scores and Dice only.")
    return score, truth


def _area(score: Floats, risk: Floats) -> float:
    _, group, sizes = np.unique(score, return_inverse=True, return_counts=True)
    of_group = np.bincount(group, weights=risk) / sizes
    let_through = np.repeat(of_group, sizes)
    return float((np.cumsum(let_through) / np.arange(1, risk.size + 1)).mean())
