"""One row of the overview: in which state a site is, and what a person should do about it, most urgent first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from central_server.database.tables import AlertRow, EventRow, ReportRow, SiteRow
from central_server.policy import Listening, Policy
from central_server.views.rates import flagged_rate
from central_server.views.timeline import window_of
from shared.read_models import BaselineView, SiteOverview, SiteState
from shared.report import Versions

NOTABLE_SKEW = timedelta(minutes=2)
_SEVERITY_ORDER = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class SiteFacts:
    """What is known of a site now.

    `window` is its latest, `baseline` the one in force, `arrived` is the report that came last, `alerts` are the open
    ones.
    """

    site: SiteRow
    window: ReportRow | None
    flagged: EventRow | None
    baseline: ReportRow | None
    arrived: ReportRow | None
    alerts: Sequence[AlertRow]

    @property
    def last_report_at(self) -> datetime | None:
        """When the site's last report arrived."""
        return self.arrived.received_at if self.arrived else None


@dataclass(frozen=True)
class Standing:
    """A site's state, the words for it, and its place in the list: a smaller rank needs a person sooner."""

    state: SiteState
    rank: int
    action: str


def standing(facts: SiteFacts, listening: Listening | None, policy: Policy, now: datetime) -> Standing:
    """The most urgent thing that is true of the site. The order of the questions is the order of urgency."""
    about_drift = [alert for alert in facts.alerts if alert.severity != "info" and alert.rule != "site_silent"]
    firing = sorted(
        (alert for alert in about_drift if alert.state == "firing"), key=lambda alert: _SEVERITY_ORDER[alert.severity]
    )
    if firing:
        more = f" And {len(firing) - 1} more." if len(firing) > 1 else ""
        return Standing("alert", _SEVERITY_ORDER[firing[0].severity], f"Read the alert: {firing[0].title}.{more}")
    reached = _reachability(facts, listening, policy, now)
    if reached is not None:
        return reached
    if about_drift:
        return Standing("alert", 60, f"{about_drift[0].owner or 'Somebody'} is on it: {about_drift[0].title}.")
    return _condition(facts)


def _reachability(facts: SiteFacts, listening: Listening | None, policy: Policy, now: datetime) -> Standing | None:
    """Whether the site can be heard, is new enough, and sends reports."""
    seen, site = facts.site.last_seen_at, facts.site
    if seen is None:
        return Standing("never_seen", 30, "Waiting for the site's first sign of life: start its agent with its key.")
    told = any(alert.rule == "site_silent" and alert.told_until >= seen for alert in facts.alerts)
    if told or (listening is not None and listening.quiet_for(seen, now) >= policy.silent_after):
        return Standing("silent", 20, f"Call the site: no sign of life since {_told(seen)}.")
    versions = _versions(facts)
    if versions is not None and policy.is_outdated(versions.agent):
        wanted = policy.minimum_agent_version
        return Standing("outdated", 40, f"Ask the site to update its agent from {versions.agent} to {wanted} or later.")
    since = facts.last_report_at or site.registered_at
    if now - since >= policy.no_scans_after:
        what = "has sent no report" + (f" since {_told(since)}" if facts.last_report_at else " yet")
        why = "ask whether scans reach its inbox, or come from too few patients"
        return Standing("no_scans", 50, f"The agent is alive but {what}: {why}.")
    return None


def _condition(facts: SiteFacts) -> Standing:
    """What the latest window says of a site that can be heard and has no open alarm."""
    if _is_warming_up(facts.window, facts.baseline):
        return Standing("warming_up", 80, "Nothing to do: the site is collecting its baseline; drift is watched then.")
    if facts.window is not None and facts.window.status == "suppressed":
        return Standing("suppressed", 70, "The latest window held too few patients to be told. Act only if it lasts.")
    if facts.alerts:
        return Standing("ok", 85, f"Read the note: {facts.alerts[0].title}.")
    return Standing("ok", 90, "Nothing to do.")


def _is_warming_up(window: ReportRow | None, baseline: ReportRow | None) -> bool:
    """Before the first baseline, and again after a new model until its baseline is frozen."""
    return baseline is None and (window is None or window.baseline_version is None)


def _clock_ahead(arrived: ReportRow | None) -> str | None:
    """A report made after it arrived tells of a clock that runs ahead; one behind cannot be told from delay."""
    if arrived is None or arrived.created_at - arrived.received_at < NOTABLE_SKEW:
        return None
    minutes = (arrived.created_at - arrived.received_at).total_seconds() / 60
    return f"The clock of the site's agent runs {minutes:.0f} minutes ahead."


def _told(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _versions(facts: SiteFacts) -> Versions | None:
    newest = facts.window or facts.baseline
    return None if newest is None else Versions.model_validate(newest.versions)


def baseline_view(baseline: ReportRow | None) -> BaselineView | None:
    """The baseline in force; None while the site collects it, or where it was suppressed."""
    if baseline is None or baseline.patient_count is None or baseline.case_count is None:
        return None
    return BaselineView(
        version=baseline.baseline_version or 0,
        patient_count=baseline.patient_count,
        case_count=baseline.case_count,
        window=window_of(baseline),
    )


def overview(facts: SiteFacts, listening: Listening | None, policy: Policy, now: datetime) -> SiteOverview:
    """The site's row."""
    place = standing(facts, listening, policy, now)
    skew = _clock_ahead(facts.arrived)
    return SiteOverview(
        site=facts.site.name,
        title=facts.site.title,
        state=place.state,
        action=f"{place.action} {skew}" if skew else place.action,
        action_rank=place.rank,
        last_seen_at=facts.site.last_seen_at,
        last_report_at=facts.last_report_at,
        open_alert_count=len(facts.alerts),
        versions=_versions(facts),
        baseline=baseline_view(facts.baseline),
        latest_window=window_of(facts.window) if facts.window else None,
        latest_patient_count=facts.window.patient_count if facts.window else None,
        flagged_rate=flagged_rate(facts.window, facts.flagged),
    )
