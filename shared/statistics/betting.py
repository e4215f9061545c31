"""What a bet against "nothing has changed" pays.

A bet is a probability distribution that stakes one unit over what may come. Its payout is (probability that the bet
gave to what came) / (probability under no change), which has mean 1, whatever the past, while nothing has changed.
Multiplied over time, the payouts are evidence that can be looked at after every case without spending anything.

Both families here say what they bet *for* in words of the field: a shift by so many standard deviations in a part of
the cases, or an event rate of so much.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shared.statistics.errors import StatisticsError

FloatArray = NDArray[np.float64]

_REACH = 4.5  # standard normal quantiles on which the payout is tabulated: p from 3e-6 to 1 - 3e-6
_STEPS_PER_SD = 20
_SHARE_STEPS = 64
_LARGEST_LOG_PAYOUT = 400.0  # above every alarm line; a payout that is cut short keeps the promise


@dataclass(frozen=True)
class Shift:
    """One thing that may have happened: `fraction` of the cases moved up by `size` standard deviations.

    Args:
        size: in standard deviations of the values before the change, above 0.
        fraction: of the cases, in (0, 1]; below 1 stands for one scanner of several, or one kind of lesion.
        weight: share of the stake; the weights of a mixture sum to 1.
    """

    size: float
    fraction: float
    weight: float


SHIFTS = (
    Shift(size=0.45, fraction=1.0, weight=0.18),
    Shift(size=0.9, fraction=1.0, weight=0.18),
    Shift(size=1.7, fraction=1.0, weight=0.24),
    Shift(size=2.6, fraction=1.0, weight=0.2),
    Shift(size=2.0, fraction=0.3, weight=0.1),
    Shift(size=4.0, fraction=0.1, weight=0.1),
)
"""Small to large shifts of all cases, and large ones of some; how they were chosen: docs/decisions/0002-betting.md."""


class ShiftBets:
    """Bets that the rank of the next value comes from a shifted population.

    The value itself is never used, only the part [low, high] of [0, 1] that its rank occupies, so that the bets are
    fair for every continuous or tied distribution; "standard deviations" only name how unequal the ranks are expected
    to be. The payout is C(high) - C(low) over high - low, where C is the distribution function that the p-value has
    after the change. Integrating over the interval instead of drawing a point from it keeps the mean at 1 exactly,
    and the logarithm of a mean is at least the mean of the logarithms: no power is lost to the tie-break.

    After a change, shifted values join the pool against which the next ones are ranked. Let s be the share of the
    pool that came after the change: C(p) is the upper tail of the shifted values at the point where the upper tail of
    the *pool*, (1 - s) x old + s x shifted, equals p. A bet that forgets this stakes on ranks that can no longer
    come, and bleeds.

    Args:
        shifts: the mixture, weights summing to 1.

    Raises:
        StatisticsError: a shift is not positive, a fraction lies outside (0, 1], or the weights do not sum to 1.

    Source:
        Vovk, "Testing randomness online", Statistical Science 36 (2021), for conformal test martingales. Differs:
        instead of powers of p, the likelihood ratio of a Gaussian shift on the normal-score scale, corrected for the
        pool; docs/decisions/0002-betting.md has the comparison.
    """

    def __init__(self, shifts: Sequence[Shift] = SHIFTS) -> None:
        if any(shift.size <= 0 or not 0 < shift.fraction <= 1 or shift.weight <= 0 for shift in shifts):
            raise StatisticsError("A bet needs a positive shift, a fraction in (0, 1] and a positive weight.")
        if not math.isclose(sum(shift.weight for shift in shifts), 1):
            raise StatisticsError("The weights of the bets must sum to 1.")
        self.shifts = tuple(shifts)
        self.weights = np.array([shift.weight for shift in shifts])
        self._knots, self._table = _tabulate(self.shifts)

    def payout(self, low: FloatArray | float, high: FloatArray | float, share: FloatArray) -> FloatArray:
        """What every bet pays for a rank in [low, high].

        Args:
            low, high: one rank interval, or arrays of one shape (*streams,).
            share: (B,) shares in [0, 1] of the earlier values that came after the supposed change.

        Returns:
            (B, K, *streams) payouts >= 0; over equally likely ranks each has mean 1.
        """
        wide = np.asarray(high, dtype=np.float64) - np.asarray(low, dtype=np.float64)
        rows = np.rint(np.sqrt(np.clip(share, 0.0, 1.0)) * _SHARE_STEPS).astype(np.intp)
        gained: FloatArray = (self._distribution(high, rows) - self._distribution(low, rows)) / wide
        return gained

    def _distribution(self, p: FloatArray | float, rows: NDArray[np.intp]) -> FloatArray:
        """C(p) by linear interpolation between knots: increasing from 0 to 1, hence still a distribution."""
        point = np.asarray(p, dtype=np.float64)
        left = np.clip(np.searchsorted(self._knots, point, side="right") - 1, 0, len(self._knots) - 2)
        step = (point - self._knots[left]) / (self._knots[left + 1] - self._knots[left])
        row = rows.reshape(-1, 1, *(1,) * point.ndim)
        bet = np.arange(len(self.shifts)).reshape(1, -1, *(1,) * point.ndim)
        below, above = self._table[row, bet, left], self._table[row, bet, left + 1]
        interpolated: FloatArray = below + step * (above - below)
        return interpolated


@lru_cache(maxsize=8)
def _tabulate(shifts: tuple[Shift, ...]) -> tuple[FloatArray, FloatArray]:
    """Knots p (P,) from 0 to 1 and C at them, (shares, K, P)."""
    reach = int(_REACH * _STEPS_PER_SD)
    knots = np.array([0.0, *(_upper_tail(-z / _STEPS_PER_SD) for z in range(-reach, reach + 1)), 1.0])
    x = np.arange(-9.0, 13.0, 0.01)[::-1]  # descending, so that both tails ascend
    old = np.array([_upper_tail(value) for value in x])
    table = np.empty((_SHARE_STEPS + 1, len(shifts), len(knots)))
    for k, shift in enumerate(shifts):
        moved = np.array([_upper_tail(value - shift.size) for value in x])
        new = (1 - shift.fraction) * old + shift.fraction * moved
        for row in range(_SHARE_STEPS + 1):
            share = (row / _SHARE_STEPS) ** 2
            table[row, k] = np.interp(knots, (1 - share) * old + share * new, new)
    table[..., 0], table[..., -1] = 0.0, 1.0
    return knots, table


def _upper_tail(z: float) -> float:
    """P(Z > z) of a standard normal, exact in the far tail."""
    return 0.5 * math.erfc(z / math.sqrt(2))


class RateBets:
    """Bets that an event now happens more often than an accepted rate p0.

    Each bet stakes on one higher rate q and pays q / p0 for an event, (1 - q) / (1 - p0) otherwise. That is
    1 + lambda (x - p0) with lambda = (q - p0) / (p0 (1 - p0)) >= 0, so its mean is at most 1 whenever the probability
    of an event, given everything before, is at most p0; the cases need not be independent.

    Args:
        accepted_rate: p0, in (0, 1).
        odds_ratios: the rates q are p0 with its odds multiplied by these, each above 1; equal stakes.

    Raises:
        StatisticsError: the rate lies outside (0, 1) or an odds ratio is not above 1.
    """

    def __init__(self, accepted_rate: float, odds_ratios: Sequence[float] = (1.4, 2.0, 3.5, 8.0)) -> None:
        if not 0 < accepted_rate < 1:
            raise StatisticsError("The accepted rate of an event must lie strictly between 0 and 1.")
        if not odds_ratios or any(ratio <= 1 for ratio in odds_ratios):
            raise StatisticsError("A bet on a higher rate needs odds ratios above 1.")
        self._accepted_rate = accepted_rate
        odds = np.asarray(odds_ratios, dtype=np.float64) * (accepted_rate / (1 - accepted_rate))
        rates = odds / (1 + odds)
        self.weights = np.full(len(rates), 1 / len(rates))
        self._if_event = rates / accepted_rate
        self._if_not = (1 - rates) / (1 - accepted_rate)

    def payout(self, event: NDArray[np.bool_] | bool) -> FloatArray:
        """(1, K, *streams) payouts for one event indicator or an array of them."""
        happened = np.asarray(event, dtype=np.bool_)
        shape = (1, -1, *(1,) * happened.ndim)
        pays: FloatArray = np.where(happened, self._if_event.reshape(shape), self._if_not.reshape(shape))
        return pays

    def payout_of_count(self, low: int, high: int, out_of: int) -> FloatArray:
        """(1, K) payouts for "between `low` and `high` of `out_of` cases had the event".

        The probability of that at the rate q over its probability at p0; for a known count it is the product of the
        cases' payouts. Its mean is at most 1 whenever the probability of an event, given everything before, is at
        most p0: a higher answer never pays less, and there are then no more events than at p0. For that the possible
        answers must be fixed by `out_of` alone, and not overlap.
        """
        counts = np.arange(low, high + 1)
        ways = [-math.lgamma(count + 1) - math.lgamma(out_of - count + 1) for count in counts.tolist()]
        at_p0 = np.array(ways) + counts * math.log(self._accepted_rate / (1 - self._accepted_rate))
        gain = np.outer(np.log(self._if_event), counts) + np.outer(np.log(self._if_not), out_of - counts)
        pays = np.logaddexp.reduce(at_p0 + gain, axis=1) - np.logaddexp.reduce(at_p0)
        payout: FloatArray = np.exp(np.minimum(pays, _LARGEST_LOG_PAYOUT))[None, :]
        return payout
