"""The most urgent thing that is true of a site decides its state, its words and its place."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from central_server.database.series import in_force
from central_server.database.tables import AlertRow, ReportRow, SiteRow
from central_server.policy import Listening, Policy
from central_server.views.overview import SiteFacts, Standing, overview, standing
from tests.report_factory import SiteStory, reports_of

NOW = datetime(2026, 10, 15, 12, tzinfo=UTC)
LISTENING = Listening(NOW - timedelta(days=30), NOW)
VERSIONS = reports_of(SiteStory("a-site", windows=1))[0].versions.model_dump()


def report(kind: str = "window", **more: Any) -> ReportRow:
    given: dict[str, Any] = {
        "kind": kind, "status": "released", "baseline_version": 1, "versions": VERSIONS,
        "end_at": NOW - timedelta(hours=1), "created_at": NOW - timedelta(minutes=51),
        "received_at": NOW - timedelta(minutes=50), "window_index": 30, "start_at": NOW - timedelta(hours=25),
        "patient_count": 14, "case_count": 15,
    }  # fmt: skip
    return ReportRow(**{**given, **more})


def alert(rule: str = "site_detector", severity: str = "critical", state: str = "firing", owner: str | None = None):
    return AlertRow(
        rule=rule, severity=severity, state=state, owner=owner, title="Predicted Dice lower",
        told_until=NOW - timedelta(hours=2),
    )  # fmt: skip


def facts(**more: Any) -> SiteFacts:
    site = SiteRow(
        name="a-site",
        title="A",
        registered_at=NOW - timedelta(days=60),
        last_seen_at=more.pop("seen", NOW - timedelta(minutes=1)),
    )
    given: dict[str, Any] = {
        "window": report(), "flagged": None, "arrived": report(), "alerts": (),
        "baseline": report("baseline", start_at=NOW - timedelta(days=30), end_at=NOW - timedelta(days=20)),
    }  # fmt: skip
    return SiteFacts(site=site, **{**given, **more})


def stand(**more: Any) -> Standing:
    return standing(facts(**more), LISTENING, Policy(), NOW)


CASES: dict[str, dict[str, Any]] = {
    "critical": {"alerts": (alert(),)},
    "warning": {"alerts": (alert(severity="warning"),)},
    "silent": {"seen": NOW - timedelta(hours=2), "alerts": (alert("site_silent", "warning"),)},
    "never_seen": {"seen": None, "window": None, "baseline": None, "arrived": None},
    "outdated": {"window": report(versions={**VERSIONS, "agent": "0.0.9"})},
    "no_scans": {"arrived": report(received_at=NOW - timedelta(days=10))},
    "acknowledged": {"alerts": (alert(state="acknowledged", owner="Dr Lead"),)},
    "suppressed": {"window": report(status="suppressed")},
    "warming_up": {"window": report(baseline_version=None), "baseline": None},
    "noted": {"alerts": (alert("suitability", "info"),)},
    "ok": {},
}
"""In the order of urgency."""


def test_the_order_of_urgency() -> None:
    ranks = [stand(**case).rank for case in CASES.values()]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize(
    ("case", "state"),
    [
        ("critical", "alert"), ("warning", "alert"), ("silent", "silent"), ("never_seen", "never_seen"),
        ("outdated", "outdated"), ("no_scans", "no_scans"), ("acknowledged", "alert"), ("suppressed", "suppressed"),
        ("warming_up", "warming_up"), ("noted", "ok"), ("ok", "ok"),
    ],
)  # fmt: skip
def test_each_condition_has_its_state(case: str, state: str) -> None:
    assert stand(**CASES[case]).state == state
    assert stand(**CASES[case]).action


def test_a_small_site_whose_window_waited_for_patients_is_not_asked_for_scans() -> None:
    """By default a site's window of a day waits up to eight days for k patients."""
    waited = report(received_at=NOW - timedelta(days=8, hours=12))
    assert stand(arrived=waited).state == "ok"


def test_no_report_is_not_taken_for_no_scans() -> None:
    action = stand(**CASES["no_scans"]).action
    assert "has sent no report since 2026-10-05 12:00 UTC" in action
    assert "too few patients" in action


def test_a_firing_alarm_comes_before_silence() -> None:
    assert stand(seen=NOW - timedelta(days=2), alerts=(alert(),)).state == "alert"


def test_silence_comes_before_an_alarm_that_somebody_has_taken_on() -> None:
    assert stand(seen=NOW - timedelta(days=2), alerts=(alert(state="acknowledged"),)).state == "silent"


def test_the_centres_own_outage_makes_no_site_silent() -> None:
    heard = Listening(since=NOW - timedelta(minutes=5), last_alive_at=NOW)
    assert standing(facts(seen=NOW - timedelta(days=2)), heard, Policy(), NOW).state != "silent"


def test_a_silence_that_is_told_is_shown_until_the_site_is_heard() -> None:
    """The centre has just been started again: it has not listened long enough to find the silence anew."""
    heard, silent = Listening(since=NOW - timedelta(minutes=5), last_alive_at=NOW), (alert("site_silent", "warning"),)
    for seen, state in ((timedelta(hours=2), "silent"), (timedelta(minutes=3), "ok")):
        assert standing(facts(seen=NOW - seen, alerts=silent), heard, Policy(), NOW).state == state


def test_a_new_model_means_warming_up_again() -> None:
    assert stand(window=report(baseline_version=None), baseline=None).state == "warming_up"


def test_the_last_window_of_a_warm_up_is_not_one_after_its_baseline_came() -> None:
    window = report(baseline_version=None)
    assert in_force(window, {1: report("baseline", end_at=window.end_at)}) is not None
    assert stand(window=window).state == "ok"


def test_a_window_of_a_baseline_that_never_came_is_not_one_of_a_warm_up() -> None:
    assert stand(window=report(baseline_version=2), baseline=None).state == "ok"


def test_several_alarms_are_counted_and_the_worst_is_named() -> None:
    worst = alert()
    worst.title = "The worst"
    told = stand(alerts=(alert(severity="warning"), worst, alert(severity="warning"))).action
    assert told == "Read the alert: The worst. And 2 more."


def test_the_owner_is_named() -> None:
    assert stand(**CASES["acknowledged"]).action.startswith("Dr Lead is on it")


@pytest.mark.parametrize(("ahead_min", "told"), [(-4320, False), (-10, False), (1, False), (2, True), (10, True)])
def test_a_clock_that_runs_ahead_is_told(ahead_min: float, told: bool) -> None:
    arrived = report()
    arrived.created_at = arrived.received_at + timedelta(minutes=ahead_min)
    action = overview(facts(arrived=arrived), LISTENING, Policy(), NOW).action
    assert action == "Nothing to do." + (
        f" The clock of the site's agent runs {ahead_min} minutes ahead." if told else ""
    )
