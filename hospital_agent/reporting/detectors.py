"""All change detectors of a site: made when its baseline is frozen, fed one case at a time, told at a window's close.

A quantity is watched in the direction that is worse, or in both where neither is; an event that a person should know
of is watched as a rate. Values that a case cannot have are not fed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hospital_agent.reporting.aggregate import CountedCase
from hospital_agent.reporting.events import Event
from shared.quantities import Quantity
from shared.report import DetectorState
from shared.statistics.detectors import (
    Alternative,
    DetectorStep,
    RankDetector,
    RateDetector,
    accepted_rate,
    public_statistic,
)

LEAST_BASELINE_VALUES = 20  # ranks among fewer cannot reach the alarm line within a useful time
EVENT_VERSION = 1
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
    window_starts: list[datetime] = field(default_factory=list)  # of each value fed
    highest: float = 0.0  # in the present window
    since: datetime | None = None  # where the change began, as it looked at the highest evidence
    pages_in_window: int = 0

    def take(self, value: float, tie_break: float, window_start: datetime) -> DetectorStep:
        """Feed one value, and keep what a report will say about it."""
        self.window_starts.append(window_start)
        step = self.detector.update(value, tie_break)
        if step.log_statistic >= self.highest:
            self.highest, self.since = step.log_statistic, self.window_starts[step.since]
        self.pages_in_window += step.paged
        return step

    def begin_window(self) -> None:
        """Forget what is told by window; evidence that has been gathered stays."""
        self.highest, self.pages_in_window = max(0.0, self.detector.log_statistic), 0

    def value_of(self, case: CountedCase) -> float | None:
        """What this detector is fed of a case, or None for nothing."""
        if self.detector.kind == "rate":
            return float(self.metric in case.events)
        return case.values.get(self.metric)


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
        quantities: Iterable[Quantity],
        events: Iterable[Event],
        log_threshold: float,
    ) -> "DetectorBank":
        """Fresh detectors against a baseline; a quantity with too few defined values in it is not watched."""
        watched = []
        for quantity in quantities:
            values = _defined(baseline, quantity.name)
            if len(values) < LEAST_BASELINE_VALUES:
                continue
            for alternative in _alternatives(quantity):
                detector = RankDetector(values, alternative=alternative, log_threshold=log_threshold)
                watched.append(_watch_quantity(quantity, alternative, detector))
        for event in events:
            if event.watched:
                happened = sum(event.name in case.events for case in baseline)
                rate = RateDetector(
                    accepted_rate(happened, len(baseline)), log_threshold=log_threshold, baseline_n=len(baseline)
                )
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
            if name in states:
                watched.append(_watch_event(event, RateDetector.from_state(states[name]["detector"])))
        for entry in watched:
            entry.window_starts = [start for case, start in fed if entry.value_of(case) is not None]
            since = states[entry.name]["since"]
            entry.since = None if since is None else datetime.fromisoformat(since)
            entry.begin_window()
        return cls(watched)

    def feed(self, case: CountedCase, tie_break: float, window_start: datetime) -> list[Page]:
        """Take one more case of the stream; returns the detectors that page on it."""
        pages = []
        for entry in self._watched:
            value = entry.value_of(case)
            if value is None:
                continue
            step = entry.take(value, tie_break, window_start)
            if step.paged:
                pages.append(Page(entry.name, step.log_statistic, entry.window_starts[step.since]))
        return pages

    def states(self) -> dict[str, dict[str, Any]]:
        """Everything needed to go on beside the cases themselves, by name."""
        return {
            entry.name: {
                "version": entry.version,
                "since": entry.since and entry.since.isoformat(),
                "detector": _state(entry.detector),
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


def _state(detector: RankDetector | RateDetector) -> dict[str, Any]:
    return detector.to_state(with_values=False) if isinstance(detector, RankDetector) else detector.to_state()


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
