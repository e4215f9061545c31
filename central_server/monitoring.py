"""One monitoring pass, on one page: reports that arrived -> findings of the rules -> alerts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from central_server.alerts.findings import Finding, Moment, Situation
from central_server.alerts.lifecycle import step_for
from central_server.alerts.rules import rules
from central_server.database import alerts, reports, series, sites
from central_server.database.listening import listening
from central_server.database.tables import ReportRow, SiteRow
from central_server.policy import Listening, Policy
from shared.clock import Clock
from shared.logs import logger
from shared.report import SiteReport

log = logger("monitoring")

REPORTS_A_PASS = 200
HISTORY_WINDOWS = 60


@dataclass
class PassResult:
    """What one pass did, counted; `remaining` says that more reports wait than one pass takes."""

    report_count: int = 0
    finding_count: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    remaining: bool = False

    def note(self, step: str) -> None:
        """Count one step of an alert: open, update, reopen, ignore or resolve."""
        self.steps[step] = self.steps.get(step, 0) + 1


def run_pass(session: Session, clock: Clock, policy: Policy) -> PassResult:
    """Look at everything that arrived since the last pass, and at every site's sign of life.

    All in the caller's transaction: a report is settled together with the alerts that it raised, so that a crash
    repeats the pass and a repeated pass changes nothing.
    """
    _one_pass_at_a_time(session)
    moment = Moment(clock(), policy, _listening(session, clock(), policy))
    waiting = reports.pending(session, REPORTS_A_PASS)
    result = PassResult(report_count=len(waiting), remaining=len(waiting) == REPORTS_A_PASS)
    site_rows = {site.name: site for site in sites.all_sites(session)}
    situations = [_situation(session, site, waiting) for site in site_rows.values()]
    for name, rule_type in rules.load("central_server.alerts.rules").items():
        rule = rule_type()
        found = [finding for situation in situations for finding in rule.find(situation, moment)]
        result.finding_count += len(found)
        for finding in found:
            result.note(_apply(session, site_rows[finding.site], finding, moment))
        if rule.resolves_itself and moment.listening is not None:
            for step in _resolve_others(session, name, {finding.cause for finding in found}, moment):
                result.note(step)
    reports.settle(session, waiting)
    _tell(result)
    return result


def _one_pass_at_a_time(session: Session) -> None:
    """SQLite has one writer anyway; on PostgreSQL several servers may share the database."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(20261120)"))


def _listening(session: Session, now: datetime, policy: Policy) -> Listening | None:
    known = listening(session)
    return known if known is not None and now - known.last_alive_at < policy.deaf_after else None


def _situation(session: Session, site: SiteRow, waiting: list[ReportRow]) -> Situation:
    """What the rules look at. History costs parsing and is read only where a detector may have paged."""
    rows = [row for row in waiting if row.site_id == site.id]
    arrived = tuple(_parsed(row) for row in rows)
    if not any(_may_have_paged(session, site, report) for report in arrived):
        return Situation(site.name, site.last_seen_at, arrived)
    around = series.history(session, site.id, max(row.window_index for row in rows), HISTORY_WINDOWS)
    return Situation(
        site.name,
        site.last_seen_at,
        arrived,
        history=tuple(_parsed(row) for row in around),
        baselines={version: _parsed(row) for version, row in series.baselines(session, site.id).items()},
        open_since=alerts.open_since(session, site.id),
    )


def _may_have_paged(session: Session, site: SiteRow, report: SiteReport) -> bool:
    """A page in this window, or a total that differs from the window before: a page in one that never came."""
    if any(detector.pages_in_window for detector in report.detectors):
        return True
    total = sum(detector.pages_total for detector in report.detectors)
    return total > 0 and total != series.pages_before(session, site.id, report.window.index, report.versions.baseline)


def _parsed(row: ReportRow) -> SiteReport:
    return SiteReport.model_validate_json(row.body)


def _apply(session: Session, site: SiteRow, finding: Finding, moment: Moment) -> str:
    """Open an alert for the cause, tell the open one more, take up a fresh one again, or leave it."""
    known = alerts.newest_of_cause(session, finding.cause)
    step = step_for(known[1] if known else None, finding.observed_at, moment.now, moment.policy.reopen_within)
    if known is None or step == "open":
        alerts.open_alert(session, site.id, finding, moment.now)
    elif step == "update":
        alerts.add_evidence(session, known[0], finding, moment.now)
    elif step == "reopen":
        alerts.reopen(session, known[0], finding, moment.now)
    return step


def _resolve_others(session: Session, rule: str, causes: set[str], moment: Moment) -> Iterator[str]:
    """End this rule's open alerts whose condition no longer holds.

    That a condition was not found is no proof that it is over: a server that has just started finds no silence yet.
    Only a site that was heard after what its alert tells of ends it.
    """
    for row in alerts.open_of_rule(session, rule):
        seen = row.site.last_seen_at
        heard_since = seen is not None and seen > row.told_until
        if row.cause not in causes and heard_since and alerts.resolve_by_itself(session, row, moment.now):
            yield "resolve"


def _tell(result: PassResult) -> None:
    if result.report_count or any(step != "ignore" for step in result.steps):
        log.info(
            "pass_done",
            count=result.report_count,
            finding_count=result.finding_count,
            opened_count=result.steps.get("open", 0) + result.steps.get("reopen", 0),
            updated_count=result.steps.get("update", 0),
            resolved_count=result.steps.get("resolve", 0),
        )
