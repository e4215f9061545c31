"""Federated runs are shown with who took part, who is missing and why; keys with what people compare."""

import pytest

from shared.federation.read_models import FederationKey, RunDetail, RunOverview
from shared.federation.site_keys import fingerprint
from shared.read_models import Page
from tests.central_world import NOON, READING_TOKEN, World
from tests.federated_story import SITES


@pytest.fixture
def seen(federated_world: tuple[World, dict[str, str]]) -> World:
    return federated_world[0]


@pytest.fixture
def runs(federated_world: tuple[World, dict[str, str]]) -> dict[str, str]:
    return federated_world[1]


def overviews(world: World) -> dict[str, RunOverview]:
    page = Page[RunOverview].model_validate_json(world.get("/federation/runs").content)
    return {item.job: item for item in page.items}


def test_runs_are_listed_newest_first_in_all_their_states(seen: World, runs: dict[str, str]) -> None:
    found = overviews(seen)
    assert [(view.job, view.state) for view in found.values()] == [
        ("logistic", "running"),
        ("histograms", "proposed"),
        ("conformal", "failed"),
        ("train_segmenter", "interrupted"),
        ("gaussian", "completed"),
    ]
    assert {view.job: view.run for view in found.values()} == runs


def test_a_completed_run_says_what_came_of_it(seen: World, runs: dict[str, str]) -> None:
    view = overviews(seen)["gaussian"]
    assert view.contributors == tuple(site for site in SITES if site != "new-clinic")
    assert [(one.site, one.reason, one.words) for one in view.missing] == [
        ("new-clinic", "silent", "did not answer in time")
    ]
    assert view.told == {"sites": 4, "rows": 26368, "patients": 412, "weight": 0.0071}
    assert view.options == {"score": "mahalanobis", "check_weight": True}
    assert (view.round_count, view.seconds) == (3, pytest.approx(41.2 + 38.9 + 67.4))
    assert view.bytes_per_site == 2 * 92_300 + 8_412_700


def test_a_running_one_says_who_was_in_its_newest_round(seen: World, runs: dict[str, str]) -> None:
    view = overviews(seen)["logistic"]
    assert view.contributors == SITES
    assert view.sentence
    seen.clock.forward(hours=1)
    try:
        assert overviews(seen)["logistic"].state == "interrupted"
    finally:
        seen.clock.now = NOON


def test_an_interrupted_one_says_that_there_is_no_result(seen: World, runs: dict[str, str]) -> None:
    view = overviews(seen)["train_segmenter"]
    assert "There is no result" in view.sentence
    assert [one.words for one in view.missing] == ["its own policy does not allow this"]


def test_a_run_is_read_with_its_rounds(seen: World, runs: dict[str, str]) -> None:
    answer = seen.get(f"/federation/runs/{runs['gaussian']}")
    detail = RunDetail.model_validate_json(answer.content)
    assert detail.overview == overviews(seen)["gaussian"]
    assert [(one.attempt, one.number, len(one.contributors)) for one in detail.rounds] == [
        (1, 1, 5),
        (2, 1, 4),
        (2, 2, 4),
    ]
    assert detail.rounds[1].missing[0].words == "did not answer in time"
    assert (detail.deadline_s, detail.asked_sites) == (600, None)


def test_the_list_pages(seen: World, runs: dict[str, str]) -> None:
    first = seen.get("/federation/runs", limit=2).json()
    rest = seen.get("/federation/runs", cursor=first["next_cursor"]).json()
    assert [item["job"] for item in first["items"] + rest["items"]] == list(reversed(runs))
    assert rest["next_cursor"] is None


def test_keys_are_listed_by_site_with_those_that_ended(seen: World, runs: dict[str, str]) -> None:
    page = Page[FederationKey].model_validate_json(seen.get("/federation/sites").content)
    assert [key.site for key in page.items] == sorted([*SITES, "south-clinic"])
    old, new = (key for key in page.items if key.site == "south-clinic")
    assert old.revoked_at is not None
    assert (new.revoked_at, new.fingerprint) == (None, fingerprint(b"s" * 32))
    assert new.last_seen_at is not None
    assert new.last_seen_at <= NOON
    assert old.last_seen_at is None


def test_keys_page_in_the_middle_of_a_site(seen: World, runs: dict[str, str]) -> None:
    everything = seen.get("/federation/sites").json()["items"]
    found, cursor = [], None
    while True:
        page = seen.get("/federation/sites", limit=1, **({"cursor": cursor} if cursor else {})).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == everything


@pytest.fixture
def paths() -> list[str]:
    return ["/federation/runs", f"/federation/runs/{'0' * 32}", "/federation/sites"]


def test_nobody_reads_without_a_token_and_programs_may(small_world: World, paths: list[str]) -> None:
    for path in paths:
        assert small_world.client.get(f"/api/v1{path}").status_code == 401
    reading = {"Authorization": f"Bearer {READING_TOKEN}"}
    statuses = [small_world.client.get(f"/api/v1{path}", headers=reading).status_code for path in paths]
    assert statuses == [200, 404, 200]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/federation/runs", {"cursor": "bm8"}, 400),
        ("/federation/sites", {"cursor": "bm8"}, 400),
        ("/federation/runs", {"limit": 0}, 422),
        ("/federation/runs/not-a-run", {}, 422),
        (f"/federation/runs/{'G' * 32}", {}, 422),
    ],
)
def test_what_cannot_be_asked_is_refused(small_world: World, path: str, query: dict[str, object], status: int) -> None:
    assert small_world.get(path, **query).status_code == status
