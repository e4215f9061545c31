"""Intervals that hold at small numbers: proportions, quantiles of a histogram, and one distribution against another."""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.statistics.errors import StatisticsError
from shared.summaries import Histogram, common


@dataclass(frozen=True)
class Bounded:
    """A number in [0, 1] with the interval around it, and how the interval was made."""

    estimate: float
    low: float
    high: float
    method: str


def clopper_pearson(events: int, cases: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval (low, high) of a proportion: never covers less often than it says, at any count.

    Args:
        events: in 0..cases.
        cases: how many were looked at; 0 gives (0, 1), which says that nothing is known.
        confidence: two-sided, in (0, 1).

    Raises:
        StatisticsError: impossible counts or confidence.

    Source:
        Clopper & Pearson, Biometrika 26 (1934).

    Example:
        >>> low, high = clopper_pearson(5, 8)
        >>> round(low, 3), round(high, 3)
        (0.245, 0.915)
    """
    _check_proportion(events, cases, confidence)
    tail = (1 - confidence) / 2
    low = 0.0 if events == 0 else beta_quantile(tail, events, cases - events + 1)
    return low, upper_bound(events, cases, 1 - tail)


def upper_bound(events: int, cases: int, confidence: float) -> float:
    """The exact one-sided upper bound of a proportion; 1 where there are no cases.

    Raises:
        StatisticsError: impossible counts or confidence.
    """
    _check_proportion(events, cases, confidence)
    return 1.0 if events == cases else beta_quantile(confidence, events + 1, cases - events)


def _check_proportion(events: int, cases: int, confidence: float) -> None:
    if not 0 <= events <= cases:
        raise StatisticsError(f"{events} events among {cases} cases cannot be.")
    if not 0 < confidence < 1:
        raise StatisticsError("A confidence lies strictly between 0 and 1.")


@lru_cache(maxsize=65536)
def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x in (0, 1) at which a Beta(a, b) distribution function equals `probability`.

    Newton's steps on the distribution function, inside a bracket that halves whenever a step would leave it; after a
    step of 1e-10 of x the next would be lost in rounding.
    """
    low, high = 0.0, 1.0
    x = a / (a + b)
    for _ in range(100):
        excess = beta_distribution(x, a, b) - probability
        low, high = (x, high) if excess < 0 else (low, x)
        density = math.exp(_log_beta_kernel(x, a, b)) / (x * (1 - x)) if 0 < x < 1 else 0.0
        guess = x - excess / density if density > 0 else low
        new = guess if low < guess < high else (low + high) / 2
        if abs(new - x) <= 1e-15 + 1e-10 * x:
            return new
        x = new
    return x


def beta_distribution(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction (modified Lentz).

    Source:
        Abramowitz & Stegun 26.5.8; the fraction converges fast for x below (a + 1) / (a + b + 2), and the symmetry
        I_x(a, b) = 1 - I_(1-x)(b, a) serves the rest.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_distribution(1 - x, b, a)
    return math.exp(_log_beta_kernel(x, a, b)) / a * _beta_fraction(x, a, b)


def _log_beta_kernel(x: float, a: float, b: float) -> float:
    """ln of x^a (1 - x)^b / B(a, b)."""
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)


def _beta_fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / max(1 - (a + b) * x / (a + 1), tiny)
    value = d
    for i in range(1, 10_000):
        even = i * (b - i) * x / ((a + 2 * i - 1) * (a + 2 * i))
        odd = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300


def histogram_quantile(histogram: Histogram, fraction: float) -> float | None:
    """The value below which `fraction` of the counted values lie, by straight lines inside the bins.

    A quantile that falls into an open end bin is told at that bin's only cut: the true value lies beyond it.

    Args:
        histogram: any; an empty one gives None.
        fraction: in [0, 1].

    Raises:
        StatisticsError: the fraction lies outside [0, 1].
    """
    if not 0 <= fraction <= 1:
        raise StatisticsError("A quantile's fraction lies between 0 and 1.")
    if histogram.total == 0:
        return None
    wanted, below = fraction * histogram.total, 0
    for i, count in enumerate(histogram.counts):
        if count > 0 and below + count >= wanted:
            return _inside_bin(histogram.cuts, i, (wanted - below) / count)
        below += count
    return histogram.cuts[-1]  # only rounding of fraction * total can lead here


def _inside_bin(cuts: tuple[float, ...], i: int, part: float) -> float:
    if i == 0:
        return cuts[0]
    if i == len(cuts):
        return cuts[-1]
    return cuts[i - 1] + max(part, 0.0) * (cuts[i] - cuts[i - 1])


def probability_of_superiority(current: Histogram, baseline: Histogram, confidence: float = 0.95) -> Bounded | None:
    """The probability that a current case lies above a baseline case, P(current > baseline) + P(same bin) / 2.

    0.5 means no difference and 1 that every current case lies above every baseline case. It needs no unit and no
    normal distribution; for a Gaussian shift of d SD it is Phi(d / sqrt 2) (0.64 at 0.5, 0.76 at 1, 0.92 at 2).
    Values in one bin count as equal, which draws it a little towards 0.5.

    The interval is the hull of two: Newcombe's method 5, which stays sound at the ends and at small n but takes both
    samples for continuous and equally spread, and DeLong's on the logit scale, which allows ties and unequal spread
    but collapses near 0 and 1. In simulations of 5 to 100 current and 100 to 1,000 baseline cases the hull covered
    at least 92 % (nominal 95), and up to 99 % with many ties; either alone fell below 86 % somewhere.

    Args:
        current, baseline: on nested edges; compared on the finest that both have. An empty one gives None.
        confidence: two-sided, in (0, 1).

    Raises:
        EdgesMismatch: they were not counted on the same nested edges.
        StatisticsError: the confidence lies outside (0, 1).

    Source:
        McGraw & Wong, Psychological Bulletin 111 (1992), the common-language effect size; Newcombe, Statistics in
        Medicine 25 (2006) 559-573, method 5; DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988).
    """
    if not 0 < confidence < 1:
        raise StatisticsError("A confidence lies strictly between 0 and 1.")
    if baseline.total == 0 or current.total == 0:
        return None
    first, second = common(baseline, current)
    b, c = np.array(first.counts, dtype=np.float64), np.array(second.counts, dtype=np.float64)
    estimate, variance = _placements(b, c)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = _newcombe(estimate, b.sum(), c.sum(), z)
    if variance is not None and 0 < estimate < 1:
        near, far = _on_logit_scale(estimate, variance, z)
        low, high = min(low, near), max(high, far)
    return Bounded(estimate, low, high, "Newcombe 5 and DeLong (hull)")


def _placements(b: NDArray[np.float64], c: NDArray[np.float64]) -> tuple[float, float | None]:
    """The estimate, and DeLong's variance of it where both samples hold at least 2."""
    m, n = b.sum(), c.sum()
    under = (np.cumsum(b) - b / 2) / m
    over = 1 - (np.cumsum(c) - c / 2) / n
    estimate = float(c @ under / n)
    if min(m, n) < 2:
        return estimate, None
    spread_c = c @ (under - estimate) ** 2 / (n - 1)
    spread_b = b @ (over - estimate) ** 2 / (m - 1)
    return estimate, float(spread_c / n + spread_b / m)


def _on_logit_scale(estimate: float, variance: float, z: float) -> tuple[float, float]:
    half = z * math.sqrt(variance) / (estimate * (1 - estimate))
    odds = math.log(estimate / (1 - estimate))
    return _expit(odds - half), _expit(odds + half)


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def _newcombe(estimate: float, m: Any, n: Any, z: float) -> tuple[float, float]:
    """All t whose own standard error reaches the estimate: |t - estimate| <= z sqrt(V(t))."""

    def reaches(t: float) -> bool:
        mean_n = (m + n) / 2
        spread = 1 + (mean_n - 1) * ((1 - t) / (2 - t) + t / (1 + t))
        return bool((t - estimate) ** 2 <= z * z * t * (1 - t) * spread / (m * n))

    return _edge(reaches, estimate, 0.0), _edge(reaches, estimate, 1.0)


def _edge(reaches: Any, inside: float, outside: float) -> float:
    """Halve towards the last point that is reached; the end itself is reached only where the estimate lies on it."""
    if inside == outside:
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if reaches(middle) else (inside, middle)
    return inside
