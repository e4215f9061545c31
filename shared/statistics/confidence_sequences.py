"""A bounded mean with an interval that holds at every sample size, by betting.

For each possible mean m, a gambler who believes in less (or in more) stakes on the observations at odds that are fair
if the mean is m. A mean against which somebody multiplied the stake by 2 / (1 - confidence) is ruled out. Unlike
mean +- 2 standard errors this needs no normal distribution: with 5 % failures a sample of 40 often holds none, the
standard error is then nearly 0, and the usual interval misses the truth again and again.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.statistics.errors import StatisticsError

FloatArray = NDArray[np.float64]

_STAKES = np.array([0.03, 0.1, 0.3, 0.65, 0.97])


def betting_interval(
    values: ArrayLike,
    bounds: tuple[float, float],
    confidence: float = 0.95,
    *,
    repeats: Sequence[int] | None = None,
) -> tuple[float, float]:
    """The interval of the mean of a population from bounded observations.

    The capital of a gambler who stakes the fraction c on "the mean is above m" is the product of
    1 - c + c (x - a) / (m - a) over the observations; it is averaged over five fixed fractions c, since the best one
    depends on the unknown spread. If the mean is m, its expectation is at most 1 (Markov's inequality then gives the
    interval)

    - for independent observations, at any moment at which somebody looks (Ville's inequality);
    - for draws without replacement from a fixed population, at a sample size fixed beforehand: the product is the
      exponential of a sum, hence convex, and such draws spread less than independent ones (Hoeffding 1963, th. 4);
    - for independent observations with *different* means whose average is m (inequality of the means).

    Because the fractions are fixed, the order of the observations plays no part.

    Args:
        values: observations, finite, inside the bounds.
        bounds: (a, b) that hold for every observation that could have been made, not only for those that were.
        confidence: two-sided, in (0, 1).
        repeats: how often each value was observed, where many are equal.

    Returns:
        (low, high) inside the bounds; the bounds themselves without any observation.

    Raises:
        StatisticsError: empty bounds, a value outside them, or a confidence outside (0, 1).

    Source:
        Waudby-Smith & Ramdas, JRSS B 86 (2024), "Estimating means of bounded random variables by betting"; differs:
        fixed instead of predictable fractions, for the reason above.
    """
    a, b = bounds
    x = np.asarray(values, dtype=np.float64)
    weight = np.ones(x.shape) if repeats is None else np.asarray(repeats, dtype=np.float64)
    if not (math.isfinite(a) and math.isfinite(b) and a < b) or not 0 < confidence < 1:
        raise StatisticsError("A mean needs finite bounds a < b and a confidence strictly between 0 and 1.")
    if weight.shape != x.shape or not np.isfinite(x).all() or (x < a - 1e-9).any() or (x > b + 1e-9).any():
        raise StatisticsError("Every observation of a mean lies inside its bounds.")
    unit = np.clip((x - a) / (b - a), 0.0, 1.0)
    needed = math.log(2 / (1 - confidence))
    low = _ruled_out_below(unit, weight, needed)
    high = 1 - _ruled_out_below(1 - unit, weight, needed)
    return a + low * (b - a), a + high * (b - a)


def _ruled_out_below(unit: FloatArray, weight: FloatArray, needed: float) -> float:
    """The largest m in [0, 1] such that all means below it are ruled out by bets on more."""

    def ruled_out(m: float) -> bool:
        growth = np.log1p(_STAKES[:, None] * (unit / m - 1)) @ weight
        top = float(growth.max())
        return top + math.log(float(np.exp(growth - top).mean())) >= needed

    return _last_true(ruled_out)


def _last_true(holds: Callable[[float], bool]) -> float:
    """The end of the part of (0, 1) on which `holds` is true; it is true first and false afterwards."""
    low, high = 0.0, 1.0
    for _ in range(32):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
