"""How well failures are found, where it is known which cases failed."""

import numpy as np
from numpy.typing import NDArray

from shared.report import Interval
from shared.statistics.intervals import clopper_pearson

BoolVector = NDArray[np.bool_]
METHOD = "Clopper-Pearson, 95 %, cases taken as independent"


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


def _proportion(hits: BoolVector) -> Interval | None:
    if hits.size == 0:
        return None
    low, high = clopper_pearson(int(hits.sum()), hits.size)
    return Interval(estimate=float(hits.mean()), low=low, high=high, method=METHOD)
