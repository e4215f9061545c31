"""A pass turns what arrived into alerts, whole or not at all, and a repeated pass changes nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from central_server.alerts.rules.site_detector import SiteDetector
from central_server.database.listening import begin_listening, note_alive
from central_server.database.tables import AlertRow, PendingReportRow, TransitionRow
from central_server.monitoring import PassResult, run_pass
from shared.report import SiteReport, report_id_for
from tests.central_world import World, running
from tests.report_factory import SiteStory, body_of, reports_of

SHIFTED = SiteStory("south-clinic", windows=13, warm_up=4, patients=25, drift_from=6)
REPORTS = reports_of(SHIFTED)


def one_pass(world: World) -> PassResult:
    with world.centre.database.write() as session:
        return run_pass(session, world.clock, world.centre.policy)


def count(world: World, table: type) -> int:
    with world.centre.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def of_metric(world: World, metric: str) -> list[dict[str, object]]:
    return [alert for alert in world.alerts() if alert["metric"] == metric]


def first_page(metric: str) -> int:
    return next(i for i, r in enumerate(REPORTS) for d in r.detectors if d.metric == metric and d.pages_in_window)


def test_an_alert_fires_with_the_report_that_tells_the_page(world: World) -> None:
    page = first_page("mean_entropy")
    world.add_site("south-clinic")
    world.take_in(REPORTS[:page])
    assert of_metric(world, "mean_entropy") == []
    assert world.put(REPORTS[page]).status_code == 201
    assert [alert["state"] for alert in of_metric(world, "mean_entropy")] == ["firing"]


def test_a_site_that_never_changed_raises_nothing_in_a_long_time(small_world: World) -> None:
    small_world.tell(SiteStory("north-clinic", windows=45), at_once=True)
    assert small_world.alerts() == []


def test_a_page_in_a_suppressed_first_window_after_a_new_baseline_is_told(world: World) -> None:
    """Under the old baseline as many pages were told in all; that count has nothing to do with the new detectors."""
    page = first_page("mean_entropy")
    frozen = next(i for i, r in enumerate(REPORTS) if r.kind == "baseline")

    def under_the_new_one(report: SiteReport, told: int) -> SiteReport:
        versions = report.versions.model_copy(update={"baseline": 2})
        states = (d.model_copy(update={"pages_in_window": 0, "pages_total": told}) for d in report.detectors)
        return report.model_copy(update={"versions": versions, "detectors": tuple(states)})

    paged = REPORTS[page]
    again = under_the_new_one(REPORTS[frozen], 0)
    place = report_id_for("south-clinic", "baseline", paged.window.index, "all", 0, 2)
    again = again.model_copy(update={"window": paged.window, "report_id": place})
    total = sum(d.pages_total for d in paged.detectors)
    later = under_the_new_one(REPORTS[page + 2], 0)
    (first, *rest) = later.detectors
    later = later.model_copy(update={"detectors": (first.model_copy(update={"pages_total": total}), *rest)})
    world.add_site("south-clinic")
    world.take_in([*REPORTS[: page + 1], again])
    for alert in world.alerts():
        world.post(f"/alerts/{alert['alert_id']}/resolve")
    world.clock.forward(hours=2)
    world.take_in([later])
    assert [a["metric"] for a in world.alerts(state="firing")] == [first.metric]


def test_a_second_page_adds_evidence_to_the_open_alert(world: World) -> None:
    world.add_site("south-clinic")
    page = first_page("mean_entropy")
    world.take_in(REPORTS[: page + 1])
    (first,) = of_metric(world, "mean_entropy")
    world.post(f"/alerts/{first['alert_id']}/acknowledge")
    world.clock.forward(days=5)
    world.take_in(REPORTS[page + 1 :])
    (later,) = of_metric(world, "mean_entropy")
    assert later["alert_id"] == first["alert_id"]
    assert (later["state"], later["owner"]) == ("acknowledged", "lead")
    assert later["evidence"]["n"] > first["evidence"]["n"]  # type: ignore[index]
    assert later["evidence"]["since"] == first["evidence"]["since"]  # type: ignore[index]
    assert later["updated_at"] != first["updated_at"]
    assert len(later["transitions"]) == 2  # type: ignore[arg-type]


def test_windows_that_arrive_late_raise_each_cause_once(small_world: World) -> None:
    """The link was down; everything arrives at once, newest first."""
    small_world.add_site("south-clinic")
    baseline_at = next(i for i, r in enumerate(REPORTS) if r.kind == "baseline")
    small_world.take_in(REPORTS[: baseline_at + 1])
    small_world.take_in(reversed(REPORTS[baseline_at + 1 :]))
    causes = [alert["title"] for alert in small_world.alerts()]
    assert causes
    assert len(causes) == len(set(causes))
    assert count(small_world, TransitionRow) == len(causes)


def test_a_resolved_past_stays_resolved(small_world: World) -> None:
    """Page 2 arrives and is resolved; then the window of page 1 arrives late."""
    small_world.add_site("south-clinic")
    pages = [i for i, r in enumerate(REPORTS) for d in r.detectors if d.metric == "mean_entropy" and d.pages_in_window]
    first, second = pages[0], pages[1]
    small_world.take_in(r for i, r in enumerate(REPORTS[: second + 1]) if i != first)
    (alert,) = of_metric(small_world, "mean_entropy")
    small_world.post(f"/alerts/{alert['alert_id']}/resolve")
    small_world.clock.forward(days=3)
    small_world.take_in([REPORTS[first]])
    assert [a["state"] for a in of_metric(small_world, "mean_entropy")] == ["resolved"]


def test_a_new_page_after_resolving_opens_a_new_alert_and_soon_after_takes_up_the_old_one(world: World) -> None:
    world.add_site("south-clinic")
    pages = [i for i, r in enumerate(REPORTS) for d in r.detectors if d.metric == "mean_entropy" and d.pages_in_window]
    world.take_in(REPORTS[: pages[0] + 1])
    (alert,) = of_metric(world, "mean_entropy")
    world.post(f"/alerts/{alert['alert_id']}/resolve")
    world.clock.forward(minutes=30)
    world.take_in(REPORTS[pages[0] + 1 : pages[1] + 1])
    (same,) = of_metric(world, "mean_entropy")
    assert (same["alert_id"], same["state"]) == (alert["alert_id"], "firing")
    assert [t["actor"] for t in same["transitions"]] == ["system", "lead", "system"]  # type: ignore[attr-defined]
    world.post(f"/alerts/{alert['alert_id']}/resolve")
    world.clock.forward(hours=2)
    world.take_in(REPORTS[pages[1] + 1 : pages[2] + 1])
    assert sorted(str(a["state"]) for a in of_metric(world, "mean_entropy")) == ["firing", "resolved"]


def test_a_silent_site_alerts_once_and_resolves_by_itself_when_it_is_heard(world: World) -> None:
    world.tell(SiteStory("north-clinic", windows=1))
    for _ in range(4):
        world.clock.forward(minutes=25)
        beat(world)
        one_pass(world)
    (alert,) = world.alerts()
    assert (alert["rule"], alert["state"], alert["severity"]) == ("site_silent", "firing", "warning")
    assert world.get("/sites").json()["items"][0]["state"] == "silent"
    world.client.get("/api/v1/agents/self", headers=world.as_site("north-clinic"))
    one_pass(world)
    (alert,) = world.alerts()
    assert alert["state"] == "resolved"
    assert [(t["actor"], t["to_state"]) for t in alert["transitions"]] == [("system", "firing"), ("system", "resolved")]


def test_a_flapping_site_makes_one_alert(sqlite_url: str) -> None:
    """Silent for a good hour again and again: each silence is told, in one alert that fires and resolves."""
    with running(sqlite_url, reopen_within_s=7200) as world:
        world.tell(SiteStory("north-clinic", windows=1))
        for _ in range(3):
            world.clock.forward(minutes=61)
            beat(world)
            one_pass(world)
            world.client.get("/api/v1/agents/self", headers=world.as_site("north-clinic"))
            one_pass(world)
        (alert,) = world.alerts()
    assert [t["to_state"] for t in alert["transitions"]] == ["firing", "resolved"] * 3


def test_a_silence_that_is_told_outlasts_a_restart_of_the_centre(database_url: str) -> None:
    """Another server on the same database begins to listen too; neither has heard the site."""
    with running(database_url, pass_interval_s=300) as world:
        world.tell(SiteStory("north-clinic", windows=1))
        listen(world, minutes=70)
        (before,) = world.alerts()
        keys, now = world.keys, world.clock.now
    with running(database_url, pass_interval_s=300) as world:
        world.keys, world.clock.now = keys, now + timedelta(minutes=5)
        with world.centre.database.write() as session:
            begin_listening(session, world.clock())
        for minutes in (0, 30, 24 * 60):
            listen(world, minutes=minutes)
            assert world.alerts() == [before]
            assert world.get("/sites").json()["items"][0]["state"] == "silent"
        world.client.get("/api/v1/agents/self", headers=world.as_site("north-clinic"))
        assert world.get("/sites").json()["items"][0]["state"] != "silent"
        one_pass(world)
        assert [alert["state"] for alert in world.alerts()] == ["resolved"]


@pytest.mark.parametrize(("gap_min", "silent"), [(9, True), (10, False), (3 * 1440, False)])
def test_a_gap_in_the_centres_own_life_is_nobodys_silence(sqlite_url: str, gap_min: int, silent: bool) -> None:
    """The machine was paused or the database away, and the server goes on without a restart."""
    with running(sqlite_url, pass_interval_s=300) as world:
        world.tell(SiteStory("north-clinic", windows=1))
        listen(world, minutes=55)
        world.clock.forward(minutes=gap_min)
        beat(world)
        one_pass(world)
        assert bool(world.alerts()) is silent
        listen(world, minutes=70)
        assert [alert["state"] for alert in world.alerts()] == ["firing"]


def test_a_server_that_looks_seldom_is_not_deaf_between_two_looks(sqlite_url: str) -> None:
    with running(sqlite_url, pass_interval_s=1800) as world:
        world.tell(SiteStory("north-clinic", windows=1))
        for _ in range(3):
            world.clock.forward(minutes=30)
            beat(world)
            one_pass(world)
        assert [alert["state"] for alert in world.alerts()] == ["firing"]


def listen(world: World, minutes: int) -> None:
    """The server ticks every five minutes for so long, and hears nothing."""
    one_pass(world)
    for _ in range(minutes // 5):
        world.clock.forward(minutes=5)
        beat(world)
        one_pass(world)


def beat(world: World) -> None:
    """The server's own sign of life, as its scheduler gives it."""
    with world.centre.database.write() as session:
        note_alive(session, world.clock(), world.centre.policy.deaf_after)


def test_after_an_outage_of_the_centre_no_site_is_blamed(sqlite_url: str) -> None:
    with running(sqlite_url) as world:
        world.tell(SiteStory("north-clinic", windows=1))
    with running(sqlite_url) as world:
        world.clock.forward(hours=72)
        with world.centre.database.write() as session:
            begin_listening(session, world.clock())
        one_pass(world)
        assert world.alerts() == []


def test_a_pass_without_a_server_blames_nobody(small_world: World) -> None:
    """`central-server check` beside no server: nobody was listening."""
    small_world.tell(SiteStory("north-clinic", windows=1))
    small_world.clock.forward(hours=72)
    one_pass(small_world)
    assert small_world.alerts() == []


def test_a_wrong_clock_at_the_site_changes_nothing_about_its_silence(small_world: World) -> None:
    """Windows that end three days ago or ten minutes ahead: silence is measured by the centre's own clock."""
    for name, off in (("slow-clinic", timedelta(days=-3)), ("fast-clinic", timedelta(minutes=10))):
        small_world.tell(SiteStory(name, windows=1, first_day=small_world.clock().replace(hour=0) + off))
    small_world.clock.forward(minutes=50)
    beat(small_world)
    one_pass(small_world)
    assert small_world.alerts() == []


def test_a_pass_that_fails_leaves_the_reports_for_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a rule broke")

    world.add_site("south-clinic")
    world.take_in(REPORTS[:-1])
    before = count(world, AlertRow)
    with monkeypatch.context() as patch:
        patch.setattr(SiteDetector, "find", broken)
        world.take_in(REPORTS[-1:])
    assert count(world, PendingReportRow) == 1
    assert count(world, AlertRow) == before
    one_pass(world)
    assert count(world, PendingReportRow) == 0


def test_a_repeated_pass_changes_nothing(small_world: World) -> None:
    small_world.add_site("south-clinic")
    small_world.take_in(REPORTS, at_once=True)
    before = small_world.alerts()
    small_world.clock.forward(minutes=1)
    assert one_pass(small_world).report_count == 0
    assert small_world.alerts() == before


def test_all_at_once_and_one_by_one_raise_the_same_alerts(small_world: World) -> None:
    small_world.tell(SHIFTED)
    small_world.tell(SiteStory("twin-clinic", windows=13, warm_up=4, patients=25, drift_from=6), at_once=True)

    def told(site: str) -> set[tuple[object, object]]:
        return {(a["metric"], a["severity"]) for a in small_world.alerts(site=site)}

    one_by_one = told("south-clinic")
    assert one_by_one
    assert {cause for cause, _ in told("twin-clinic")} & {cause for cause, _ in one_by_one}


def test_a_suitability_note_is_given_once_a_baseline(small_world: World) -> None:
    small_world.tell(SiteStory("hill-hospital", windows=12, warm_up=5, far_from_model=True))
    assert [(a["rule"], a["severity"]) for a in small_world.alerts()] == [("suitability", "info")]
    assert small_world.get("/sites").json()["items"][0]["state"] == "ok"


def test_more_reports_than_one_pass_takes_are_taken_by_the_next(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central_server.monitoring.REPORTS_A_PASS", 3)
    small_world.tell(SiteStory("north-clinic", windows=8), at_once=True)
    assert count(small_world, PendingReportRow) == 0


def test_undefined_empty_and_equal_values_are_results_and_raise_nothing(small_world: World) -> None:
    """No case at all, one value, all in one bin, all undefined: every answer stands, no exception, no alert."""
    told = reports_of(SiteStory("north-clinic", windows=9, warm_up=4))

    def squeezed(report: SiteReport, counts: tuple[int, ...]) -> SiteReport:
        metrics = tuple(
            m.model_copy(update={"histogram": m.histogram.model_copy(update={"counts": counts})})
            if m.histogram and len(m.histogram.counts) == 8
            else m
            for m in report.metrics
        )
        return report.model_copy(update={"metrics": metrics})

    odd = [(0,) * 8, (1,) + (0,) * 7, (0,) * 7 + (14,), (7,) * 8]
    small_world.add_site("north-clinic")
    small_world.take_in(told[:5])
    small_world.take_in(squeezed(report, counts) for report, counts in zip(told[5:], odd, strict=False))
    assert small_world.alerts() == []
    for path in ("metrics/mean_entropy", "drift/mean_entropy", "rates", "detectors"):
        assert small_world.get(f"/sites/north-clinic/{path}").status_code == 200
    drift = small_world.get("/sites/north-clinic/drift/mean_entropy").json()["points"]
    assert [p["answer"] for p in drift[4:6]] == ["insufficient_data", "ok"]


def test_bodies_are_those_of_the_factory() -> None:
    """A guard on this file's own data: the story pages more than twice on one quantity."""
    pages = [r for r in REPORTS for d in r.detectors if d.metric == "mean_entropy" and d.pages_in_window]
    assert len(pages) >= 3
    assert all(body_of(r) for r in pages)
