"""Evidence for a change whose time is unknown, adding up over all possible times.

Before each value one fresh unit is staked on "the change begins here"; then every stake is multiplied by its bet's
payout. R_t, the sum of all stakes, is the Shiryaev-Roberts statistic. While nothing has changed, R_t - t has mean 0
whatever the dependence between streams, hence with a page and a fresh start whenever R_t >= c

    E[false pages up to T] <= T / c.
"""

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.statistics.betting import FloatArray
from shared.statistics.errors import StatisticsError

_GROUPS_PER_SIZE = 4
LARGEST_LOG_THRESHOLD = 200.0


def log_threshold(streams: float, steps_per_year: float, false_pages_per_year: float = 12) -> float:
    """ln c at which a whole federation expects at most so many false pages a year.

    Args:
        streams: detectors of all sites together, whatever their dependence: sites x quantities x directions.
        steps_per_year: values that one detector takes in a year.
        false_pages_per_year: the promise; 12 is one a month for everybody together.

    Raises:
        StatisticsError: an argument is not positive, or the promise allows a page at every step.

    Example:
        >>> round(log_threshold(40_000, 365), 1), round(log_threshold(40_000, 20 * 365), 1)
        (14.0, 17.0)
    """
    if not (streams > 0 and steps_per_year > 0 and false_pages_per_year > 0):
        raise StatisticsError("Streams, steps a year and the allowed false pages must all be positive.")
    steps = streams * steps_per_year / false_pages_per_year
    if steps <= 1:
        raise StatisticsError("So many false pages a year would allow a page at every step.")
    return math.log(steps)


class Evidence:
    """The stakes of a Shiryaev-Roberts statistic, grouped by the time at which they began.

    Starts that lie close together, seen from now, share one group with their common mean age: at most four groups of
    each size 1, 2, 4, ... are kept, so that n starts need about 4 log2(n / 4) groups. Which groups exist depends on
    the number of steps alone, never on the values, and merging only adds stakes, so that R_t keeps its mean.

    The stakes lie on a plain scale: a page restarts them before they can overflow, and one that has shrunk to 0 has
    lost its bet.

    Args:
        weights: (K,) share of each bet in a fresh unit stake.
        streams: shape of independent streams that are stepped together; () for one.
    """

    def __init__(self, weights: FloatArray, streams: tuple[int, ...] = ()) -> None:
        self._weights = weights
        self._streams = streams
        self._starts_in_group = np.zeros(0, dtype=np.int64)
        self._mean_start = np.zeros(0)
        self._stakes = np.zeros((0, len(weights), *streams))
        self._since = np.zeros((0, *streams))
        self.steps = 0

    @property
    def mean_start(self) -> FloatArray:
        """(B,) the mean step at which the stakes of each group began, oldest first."""
        return self._mean_start

    def open(self) -> None:
        """Stake one fresh unit on a change that begins with the next value."""
        fresh = np.broadcast_to(self._weights.reshape(1, -1, *(1,) * len(self._streams)), self._shape(1))
        self._stakes = np.concatenate([self._stakes, fresh])
        self._since = np.concatenate([self._since, np.full((1, *self._streams), float(self.steps))])
        self._mean_start = np.append(self._mean_start, float(self.steps))
        self._starts_in_group = np.append(self._starts_in_group, 1)

    def multiply(self, payout: FloatArray) -> None:
        """Pay out: (B or 1, K, *streams) factors >= 0 of mean at most 1 while nothing has changed."""
        self._stakes = self._stakes * payout
        self.steps += 1
        self._merge()

    @property
    def total(self) -> FloatArray:
        """(*streams,) the statistic R_t."""
        total: FloatArray = self._stakes.sum(axis=(0, 1))
        return total

    @property
    def log_total(self) -> FloatArray:
        """(*streams,) ln R_t, held above -50 so that it stays finite."""
        return np.log(np.maximum(self.total, math.exp(-50)))

    @property
    def since(self) -> FloatArray:
        """(*streams,) the step at which the change began: mean start, weighted by the stakes.

        R_t is the posterior of the change time under equal prior weight for every step, up to a factor; this is its
        mean. NaN-free: without any stake it is the current step.
        """
        by_group = self._stakes.sum(axis=1)
        total = by_group.sum(axis=0)
        weighted = (by_group * self._since).sum(axis=0)
        mean: FloatArray = np.full(self._streams, float(self.steps))
        np.divide(weighted, total, out=mean, where=total > 0)
        return mean

    def restart(self, where: NDArray[np.bool_] | bool = True) -> None:
        """Take all stakes back, in the streams chosen by `where` (*streams,)."""
        self._stakes = np.where(np.asarray(where), 0.0, self._stakes)

    def _shape(self, groups: int) -> tuple[int, ...]:
        return (groups, len(self._weights), *self._streams)

    def _merge(self) -> None:
        size = 1
        while (self._starts_in_group == size).sum() > _GROUPS_PER_SIZE:
            first = int(np.argmax(self._starts_in_group == size))
            self._merge_pair(first)
            size *= 2

    def _merge_pair(self, first: int) -> None:
        """Put the group after `first` into it; both hold equally many starts."""
        a, b = self._stakes[first].sum(axis=0), self._stakes[first + 1].sum(axis=0)
        middle = (self._since[first] + self._since[first + 1]) / 2
        weighted = a * self._since[first] + b * self._since[first + 1]
        self._since[first] = np.divide(weighted, a + b, out=np.asarray(middle), where=(a + b) > 0)
        self._stakes[first] += self._stakes[first + 1]
        self._mean_start[first] = (self._mean_start[first] + self._mean_start[first + 1]) / 2
        self._starts_in_group[first] *= 2
        keep = np.arange(len(self._starts_in_group)) != first + 1
        self._stakes, self._since = self._stakes[keep], self._since[keep]
        self._mean_start, self._starts_in_group = self._mean_start[keep], self._starts_in_group[keep]

    def to_state(self) -> dict[str, Any]:
        """Everything as numbers and lists that JSON keeps exactly."""
        return {
            "steps": self.steps,
            "starts_in_group": self._starts_in_group.tolist(),
            "mean_start": self._mean_start.tolist(),
            "stakes": self._stakes.tolist(),
            "since": self._since.tolist(),
        }

    @classmethod
    def from_state(cls, weights: FloatArray, state: Mapping[str, Any]) -> Self:
        """The evidence of one stream as `to_state` left it."""
        evidence = cls(weights)
        evidence.steps = int(state["steps"])
        evidence._starts_in_group = np.array(state["starts_in_group"], dtype=np.int64)
        evidence._mean_start = np.array(state["mean_start"], dtype=np.float64)
        evidence._stakes = np.array(state["stakes"], dtype=np.float64).reshape(evidence._shape(-1))
        evidence._since = np.array(state["since"], dtype=np.float64)
        return evidence
