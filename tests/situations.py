"""Situations of one site, as rules look at them, built from the reports of a story."""

from datetime import UTC, datetime, timedelta
from typing import Any

from central_server.alerts.findings import Finding, Moment, Situation
from central_server.alerts.rules import Rule
from central_server.policy import Listening, Policy
from shared.report import SiteReport
from tests.report_factory import SiteStory, reports_of

NOW = datetime(2026, 10, 15, 12, tzinfo=UTC)


def moment(now: datetime = NOW, policy: Policy | None = None, listening: Listening | None = None) -> Moment:
    """A pass at `now` of a server that has listened for a year."""
    heard = listening or Listening(now - timedelta(days=365), now)
    return Moment(now, policy or Policy(), heard)


def situation(reports: list[SiteReport], arrived: int, **more: Any) -> Situation:
    """The site after report number `arrived` came in."""
    known = reports[: arrived + 1]
    history = sorted(
        (r for r in known if r.kind == "window" and r.stratum == "all"), key=lambda report: report.window.index
    )
    baselines = {r.versions.baseline or 0: r for r in known if r.kind == "baseline" and r.stratum == "all"}
    return Situation(
        reports[0].site, NOW, arrived=(reports[arrived],), history=tuple(history), baselines=baselines, **more
    )


def findings_over(rule: type[Rule], story: SiteStory) -> list[tuple[SiteReport, list[Finding]]]:
    """What the rule finds after each report of the story."""
    reports = reports_of(story)
    return [(report, list(rule().find(situation(reports, i), moment()))) for i, report in enumerate(reports)]
