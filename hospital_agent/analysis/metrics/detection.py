"""How well failures and foreign images are found, where it is known which cases failed and which are foreign.

Libraries disagree on what is positive. Here each function says it: for `detection_error` and `fpr_at_tpr` a case in
distribution (González et al. 2021: a true positive is one that is let through), for `auc` a foreign or failed case.
Scores are higher for worse everywhere.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from shared.report import Interval
from shared.statistics.intervals import clopper_pearson

BoolVector = NDArray[np.bool_]
Scores = NDArray[Any]
METHOD = "Clopper-Pearson, 95 %, cases taken as independent"
TPR = 0.95
SPECIFICITY = 0.9


def sensitivity(flagged: BoolVector, failed: BoolVector) -> Interval | None:
    """Share of the failed cases that were flagged, with its exact interval; None when none failed."""
    return _proportion(flagged[failed])


def specificity(flagged: BoolVector, failed: BoolVector) -> Interval | None:
    """Share of the good cases that were not flagged (binary), with its exact interval; None when none was good."""
    return _proportion(~flagged[~failed])


def published_micro_specificity(bins: NDArray[np.int64], predicted: NDArray[np.int64], classes: int = 5) -> float:
    """What the 2021 paper prints as "specificity, averaged over bins": 1 - errors / ((classes - 1) n).

    A random guess among five bins scores 0.80 and a guess that is always wrong 0.75, so it says nothing of the
    quality of a flag; it is computed only to be compared with the paper.

    Raises:
        ValueError: there is no case, or not one prediction a case.
    """
    if bins.size == 0 or bins.shape != predicted.shape:
        raise ValueError("Micro-specificity needs one prediction for each of at least one case.")
    errors = int(np.count_nonzero(bins != predicted))
    return 1 - errors / ((classes - 1) * bins.size)


def acceptance_boundary(validation: Scores, share: float = TPR) -> float | None:
    """The score up to which a case is let through: the share of validation cases at or below it is about `share`.

    Sorted scores u_0..u_(n-1); i = floor((n - 1) share); the boundary is (u_i + u_(i+1)) / 2. So four cases give the
    mean of the two largest, as in the paper. Where there is no u_(i+1) (one case), the boundary is u_i.

    Args:
        validation: (N,) scores of cases in distribution, none of which is a test case.
        share: in [0, 1].

    Returns:
        None without a case.

    Source:
        González et al. 2021, code; differs: its boundary cases are drawn from the test set with replacement, and one
        case ends it with an IndexError.
    """
    if validation.size == 0:
        return None
    ordered = np.sort(np.asarray(validation, dtype=np.float64))
    # A product such as 20 * 0.95 is 19 and may come out just below it.
    first = int(np.floor((ordered.size - 1) * share + 1e-9))
    return float(ordered[[first, min(first + 1, ordered.size - 1)]].mean())


@dataclass(frozen=True)
class Detection:
    """What a boundary does on test cases; positive is in distribution.

    Args:
        tpr: share of the cases in distribution that are let through. It is measured here, and so only near 95 %.
        fpr: share of the foreign cases that are let through; lower is better.
    """

    tpr: float
    fpr: float

    @property
    def error(self) -> float:
        """0.5 (1 - TPR) + 0.5 FPR, in [0, 1]; lower is better, 0.5 is chance."""
        return 0.5 * (1 - self.tpr) + 0.5 * self.fpr


def detection(in_distribution: Scores, foreign: Scores, boundary: float) -> Detection | None:
    """Let through what scores at or below a boundary that comes from validation (`acceptance_boundary`).

    Returns:
        None without a case in distribution or without a foreign one.

    Source:
        González et al. 2021, sec. 3, "Detection Error ... at 95 % TPR". As in its table the TPR is the one measured on
        test cases; Zenk et al. and Liang et al. put 0.95 itself, or minimise over boundaries, which needs test cases.
    """
    if in_distribution.size == 0 or foreign.size == 0:
        return None
    return Detection(tpr=float(np.mean(in_distribution <= boundary)), fpr=float(np.mean(foreign <= boundary)))


def fpr_at_tpr(in_distribution: Scores, foreign: Scores, tpr: float = TPR) -> float | None:
    """Least share of foreign cases let through by a boundary that lets through at least `tpr` of the others.

    The boundary is found on the test cases themselves, so this is a property of the score and not of a product that
    must choose beforehand. Positive is in distribution; OpenOOD and pytorch-ood take the foreign as positive, which
    gives another number.

    Args:
        tpr: in (0, 1].

    Returns:
        None without a case in distribution or without a foreign one.
    """
    if in_distribution.size == 0 or foreign.size == 0:
        return None
    ordered = np.sort(np.asarray(in_distribution, dtype=np.float64))
    needed = max(1, int(np.ceil(tpr * ordered.size - 1e-9)))
    return float(np.mean(foreign <= ordered[needed - 1]))


def auc(scores: Scores, positive: BoolVector) -> float | None:
    """Probability that a positive case (foreign, or failed) scores above another; a tie counts half.

    1 is best, 0.5 chance.

    Returns:
        None where no case or every case is positive.
    """
    count, others = int(positive.sum()), int((~positive).sum())
    if count == 0 or others == 0:
        return None
    ranks = rankdata(scores)[positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * others))


def failure_sensitivity(scores: Scores, failed: BoolVector, specificity: float = SPECIFICITY) -> float | None:
    """Largest share of failures that a threshold flags while it spares at least `specificity` of the good cases.

    A case is flagged where it scores above the threshold; cases with equal scores are flagged together. The threshold
    is found on the cases themselves (a point of the ROC curve); nothing is interpolated between thresholds, since half
    a tied group cannot be flagged.

    Args:
        specificity: in (0, 1].

    Returns:
        None where no case failed or every case did; 0 where failures and good cases cannot be told apart.
    """
    bad, good = scores[failed], scores[~failed]
    if bad.size == 0 or good.size == 0:
        return None
    spared = np.sort(np.asarray(good, dtype=np.float64))
    needed = max(1, int(np.ceil(specificity * spared.size - 1e-9)))
    return float(np.mean(bad > spared[needed - 1]))


def _proportion(hits: BoolVector) -> Interval | None:
    if hits.size == 0:
        return None
    low, high = clopper_pearson(int(hits.sum()), hits.size)
    return Interval(estimate=float(hits.mean()), low=low, high=high, method=METHOD)
