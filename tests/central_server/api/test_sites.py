"""Sites are listed with the most urgent first, and each says what to do."""

from shared.read_models import Page, SiteDetail, SiteOverview
from tests.central_world import World
from tests.report_factory import SiteStory


def overview(world: World) -> dict[str, SiteOverview]:
    page = Page[SiteOverview].model_validate_json(world.get("/sites").content)
    return {view.site: view for view in page.items}


def test_the_site_that_needs_a_person_comes_first(read_world: World) -> None:
    page = Page[SiteOverview].model_validate_json(read_world.get("/sites").content)
    assert [(view.site, view.state) for view in page.items] == [
        ("south-clinic", "alert"),
        ("island-hospital", "suppressed"),
        ("new-clinic", "warming_up"),
        ("hill-hospital", "ok"),
        ("north-clinic", "ok"),
    ]
    ranks = [view.action_rank for view in page.items]
    assert ranks == sorted(ranks)


def test_every_row_says_what_to_do(read_world: World) -> None:
    seen = overview(read_world)
    assert seen["south-clinic"].action.startswith("Read the alert: ")
    assert seen["hill-hospital"].action.startswith("Read the note: ")
    assert seen["north-clinic"].action == "Nothing to do."


def test_a_suppressed_window_is_neither_nothing_nor_zero(read_world: World) -> None:
    seen = overview(read_world)["island-hospital"]
    assert seen.latest_window is not None
    assert seen.latest_window.index == 11
    assert seen.latest_patient_count is None
    assert (seen.flagged_rate.answer, seen.flagged_rate.interval, seen.flagged_rate.count) == ("suppressed", None, None)


def test_a_site_in_warm_up_has_no_baseline_yet(read_world: World) -> None:
    seen = overview(read_world)
    assert seen["new-clinic"].baseline is None
    baseline = seen["north-clinic"].baseline
    assert baseline is not None
    assert (baseline.version, baseline.window.index) == (1, 4)


def test_pages_follow_one_another(read_world: World) -> None:
    everything = [item["site"] for item in read_world.get("/sites").json()["items"]]
    seen, cursor = [], None
    while True:
        page = read_world.get("/sites", limit=2, **({"cursor": cursor} if cursor else {})).json()
        seen += [item["site"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == everything


def test_a_registered_site_that_never_spoke_is_awaited(world: World) -> None:
    world.add_site("north-clinic", "North Clinic")
    seen = overview(world)["north-clinic"]
    assert (seen.state, seen.title, seen.last_seen_at, seen.flagged_rate.answer) == (
        "never_seen", "North Clinic", None, "missing",
    )  # fmt: skip


def test_a_site_in_detail(read_world: World) -> None:
    detail = SiteDetail.model_validate_json(read_world.get("/sites/island-hospital").content)
    assert (detail.report_count, detail.suppressed_count) == (13, 2)
    assert detail.privacy is not None
    assert detail.privacy.k == 5
    assert detail.funnel is None
    assert [rate.name for rate in detail.rates] == ["flagged_rate", "reviewed_failure_rate", "estimated_failure_rate"]
    assert {rate.answer for rate in detail.rates} == {"suppressed"}


def test_an_unknown_site_answers_404(read_world: World) -> None:
    for path in ("", "/metrics", "/metrics/mean_entropy", "/drift/mean_entropy", "/rates", "/detectors"):
        answer = read_world.get(f"/sites/nowhere{path}")
        assert answer.status_code == 404
        assert answer.json()["detail"] == "There is no site of this name."


def test_a_name_that_no_site_can_have_is_refused_without_echo(read_world: World) -> None:
    answer = read_world.get("/sites/DOE^JANE")
    assert answer.status_code == 422
    assert "DOE" not in answer.text


def test_an_older_agent_is_shown_as_outdated(world: World) -> None:
    world.tell(SiteStory("north-clinic", windows=1, agent_version="0.0.9"))
    seen = overview(world)["north-clinic"]
    assert seen.state == "outdated"
    assert "from 0.0.9 to 0.1.0" in seen.action


def test_alive_without_reports_is_told_apart_from_silent(world: World) -> None:
    world.tell(SiteStory("north-clinic", windows=1))
    world.clock.forward(days=10)
    world.client.get("/api/v1/agents/self", headers=world.as_site("north-clinic"))
    assert overview(world)["north-clinic"].state == "no_scans"
    world.clock.forward(hours=2)
    seen = overview(world)["north-clinic"]
    assert seen.state == "silent"
    assert seen.action.startswith("Call the site: no sign of life since 2026-10-25 12:00 UTC")
