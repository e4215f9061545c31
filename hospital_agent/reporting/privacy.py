"""What may leave a hospital: the one file that decides it. Pure functions; no clock, no database, no randomness.

The rule (docs/privacy.md):

1. A window is released when it holds at least k distinct patients (`releasable`); else it is told to be suppressed. A
   distribution is released when at least k values are in it.
2. Inside a released window counts are exact, on edges that n allows: 8 bins below 50 patients, 16 below 200, else 32.
3. Counts of events, of refused and failed series, and of undefined values are told as 0, "1 to k-1", or exactly from
   k on; the site's own policy may allow exact ones. Of events and undefined values the other part is hidden as well:
   where fewer than k cases are left over, the count is told as "all but at most k-1", whether some are left or none.
   An event is told among the cases of which it is known, and only where they are k or more and the number of the
   others need not be hidden.
4. Nothing hidden may follow from something told. For every count told as a band, the interval that the released
   distributions and totals leave for it is computed; a distribution that would narrow the band is shown on coarser
   edges, or withheld. A cell that holds everybody is coarsened in the same way.
5. The baseline is the sum of released windows; what a window hid must stay hidden when the other windows are
   subtracted from the sum.
6. A released window is never released again, so that no two releases can be subtracted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hospital_agent.reporting.events import Event, Trace
from hospital_agent.reporting.tally import EventTally, Tally
from shared.report import CountBand
from shared.summaries import RESOLUTIONS, Histogram, Resolution


@dataclass(frozen=True)
class Policy:
    """The site's own rule.

    Args:
        k: least number of distinct patients in a release, and the least count of an event that is told exactly.
        exact_event_counts: tell smaller counts of events exactly as well.
        version: name of the policy, told in every report.
    """

    k: int
    exact_event_counts: bool = False
    version: str = "unversioned"


@dataclass(frozen=True)
class ProtectedMetric:
    """A distribution as it may be told, or None where it is withheld; and how many values are undefined."""

    histogram: Histogram | None
    undefined: CountBand


@dataclass(frozen=True)
class ProtectedEvent:
    """How often an event happened, and among how many cases.

    Args:
        count: as it may be told; where nothing is told, the band that other releases must not narrow.
        out_of: the cases of which it is known; None where the event is left out.
    """

    count: CountBand
    out_of: int | None


@dataclass(frozen=True)
class Protected:
    """Everything countable of one release, as it may be told."""

    metrics: Mapping[str, ProtectedMetric]
    events: Mapping[str, ProtectedEvent]


Part = tuple[Tally, Protected]


def releasable(counted: Tally, policy: Policy) -> bool:
    """Whether enough distinct patients are in it."""
    return counted.patient_count >= policy.k


def finest_resolution(patient_count: int) -> Resolution:
    """The number of bins that n allows; n alone, never the values, decides it."""
    if patient_count < 50:
        return 8
    return 16 if patient_count < 200 else 32


def protect_count(count: int, policy: Policy, out_of: int | None = None) -> CountBand:
    """0, "1 to k-1", or exactly from k on; of `out_of` cases exactly only where k or more are left over.

    Every band stands for two counts at least, so that none says "all of them", which would tell of each.

    Args:
        out_of: the cases of which some are counted; None for a count that is no part of anything told.
    """
    if policy.exact_event_counts or count == 0:
        return CountBand.exactly(count)
    if out_of == policy.k:  # the band above "1 to k-1" would hold "all of them" alone
        return CountBand(low=1, high=out_of)
    if count < policy.k:
        return CountBand(low=1, high=policy.k - 1)
    if out_of is not None and out_of - count < policy.k:
        return CountBand(low=max(policy.k, out_of - policy.k + 1), high=out_of)
    return CountBand.exactly(count)


def protect_funnel(scored: int, failed: int, refused_by_reason: Mapping[str, int], policy: Policy) -> dict[str, Any]:
    """The funnel's counts; a total is told no more closely than the parts that it is the sum of."""
    reasons = {reason: protect_count(count, policy) for reason, count in sorted(refused_by_reason.items())}
    refused = sum_of(list(reasons.values()))
    failures, scores = protect_count(failed, policy), CountBand.exactly(scored)
    return {
        "received": sum_of([scores, failures, refused]),
        "refused": refused,
        "failed": failures,
        "scored": scores,
        "refused_by_reason": reasons,
    }


def protect(counted: Tally, policy: Policy, events: Sequence[Event], parts: Sequence[Part] = ()) -> Protected:
    """Decide what may be told of some counts.

    Args:
        counted: exact counts over at least k patients.
        events: the catalogue, with the distributions from which each event can be bounded.
        parts: the releases of which this one is the sum; none for a window.

    Raises:
        ValueError: fewer than k patients; nothing of such a tally may be told.
    """
    if not releasable(counted, policy):
        raise ValueError("Counts over fewer than k patients cannot be released.")
    told = {
        event.name: _sum_of_events(event.name, policy, parts) if parts else _event(event.name, counted, policy)
        for event in events
    }
    release = _Release(counted, policy, events, told, tuple(parts))
    return Protected({name: release.metric(name) for name in counted.metrics}, told)


def untold(event: EventTally, policy: Policy) -> ProtectedEvent:
    """An event that a release leaves out, with the band that it would have: nothing else may tell more."""
    return ProtectedEvent(protect_count(event.happened, policy, event.known), None)


def sum_of(bands: Sequence[CountBand]) -> CountBand:
    """What is known of a sum when its parts are known as bands."""
    return CountBand(low=sum(band.low for band in bands), high=sum(band.high for band in bands))


def narrows(bands: Sequence[CountBand], low: int, high: int) -> bool:
    """Whether knowing that some counts sum to between `low` and `high` tells more about a hidden one than its band."""
    total = sum_of(bands)
    return any(
        not band.exact and (low - (total.high - band.high) > band.low or high - (total.low - band.low) < band.high)
        for band in bands
    )


def implied(trace: Trace, histogram: Histogram) -> tuple[int, int]:
    """How often an event happened at least and at most, read off a distribution."""
    edges = (float("-inf"), *histogram.cuts, float("inf"))
    certain = possible = 0
    for left, right, count in zip(edges, edges[1:], histogram.counts, strict=False):
        if trace.side == "below":
            inside, touches = right <= trace.threshold, left < trace.threshold
        elif trace.side == "from":
            inside, touches = left >= trace.threshold, right > trace.threshold
        else:
            inside, touches = False, left <= trace.threshold < right
        certain += count if inside else 0
        possible += count if touches else 0
    return certain, possible


def _event(name: str, counted: Tally, policy: Policy) -> ProtectedEvent:
    """How an event of a window may be told, if at all."""
    event, everybody = counted.events[name], counted.case_count
    unknown = protect_count(everybody - event.known, policy, everybody)
    least = 1 if policy.exact_event_counts else policy.k
    if not unknown.exact or event.known < least:
        return untold(event, policy)
    return ProtectedEvent(protect_count(event.happened, policy, event.known), event.known)


def _sum_of_events(name: str, policy: Policy, parts: Sequence[Part]) -> ProtectedEvent:
    """How an event may be told of a sum: over those of its parts that tell it."""
    telling = [
        (counted.events[name].happened, told.events[name].count, told.events[name].out_of or 0)
        for counted, told in parts
        if told.events[name].out_of is not None
    ]
    if not telling:
        return ProtectedEvent(CountBand.exactly(0), None)
    counts, bands, out_of = zip(*telling, strict=True)
    return ProtectedEvent(_band(sum(counts), sum(out_of), policy, bands), sum(out_of))


def _band(count: int, out_of: int, policy: Policy, parts: Sequence[CountBand]) -> CountBand:
    """How an event's count, or the number of undefined values, may be told; `parts` are what it is the sum of."""
    band = protect_count(count, policy, out_of)
    if parts and not policy.exact_event_counts and (not band.exact or narrows(parts, count, count)):
        return sum_of(parts)
    return band


@dataclass(frozen=True)
class _Release:
    """One release in the making: everything that decides how a distribution may be shown."""

    counted: Tally
    policy: Policy
    events: Sequence[Event]
    told: Mapping[str, ProtectedEvent]
    parts: tuple[Part, ...]

    def metric(self, name: str) -> ProtectedMetric:
        """A distribution on the finest edges that give nothing away, or without it."""
        metric = self.counted.metrics[name]
        told = [protected.metrics[name].undefined for _, protected in self.parts]
        undefined = _band(metric.undefined, self.counted.case_count, self.policy, told)
        if undefined.exact:  # else the distribution's total would tell it
            for resolution in sorted(RESOLUTIONS, reverse=True):
                shown = metric.histogram.coarsen(resolution)
                if resolution <= finest_resolution(self.counted.patient_count) and self._may_show(name, shown):
                    return ProtectedMetric(shown, undefined)
        return ProtectedMetric(None, undefined)

    def _may_show(self, name: str, shown: Histogram) -> bool:
        if self._few_or_all_in_one(shown) or self._narrows_an_event(name, shown, None):
            return False
        if not self.parts:
            return True
        if self._narrows_an_event(name, shown, self.parts):
            return False
        hidden = [part for part in self.parts if part[1].metrics[name].histogram is None]
        if not hidden:
            return True
        # Whoever holds the windows that were told can subtract them: the rest is told together with the sum.
        zero = Histogram.zero(self.counted.metrics[name].histogram.cuts)
        rest = sum((counted.metrics[name].histogram for counted, _ in hidden), start=zero).coarsen(min(RESOLUTIONS))
        return not (self._few_or_all_in_one(rest) or self._narrows_an_event(name, rest, hidden))

    def _few_or_all_in_one(self, histogram: Histogram) -> bool:
        return histogram.total < self.policy.k or histogram.total == max(histogram.counts)

    def _narrows_an_event(self, name: str, shown: Histogram, parts: Sequence[Part] | None) -> bool:
        """Whether a distribution tells more about an event than its band, in this release or in its parts."""
        return any(
            narrows(self._bands(event.name, parts), *implied(trace, shown))
            for event in self.events
            for trace in event.traces
            if trace.metric == name
        )

    def _bands(self, event: str, parts: Sequence[Part] | None) -> list[CountBand]:
        """The counts that add up to an event's count over all cases: of some parts, or as this release tells it."""
        if parts is not None:
            return [told.events[event].count for _, told in parts]
        left_out = [told.events[event].count for _, told in self.parts if told.events[event].out_of is None]
        return [self.told[event].count, *left_out]
