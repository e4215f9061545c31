"""Reports of windows and baselines, made from what is stored; the rows are read here and judged in `aggregate`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from hospital_agent.errors import LedgerBroken
from hospital_agent.reporting import aggregate
from hospital_agent.reporting.aggregate import Heading, as_protected
from hospital_agent.reporting.calendar import Calendar
from hospital_agent.reporting.events import Event
from hospital_agent.reporting.privacy import Policy
from hospital_agent.store import cases, ledger, windows
from hospital_agent.store.tables import BaselineRow, WindowRow
from hospital_agent.store.windows import ModelKey
from shared.quantities import Quantity
from shared.report import FlagQuality, SiteReport, Versions, Window, report_id_for

EDGES_VERSION = 1


@dataclass(frozen=True)
class Plan:
    """What a site has decided, and what its numbers are made of.

    Args:
        site: its name.
        calendar: when windows close.
        policy: the privacy rule; None releases nothing.
        baseline_patients: distinct patients in released windows that make the baseline.
        log_threshold: the detectors' alarm line.
        model: what makes the masks and the numbers.
        versions: of everything that makes a report.
        quantities, events: what is summarised.
        flag_quality: how well the flag finds failures, where it was measured.
    """

    site: str
    calendar: Calendar
    policy: Policy | None
    baseline_patients: int
    log_threshold: float
    model: ModelKey
    versions: Versions
    quantities: tuple[Quantity, ...]
    events: tuple[Event, ...]
    flag_quality: FlagQuality | None = None


class Releases:
    """Makes the reports of one site."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def of_window(
        self, session: Session, policy: Policy, window: WindowRow, end: datetime, now: datetime
    ) -> SiteReport:
        """The report of a window that ends at `end`; suppressed where fewer than k patients are in it."""
        plan = self._plan
        counted = aggregate.tally(cases.counted(session, [window.index]), plan.quantities, plan.events)
        return aggregate.window_report(
            self._heading(session, policy, window, end, now),
            counted,
            cases.arrivals(session, window.index),
            flag_quality=plan.flag_quality,
        )

    def suppressed(
        self, session: Session, policy: Policy, window: WindowRow, end: datetime, now: datetime
    ) -> SiteReport:
        """The report of a window of which nothing may be told."""
        return aggregate.suppressed_report(self._heading(session, policy, window, end, now))

    def of_baseline(
        self, session: Session, policy: Policy, members: Sequence[WindowRow], baseline: BaselineRow, now: datetime
    ) -> SiteReport:
        """The report of a baseline, from what was told of its windows: the sum reveals no more than they did."""
        plan = self._plan
        told = [self.told_of_window(session, window.index) for window in members]
        quantities = tuple(q for q in plan.quantities if all(_tells(report, q) for report in told))
        rows = [cases.counted(session, [window.index]) for window in members]
        counted = [aggregate.tally(row, quantities, plan.events) for row in rows]
        parts = [(tally, as_protected(report, tally, policy)) for tally, report in zip(counted, told, strict=True)]
        span = Window(index=baseline.last_window, start_at=baseline.start_at, end_at=baseline.end_at)
        versions = self._versions(members[-1], baseline.version)
        heading = Heading(plan.site, "baseline", span, versions, policy, now, quantities, plan.events)
        return aggregate.baseline_report(heading, parts)

    def told_of_window(self, session: Session, index: int) -> SiteReport:
        """What was told of a window, as the ledger has it."""
        return self._told(session, "window", index, None)

    def told_of_baseline(self, session: Session, baseline: BaselineRow) -> SiteReport:
        """What was told of a frozen baseline, as the ledger has it."""
        return self._told(session, "baseline", baseline.last_window, baseline.version)

    def _told(self, session: Session, kind: str, index: int, baseline: int | None) -> SiteReport:
        body = ledger.body_of(session, str(report_id_for(self._plan.site, kind, index, "all", 0, baseline)))
        if body is None:
            raise LedgerBroken(f"The ledger lacks the {kind} report of window {index}.")
        return SiteReport.model_validate_json(body)

    def _heading(self, session: Session, policy: Policy, window: WindowRow, end: datetime, now: datetime) -> Heading:
        plan = self._plan
        baseline = windows.baseline_of(session, windows.model_of(window))
        versions = self._versions(window, None if baseline is None else baseline.version)
        span = Window(index=window.index, start_at=window.start_at, end_at=end)
        return Heading(plan.site, "window", span, versions, policy, now, plan.quantities, plan.events)

    def _versions(self, window: WindowRow, baseline: int | None) -> Versions:
        """The window's own model: an earlier one may have left it open."""
        made_by = {"backend": window.backend, "model": window.model_version, "model_hash": window.model_hash}
        return self._plan.versions.model_copy(update={**made_by, "baseline": baseline})


def _tells(report: SiteReport, quantity: Quantity) -> bool:
    return any(metric.name == quantity.name and metric.version == quantity.version for metric in report.metrics)
