"""All change detectors of a site: made when its baseline is frozen, told at a window's close.

A quantity is watched case by case, in the direction that is worse, or in both where neither is. Values that a case
cannot have are not fed.

An event that a person should know of is watched as a rate, and from nothing but what reports tell: its count in the
baseline, and then its count in each released window, both as bands where they are hidden. So no hidden count follows
from a rate's statistic, whatever it is compared with. Fed with the cases themselves it would name them: in a small
window each number and order of events gives a statistic of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hospital_agent.reporting.aggregate import CountedCase
from hospital_agent.reporting.events import Event
from shared.quantities import Quantity
from shared.report import DetectorState, EventSummary
from shared.statistics.detectors import (
    Alternative,
    DetectorStep,
    RankDetector,
    RateDetector,
    accepted_rate,
    public_statistic,
)

LEAST_BASELINE_VALUES = 20  # ranks among fewer cannot reach the alarm line within a useful time
EVENT_VERSION = 2
TOLD_FROM = 1.0  # below this the evidence points nowhere


@dataclass(frozen=True)
class Page:
    """A detector reached its alarm line; `since` is the start of the window in which the change seems to have begun."""

    detector: str
    log_statistic: float
    since: datetime


@dataclass(eq=False)
class Watched:
    """One detector with what it watches."""

    name: str
    metric: str
    label: str
    version: int
    detector: RankDetector | RateDetector
    window_starts: list[datetime] = field(default_factory=list)  # of each value or count fed
    highest: float = 0.0  # in the present window
    since: datetime | None = None  # where the change began, as it looked at the highest evidence
    pages_in_window: int = 0

    def keep(self, step: DetectorStep, window_start: datetime) -> list[Page]:
        """Keep what a report will say about a step; returns the page if it was one."""
        self.window_starts.append(window_start)
        since = self.window_starts[step.since]
        if step.log_statistic >= self.highest:
            self.highest, self.since = step.log_statistic, since
        self.pages_in_window += step.paged
        return [Page(self.name, step.log_statistic, since)] if step.paged else []

    def begin_window(self) -> None:
        """Forget what is told by window; evidence that has been gathered stays."""
        self.highest, self.pages_in_window = max(0.0, self.detector.log_statistic), 0


class DetectorBank:
    """The detectors of one baseline.

    Args:
        watched: in the order of reports.
    """

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = tuple(watched)

    @classmethod
    def freeze(
        cls,
        baseline: Sequence[CountedCase],
        told: Iterable[EventSummary],
        quantities: Iterable[Quantity],
        events: Iterable[Event],
        log_threshold: float,
    ) -> "DetectorBank":
        """Fresh detectors against a baseline; a quantity with too few defined values in it is not watched.

        Args:
            told: what the baseline's report tells of events; an event that is not in it is not watched.
        """
        watched = []
        for quantity in quantities:
            values = _defined(baseline, quantity.name)
            if len(values) < LEAST_BASELINE_VALUES:
                continue
            for alternative in _alternatives(quantity):
                detector = RankDetector(values, alternative=alternative, log_threshold=log_threshold)
                watched.append(_watch_quantity(quantity, alternative, detector))
        usual = {summary.name: summary for summary in told}
        for event in events:
            if event.watched and event.name in usual:
                count, out_of = usual[event.name].count, usual[event.name].out_of
                rate = RateDetector(accepted_rate(count.high, out_of), log_threshold=log_threshold, baseline_n=out_of)
                watched.append(_watch_event(event, rate))
        return cls(watched)

    @classmethod
    def restore(
        cls,
        states: Mapping[str, Mapping[str, Any]],
        baseline: Sequence[CountedCase],
        fed: Sequence[tuple[CountedCase, datetime]],
        quantities: Iterable[Quantity],
        events: Iterable[Event],
    ) -> "DetectorBank":
        """Detectors as they were stored; a quantity whose definition has changed since is no longer watched.

        Args:
            states: what `states` gave, by name.
            baseline: the frozen baseline's cases.
            fed: the stream's cases that are already in the states, each with the start of its window.

        Raises:
            StateMismatch: the states are of another version of the detectors, or do not fit the cases.
        """
        watched = []
        for quantity in quantities:
            for alternative in _alternatives(quantity):
                name = _name(quantity.name, alternative)
                if states.get(name, {}).get("version") == quantity.version:
                    values = _defined([*baseline, *(case for case, _ in fed)], quantity.name)
                    rank = RankDetector.from_state(states[name]["detector"], values)
                    watched.append(_watch_quantity(quantity, alternative, rank))
        for event in events:
            name = _name(event.name, "rate")
            if states.get(name, {}).get("version") == EVENT_VERSION:
                watched.append(_watch_event(event, RateDetector.from_state(states[name]["detector"])))
        for entry in watched:
            starts, since = states[entry.name]["window_starts"], states[entry.name]["since"]
            if starts is None:
                entry.window_starts = [start for case, start in fed if case.values.get(entry.metric) is not None]
            else:
                entry.window_starts = [datetime.fromisoformat(start) for start in starts]
            entry.since = None if since is None else datetime.fromisoformat(since)
            entry.begin_window()
        return cls(watched)

    def feed(self, case: CountedCase, tie_break: float, window_start: datetime) -> list[Page]:
        """Take one more case of the stream; returns the detectors that page on it."""
        pages = []
        for entry in self._watched:
            value = case.values.get(entry.metric)
            if isinstance(entry.detector, RankDetector) and value is not None:
                pages += entry.keep(entry.detector.update(value, tie_break), window_start)
        return pages

    def feed_told(self, told: Iterable[EventSummary], window_start: datetime) -> list[Page]:
        """Take what the report of one more window tells of events; returns the detectors that page on it."""
        counts = {summary.name: summary for summary in told}
        pages = []
        for entry in self._watched:
            summary = counts.get(entry.metric)
            if isinstance(entry.detector, RateDetector) and summary is not None:
                step = entry.detector.update(summary.count.low, summary.count.high, summary.out_of)
                pages += entry.keep(step, window_start)
        return pages

    def states(self) -> dict[str, dict[str, Any]]:
        """Everything needed to go on beside the cases themselves, by name."""
        return {
            entry.name: {
                "version": entry.version,
                "since": entry.since and entry.since.isoformat(),
                **_state(entry),
            }
            for entry in self._watched
        }

    def told(self, baseline_n: int, stream_n: int) -> tuple[DetectorState, ...]:
        """Where the detectors stand, as it may leave the site.

        Args:
            baseline_n, stream_n: cases of the baseline, and of the windows released since. They are the same for all
                detectors: how many of these cases had the value would tell how many could not have it.
        """
        return tuple(_told(entry, baseline_n, stream_n) for entry in self._watched)

    def begin_window(self) -> None:
        """Forget what is counted by window."""
        for entry in self._watched:
            entry.begin_window()


def _told(entry: Watched, baseline_n: int, stream_n: int) -> DetectorState:
    detector = entry.detector
    line = detector.log_threshold
    highest = public_statistic(entry.highest, line)
    return DetectorState(
        metric=entry.metric,
        label=entry.label,
        kind=detector.kind,
        alternative=detector.alternative,
        version=entry.version,
        baseline_n=baseline_n,
        stream_n=stream_n,
        log_statistic=public_statistic(detector.log_statistic, line),
        highest_log_statistic=highest,
        log_threshold=line,
        pages_in_window=entry.pages_in_window,
        pages_total=detector.pages_total,
        evidence_since=entry.since if highest >= TOLD_FROM else None,
    )


def _state(entry: Watched) -> dict[str, Any]:
    """Values that were fed, and when, are read from the cases again; counts that were told are not."""
    if isinstance(entry.detector, RankDetector):
        return {"detector": entry.detector.to_state(with_values=False), "window_starts": None}
    return {
        "detector": entry.detector.to_state(),
        "window_starts": [start.isoformat() for start in entry.window_starts],
    }


def _alternatives(quantity: Quantity) -> tuple[Alternative, ...]:
    if quantity.direction == "neither":
        return "greater", "less"
    return ("greater",) if quantity.direction == "higher_is_worse" else ("less",)


def _defined(cases: Iterable[CountedCase], name: str) -> list[float]:
    return [value for case in cases if (value := case.values.get(name)) is not None]


def _watch_quantity(quantity: Quantity, alternative: Alternative, detector: RankDetector) -> Watched:
    return Watched(_name(quantity.name, alternative), quantity.name, quantity.label, quantity.version, detector)


def _watch_event(event: Event, detector: RateDetector) -> Watched:
    return Watched(_name(event.name, "rate"), event.name, event.label, EVENT_VERSION, detector)


def _name(metric: str, alternative: str) -> str:
    return f"{metric}:{alternative}"
