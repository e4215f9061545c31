"""The estimated failure rate: what the model predicts, corrected by what readers saw (prediction-powered).

Every case has a predicted failure; a few cases, **drawn at random**, have a reader's verdict. The mean prediction plus
the mean of (verdict - prediction) over the reviewed is right whatever the predictions are worth, and the better they
are, the smaller is what the readers have to settle. Reviews of cases that were chosen because they looked bad may not
enter: they have no inclusion probability.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.statistics.confidence_sequences import betting_interval
from shared.statistics.errors import StatisticsError
from shared.statistics.intervals import Bounded

MINIMUM_REVIEWS = 10
"""Below this, "insufficient data": an interval could be had, but it would say next to nothing."""

FloatArray = NDArray[np.float64]


def estimated_failure_rate(
    predicted: ArrayLike,
    reviewed: Sequence[int],
    failed: Sequence[bool],
    *,
    inclusion: Sequence[float] | None = None,
    smallest_inclusion: float | None = None,
    confidence: float = 0.95,
) -> Bounded | None:
    """The failure rate among all cases, with an interval that holds at the number of reviews there is.

    Args:
        predicted: (N,) predicted failure of every case, reviewed or not: a flag (0 or 1) or a probability.
        reviewed: indices of the reviewed cases into `predicted`, each once.
        failed: the reader's verdict on each of them.
        inclusion: the probability with which each reviewed case was drawn, as logged at the draw: case by case, or in
            batches of equal chances. Without it, the reviewed are one draw of equal chances from all N.
        smallest_inclusion: with `inclusion`, a probability that none of the N cases was below when it was drawn or
            passed over; without it the smallest of `inclusion`.
        confidence: two-sided, in (0, 1).

    Returns:
        None, "insufficient data", with fewer than 10 reviews. The interval is about these N cases, not about cases to
        come; the estimate is clipped into it.

    Raises:
        StatisticsError: predictions outside [0, 1], an index twice or out of range, unequal lengths, or an inclusion
            probability outside (0, 1] or below the smallest.

    Source:
        Angelopoulos et al., Science 382 (2023), prediction-powered inference; Zrnic & Candes, ICML 2024, for unequal
        inclusion. Differs: the correction's interval is by betting (`betting_interval`), because the normal one
        covers far less than it says when failures are few.
    """
    f, index, verdict = _checked(predicted, reviewed, failed)
    if len(index) < MINIMUM_REVIEWS:
        return None
    residual = verdict - f[index]
    if inclusion is None:
        correction = float(residual.mean())
        low, high = betting_interval(residual, _bounds(f), confidence)
        method = "prediction-powered, betting"
    else:
        chance, floor = _checked_inclusion(inclusion, smallest_inclusion, len(index))
        correction = float((residual / chance).sum() / len(f))
        low, high = _weighted_interval(residual / chance, len(f), _bounds(f, floor), confidence)
        method = "prediction-powered, weighted, betting"
    return _within_what_is_known(float(f.mean()), correction, (low, high), verdict, len(f), method)


def _checked(
    predicted: ArrayLike, reviewed: Sequence[int], failed: Sequence[bool]
) -> tuple[FloatArray, NDArray[np.intp], FloatArray]:
    f = np.asarray(predicted, dtype=np.float64)
    index = np.asarray(reviewed, dtype=np.intp)
    verdict = np.asarray(failed, dtype=np.float64)
    if f.ndim != 1 or not ((f >= 0) & (f <= 1)).all():
        raise StatisticsError("A predicted failure is a number between 0 and 1.")
    if index.shape != verdict.shape or len(set(index.tolist())) != len(index):
        raise StatisticsError("Every reviewed case has one verdict and is named once.")
    if len(index) and not (index.min() >= 0 and index.max() < len(f)):
        raise StatisticsError("A reviewed case is not among the cases.")
    if not np.isin(verdict, (0.0, 1.0)).all():
        raise StatisticsError("A verdict is failed or not failed.")
    return f, index, verdict


def _checked_inclusion(inclusion: Sequence[float], smallest: float | None, n: int) -> tuple[FloatArray, float]:
    chance = np.asarray(inclusion, dtype=np.float64)
    if chance.shape != (n,) or not ((chance > 0) & (chance <= 1)).all():
        raise StatisticsError("Every review needs the probability, above 0, with which it was drawn.")
    floor = float(chance.min()) if smallest is None else smallest
    if not 0 < floor <= chance.min():
        raise StatisticsError("The smallest inclusion probability lies above a logged one.")
    return chance, floor


def _bounds(f: FloatArray, smallest_inclusion: float = 1.0) -> tuple[float, float]:
    """What verdict - prediction can be for any case, reviewed or not, over its inclusion probability."""
    lowest, highest = -float(f.max()), 1 - float(f.min())
    if lowest == highest:
        highest += 1e-9
    return lowest / smallest_inclusion, highest / smallest_inclusion


def _weighted_interval(
    weighted: FloatArray, n: int, bounds: tuple[float, float], confidence: float
) -> tuple[float, float]:
    """All N cases count: a case that was not drawn contributes 0."""
    values = np.append(weighted, 0.0)
    repeats = [1] * len(weighted) + [n - len(weighted)]
    return betting_interval(values, (min(bounds[0], 0.0), max(bounds[1], 0.0)), confidence, repeats=repeats)


def _within_what_is_known(
    predicted: float, correction: float, interval: tuple[float, float], verdict: FloatArray, n: int, method: str
) -> Bounded:
    """The rate cannot be below the failures seen, nor above one less the successes seen."""
    seen, unseen = float(verdict.sum()), n - len(verdict)
    low = min(max(predicted + interval[0], seen / n), (seen + unseen) / n)
    high = min(max(predicted + interval[1], seen / n), (seen + unseen) / n)
    return Bounded(min(max(predicted + correction, low), high), low, high, method)
