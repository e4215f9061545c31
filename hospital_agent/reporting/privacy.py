"""What may leave a hospital: the one file that decides it. Pure functions; no clock, no database, no randomness.

The rule (docs/privacy.md):

1. A window is released when it holds at least k distinct patients (`releasable`); else it is told to be suppressed. A
   distribution is released when at least k values are in it.
2. Inside a released window counts are exact, on edges that n allows: 8 bins below 50 patients, 16 below 200, else 32.
3. Counts of events, of refused and failed series, and of undefined values are told as 0, "1 to k-1", or exactly from
   k on; the site's own policy may allow exact ones. Of events and undefined values the other part is hidden as well:
   where fewer than k cases are left over, the count is told as "all but at most k-1", whether some are left or none.
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
from hospital_agent.reporting.tally import Tally
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
class Protected:
    """Everything countable of one release, as it may be told."""

    metrics: Mapping[str, ProtectedMetric]
    events: Mapping[str, CountBand]


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
        out_of: the cases of which some are counted, at least k; None for a count that is no part of anything told.
    """
    if policy.exact_event_counts or count == 0:
        return CountBand.exactly(count)
    few = CountBand(low=1, high=policy.k - 1)
    if out_of is not None:
        most = CountBand(low=max(policy.k, out_of - policy.k + 1), high=out_of)
        if most.exact:  # of k cases: alone, the upper band would say "all of them"
            return CountBand(low=1, high=out_of)
        if count >= most.low:
            return most
    return few if count < policy.k else CountBand.exactly(count)


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
    bands = {
        event.name: _band(
            counted.events[event.name],
            counted.case_count,
            policy,
            [protected.events[event.name] for _, protected in parts],
        )
        for event in events
    }
    release = _Release(counted, policy, events, bands, tuple(parts))
    return Protected({name: release.metric(name) for name in counted.metrics}, bands)


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


def _band(count: int, out_of: int, policy: Policy, parts: Sequence[CountBand]) -> CountBand:
    """How an event's count, or the number of undefined values, may be told."""
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
    bands: Mapping[str, CountBand]
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
            narrows(
                [self.bands[event.name]] if parts is None else [told.events[event.name] for _, told in parts],
                *implied(trace, shown),
            )
            for event in self.events
            for trace in event.traces
            if trace.metric == name
        )
