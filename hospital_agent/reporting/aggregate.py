"""From stored cases to counts, and from counts to a report: pure functions, no clock, no database.

A `Tally` is exact and stays at the site. `site_report` is the only way from a tally to the wire, and it goes through
`privacy.protect`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from hospital_agent.reporting.events import Event
from hospital_agent.reporting.privacy import (
    Policy,
    Protected,
    ProtectedEvent,
    ProtectedMetric,
    protect,
    protect_count,
    protect_funnel,
    releasable,
    untold,
)
from hospital_agent.reporting.tally import EventTally, MetricTally, Tally
from shared.quantities import Quantity
from shared.report import (
    CountBand,
    DetectorState,
    EventSummary,
    FlagQuality,
    Funnel,
    MetricSummary,
    PrivacyStatement,
    ReviewSummary,
    SiteReport,
    Versions,
    Window,
    WireHistogram,
    report_id_for,
)
from shared.summaries import Histogram


@dataclass(frozen=True)
class CountedCase:
    """What a report needs of one case; never sent.

    Args:
        patient: pseudonym.
        values: name -> value, None where undefined.
        events: name -> whether it happened, None where that cannot be known.
        late: it belongs to a window that was already released.
    """

    patient: str = field(repr=False)
    values: Mapping[str, float | None]
    events: Mapping[str, bool | None]
    late: bool = False


def tally(cases: Sequence[CountedCase], quantities: Sequence[Quantity], events: Sequence[Event]) -> Tally:
    """Count cases on the finest edges; a value that is missing or None counts as undefined, an event as not known."""
    return Tally(
        case_count=len(cases),
        patients=frozenset(case.patient for case in cases),
        late_count=sum(case.late for case in cases),
        metrics={quantity.name: _metric(cases, quantity) for quantity in quantities},
        events={event.name: _event(cases, event) for event in events},
    )


def _metric(cases: Iterable[CountedCase], quantity: Quantity) -> MetricTally:
    values = [case.values.get(quantity.name) for case in cases]
    defined = [value for value in values if value is not None]
    return MetricTally(Histogram.of(defined, quantity.cuts), undefined=len(values) - len(defined))


def _event(cases: Iterable[CountedCase], event: Event) -> EventTally:
    known = [fact for case in cases if (fact := case.events.get(event.name)) is not None]
    return EventTally(sum(known), len(known))


@dataclass(frozen=True)
class Heading:
    """What stands above every report.

    Args:
        quantities, events: the catalogue, in the order of the report.
    """

    site: str
    kind: Literal["window", "baseline"]
    window: Window
    versions: Versions
    policy: Policy
    created_at: datetime
    quantities: tuple[Quantity, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Arrivals:
    """What became of the series that arrived in a window."""

    scored: int
    failed: int
    refused_by_reason: Mapping[str, int]


def window_report(
    heading: Heading,
    counted: Tally,
    arrivals: Arrivals,
    *,
    flag_quality: FlagQuality | None = None,
    reviews: ReviewSummary | None = None,
) -> SiteReport:
    """The report of one window; suppressed where fewer than k patients are in it."""
    if not releasable(counted, heading.policy):
        return suppressed_report(heading)
    protected = protect(counted, heading.policy, heading.events)
    funnel = protect_funnel(arrivals.scored, arrivals.failed, arrivals.refused_by_reason, heading.policy)
    late = protect_count(counted.late_count, heading.policy, counted.case_count)
    report = _released(heading, counted, protected).model_copy(
        update={
            "late_count": late,
            "funnel": Funnel(**funnel),
            "flag_quality": flag_quality,
            "reviews": reviews,
        }
    )
    return SiteReport.model_validate(report.model_dump())


def with_detectors(report: SiteReport, detectors: tuple[DetectorState, ...]) -> SiteReport:
    """The report of a window together with where the detectors stand at its end; a suppressed one stays silent."""
    if report.status == "suppressed":
        return report
    return SiteReport.model_validate(report.model_copy(update={"detectors": detectors}).model_dump())


def baseline_report(heading: Heading, windows: Sequence[tuple[Tally, Protected]]) -> SiteReport:
    """The report of a frozen baseline: exactly the cases of some released windows.

    Because it is their sum, the baseline minus its windows reveals nobody; what some window had to hide is kept
    hidden in the sum as well.
    """
    total = sum((counted for counted, _ in windows), start=Tally.zero(heading.quantities, heading.events))
    return _released(heading, total, protect(total, heading.policy, heading.events, parts=windows))


def as_protected(report: SiteReport, counted: Tally, policy: Policy) -> Protected:
    """What a released report tells of some counts, in the form in which a sum with it is protected."""
    told = {event.name: ProtectedEvent(event.count, event.out_of) for event in report.events}
    return Protected(
        metrics={
            metric.name: ProtectedMetric(
                None if metric.histogram is None else metric.histogram.unwrap(),
                metric.undefined or CountBand.exactly(0),
            )
            for metric in report.metrics
        },
        events={name: told.get(name) or untold(event, policy) for name, event in counted.events.items()},
    )


def suppressed_report(heading: Heading) -> SiteReport:
    """That a window passed with too few patients, and nothing else."""
    return SiteReport(
        **_head(heading), status="suppressed", patient_count=None, case_count=None, late_count=None, funnel=None
    )


def _released(heading: Heading, counted: Tally, protected: Protected) -> SiteReport:
    return SiteReport(
        **_head(heading),
        status="released",
        patient_count=counted.patient_count,
        case_count=counted.case_count,
        late_count=None,
        funnel=None,
        metrics=tuple(_summary(quantity, protected) for quantity in heading.quantities),
        events=tuple(
            EventSummary(name=event.name, label=event.label, count=told.count, out_of=told.out_of)
            for event in heading.events
            if (told := protected.events[event.name]).out_of is not None
        ),
    )


def _head(heading: Heading) -> dict[str, object]:
    window, versions, policy = heading.window, heading.versions, heading.policy
    return {
        "report_id": report_id_for(heading.site, heading.kind, window.index, "all", 0, versions.baseline),
        "site": heading.site,
        "kind": heading.kind,
        "window": window,
        "revision": 0,  # a released window is never corrected: cases that come late count in the next one
        "stratum": "all",
        "created_at": heading.created_at,
        "versions": versions,
        "privacy": PrivacyStatement(k=policy.k, exact_event_counts=policy.exact_event_counts, policy=policy.version),
    }


def _summary(quantity: Quantity, protected: Protected) -> MetricSummary:
    metric = protected.metrics[quantity.name]
    return MetricSummary(
        name=quantity.name,
        label=quantity.label,
        unit=quantity.unit,
        direction=quantity.direction,
        version=quantity.version,
        histogram=None if metric.histogram is None else WireHistogram.wrap(metric.histogram),
        undefined=metric.undefined,
        withheld="would_reveal_a_small_count" if metric.histogram is None else None,
    )
