"""Change detectors of one stream at one site: feed them in order of arrival.

`RankDetector` watches a number, case by case, against the site's frozen baseline; `RateDetector` watches how often an
event happens, count by count, against an accepted rate. Both answer `update` with a `DetectorStep`, page when the
evidence reaches the threshold, then start gathering evidence afresh. Their states are plain JSON, and the same state
and value always give the same next state: a crash between two values is repaired by feeding the second again.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from shared.statistics.betting import RateBets, ShiftBets
from shared.statistics.errors import BaselineTooSmall, StateMismatch, StatisticsError, UndefinedValue
from shared.statistics.intervals import upper_bound
from shared.statistics.ranks import Ranks
from shared.statistics.shiryaev_roberts import LARGEST_LOG_THRESHOLD, Evidence

Alternative = Literal["greater", "less"]

DETECTOR_VERSION = 2
"""Raised when the bets or the grouping change: a stored state of another version is refused, not continued."""

_LARGEST_RATE = 0.999


@dataclass(frozen=True)
class DetectorStep:
    """What one value, or one count, did to a detector.

    Args:
        log_statistic: ln R_t after this value and before any restart; stays inside the site.
        paged: whether the statistic reached the threshold with this value; the evidence then restarted.
        since: number of values or counts that came before the estimated change (0: it began with the first).
        p_value: smoothed conformal p-value of this value; None from a rate detector or without a tie-break.
    """

    log_statistic: float
    paged: bool
    since: int
    p_value: float | None = None


def public_statistic(log_statistic: float, log_threshold: float) -> float:
    """The statistic as it may leave a site: between 0 and 1 above the threshold, rounded to 0.1.

    The bound and the rounding keep the payout of a single case from being read off two successive values. Rounding
    takes nothing across the threshold: a page must not stand beside evidence that lies below its own line. That tells
    no more than the count of pages does.
    """
    told = round(min(max(log_statistic, 0.0), log_threshold + 1.0), 1)
    if (told >= log_threshold) == (log_statistic >= log_threshold):
        return told
    tenths = math.ceil(log_threshold * 10)
    tenths += tenths / 10 < log_threshold  # the product may have been rounded down
    return (tenths if log_statistic >= log_threshold else tenths - 1) / 10


def accepted_rate(events: int, cases: int, confidence: float = 0.99) -> float:
    """The rate p0 that a site's baseline makes acceptable: a one-sided exact upper bound of the baseline's own rate.

    The detector's promise is "no false page while the rate stays at or below p0". The baseline's plain fraction would
    lie below the true rate in half of all sites, and each of those would page in the end without any change; the
    upper bound does so in at most 1 - confidence of them. The price is that smaller rises than that are not sought.

    Args:
        events: how often the event happened in the baseline.
        cases: baseline cases in which it could have happened, at least 1.
        confidence: one-sided, in (0, 1).

    Returns:
        A rate in (0, 0.999]; where every baseline case had the event no higher rate can be told from it.

    Raises:
        StatisticsError: impossible counts or confidence.

    Example:
        >>> round(accepted_rate(20, 100), 2)
        0.31
    """
    return min(upper_bound(events, cases, confidence), _LARGEST_RATE)


class RankDetector:
    """Pages when the values of a stream have moved away from the site's baseline, in one direction.

    Each value is ranked among the baseline and all earlier stream values; `ShiftBets` bet on the rank; `Evidence` adds
    up over all times at which a change may have begun. While the stream is exchangeable with the baseline the
    expected number of pages in T values is at most T / exp(log_threshold), at whatever moments anybody looks.

    Args:
        baseline: the frozen baseline's values, at least 2, finite; cases without the value are left out.
        alternative: "greater" pages on higher values, "less" on lower ones. Watching both takes two detectors.
        log_threshold: ln c, see `log_threshold`.

    Raises:
        BaselineTooSmall: fewer than 2 baseline values.
        UndefinedValue: a baseline value is not finite.
        StatisticsError: the threshold is not in (0, 200], or the alternative has another name.

    Example:
        >>> detector = RankDetector(range(200), alternative="greater", log_threshold=5.0)
        >>> [detector.update(value, u=0.5).paged for value in (500, 501)]
        [False, True]
        >>> detector.pages_total
        1
    """

    kind: ClassVar[Literal["rank"]] = "rank"

    def __init__(self, baseline: Iterable[float], *, alternative: Alternative, log_threshold: float) -> None:
        if alternative not in ("greater", "less"):
            raise StatisticsError("A detector looks for 'greater' or for 'less'.")
        self.alternative: Alternative = alternative
        self.log_threshold = _checked_threshold(log_threshold)
        self._sign = 1.0 if alternative == "greater" else -1.0
        self._ranks = Ranks(self._sign * float(value) for value in baseline)
        self.baseline_n = len(self._ranks)
        if self.baseline_n < 2:
            raise BaselineTooSmall("A detector needs at least 2 baseline values to rank anything among.")
        self._bets = ShiftBets()
        self._evidence = Evidence(self._bets.weights)
        self.pages_total = 0

    @property
    def stream_n(self) -> int:
        """How many values were fed since the baseline."""
        return self._evidence.steps

    @property
    def log_statistic(self) -> float:
        """ln R_t now, after any restart."""
        return float(self._evidence.log_total)

    @property
    def values(self) -> tuple[float, ...]:
        """Baseline and stream values in no telling order; they stay inside the site."""
        return tuple(self._sign * value for value in self._ranks.values)

    def update(self, value: float, u: float | None = None) -> DetectorStep:
        """Take one more value of the stream.

        Args:
            value: finite; a case without the value is not fed.
            u: the case's tie-break in (0, 1), for the p-value of the answer alone: the bets integrate over ties.

        Raises:
            UndefinedValue: the value is NaN or infinite, or u lies outside (0, 1). The detector is then unchanged.
        """
        if u is not None and not 0 < u < 1:
            raise UndefinedValue("The number that breaks ties must lie strictly between 0 and 1.")
        earlier_n = len(self._ranks)
        rank = self._ranks.append(self._sign * value)
        self._evidence.open()
        share = (self.stream_n - self._evidence.mean_start) / earlier_n
        self._evidence.multiply(self._bets.payout(rank.low, rank.high, share))
        step = _settle(self._evidence, self.log_threshold, None if u is None else rank.p_value(u))
        self.pages_total += step.paged
        return step

    def to_state(self, *, with_values: bool = True) -> dict[str, Any]:
        """Everything needed to go on, as JSON keeps it exactly.

        Without the values the state is some 5 kB whatever the length of the stream; `from_state` then needs them.
        """
        return _state_of(self, self._evidence) | {"values": list(self.values) if with_values else None}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], values: Iterable[float] | None = None) -> Self:
        """The detector as `to_state` left it.

        Args:
            state: what `to_state` gave.
            values: all baseline and stream values in any order, where the state was kept without them.

        Raises:
            StateMismatch: another version or kind of detector, or the values are not as many as were fed.
        """
        _check_state(cls.kind, state)
        kept = list(values) if values is not None else state["values"]
        if kept is None or len(kept) != state["baseline_n"] + state["evidence"]["steps"]:
            raise StateMismatch("The stored values are not those that this detector has been fed.")
        detector = cls(kept, alternative=state["alternative"], log_threshold=state["log_threshold"])
        detector.baseline_n = int(state["baseline_n"])
        detector.pages_total = int(state["pages_total"])
        detector._evidence = Evidence.from_state(detector._bets.weights, state["evidence"])
        return detector


class RateDetector:
    """Pages when an event happens more often than a rate that was accepted.

    It is fed counts, each exact or as two ends between which it lies, so that it can watch what may be told of a rate
    and know no more. While the probability of the event, given all that went before, is at most the accepted rate at
    every case, the expected number of pages in T counts is at most T / exp(log_threshold). Cases need not be
    independent or alike; how exactly a count is given may depend on `out_of` and on the count alone.

    Args:
        accepted_rate: p0 in (0, 1); `accepted_rate(events, cases)` chooses it from the baseline.
        log_threshold: ln c.
        baseline_n: how many baseline cases the rate was chosen from; told, not used.

    Raises:
        StatisticsError: the rate or the threshold is out of range.

    Example:
        >>> detector = RateDetector(accepted_rate=0.1, log_threshold=3.0)
        >>> [detector.update(low=1, high=4, out_of=12).paged, detector.update(low=7, high=7, out_of=12).paged]
        [False, True]
    """

    kind: ClassVar[Literal["rate"]] = "rate"
    alternative: ClassVar[Alternative] = "greater"

    def __init__(self, accepted_rate: float, *, log_threshold: float, baseline_n: int = 0) -> None:
        self._bets = RateBets(accepted_rate)
        self.accepted_rate = accepted_rate
        self.log_threshold = _checked_threshold(log_threshold)
        self.baseline_n = baseline_n
        self._evidence = Evidence(self._bets.weights)
        self.pages_total = 0

    @property
    def stream_n(self) -> int:
        """How many counts were fed."""
        return self._evidence.steps

    @property
    def log_statistic(self) -> float:
        """ln R_t now, after any restart."""
        return float(self._evidence.log_total)

    def update(self, low: int, high: int, out_of: int) -> DetectorStep:
        """Take one more count: the event happened to between `low` and `high` of `out_of` further cases.

        Raises:
            UndefinedValue: there can be no such count. The detector is then unchanged.
        """
        if not 0 <= low <= high <= out_of or out_of < 1:
            raise UndefinedValue("A count lies between 0 and the number of cases, of which there is at least one.")
        self._evidence.open()
        self._evidence.multiply(self._bets.payout_of_count(low, high, out_of))
        step = _settle(self._evidence, self.log_threshold, None)
        self.pages_total += step.paged
        return step

    def to_state(self) -> dict[str, Any]:
        """Everything needed to go on, as JSON keeps it exactly."""
        return _state_of(self, self._evidence) | {"accepted_rate": self.accepted_rate}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The detector as `to_state` left it.

        Raises:
            StateMismatch: another version or kind of detector.
        """
        _check_state(cls.kind, state)
        detector = cls(
            state["accepted_rate"], log_threshold=state["log_threshold"], baseline_n=int(state["baseline_n"])
        )
        detector.pages_total = int(state["pages_total"])
        detector._evidence = Evidence.from_state(detector._bets.weights, state["evidence"])
        return detector


def _settle(evidence: Evidence, log_threshold: float, p_value: float | None) -> DetectorStep:
    """Read the evidence after a value, page and restart where it is enough."""
    log_statistic = float(evidence.log_total)
    since = min(round(float(evidence.since)), evidence.steps - 1)
    paged = log_statistic >= log_threshold
    if paged:
        evidence.restart()
    return DetectorStep(log_statistic=log_statistic, paged=paged, since=since, p_value=p_value)


def _state_of(detector: RankDetector | RateDetector, evidence: Evidence) -> dict[str, Any]:
    return {
        "version": DETECTOR_VERSION,
        "kind": detector.kind,
        "alternative": detector.alternative,
        "log_threshold": detector.log_threshold,
        "baseline_n": detector.baseline_n,
        "pages_total": detector.pages_total,
        "evidence": evidence.to_state(),
    }


def _check_state(kind: str, state: Mapping[str, Any]) -> None:
    if state.get("version") != DETECTOR_VERSION or state.get("kind") != kind:
        raise StateMismatch(
            f"A {kind} detector of version {DETECTOR_VERSION} cannot continue the state of "
            f"a {state.get('kind')} detector of version {state.get('version')}."
        )


def _checked_threshold(log_threshold: float) -> float:
    if not (math.isfinite(log_threshold) and 0 < log_threshold <= LARGEST_LOG_THRESHOLD):
        raise StatisticsError(f"A detector's log threshold lies above 0 and up to {LARGEST_LOG_THRESHOLD:g}.")
    return float(log_threshold)
