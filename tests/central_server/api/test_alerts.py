"""Alerts are listed with their evidence, taken on by somebody, and closed; who was first is told to who was second."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from shared.read_models import AlertView, Page
from tests.central_world import WRITING_TOKEN, World

WRITING = {"Authorization": f"Bearer {WRITING_TOKEN}"}


@pytest.fixture
def alerting(told_world: World) -> World:
    return told_world


def test_an_alert_says_why_it_fired(alerting: World) -> None:
    page = Page[AlertView].model_validate_json(alerting.get("/alerts").content)
    alert = next(alert for alert in page.items if alert.metric == "predicted_dice")
    evidence = alert.evidence
    assert (alert.site, alert.rule, alert.severity, alert.state) == (
        "south-clinic", "site_detector", "critical", "firing",
    )  # fmt: skip
    assert evidence.statistic is not None
    assert evidence.threshold is not None
    assert evidence.statistic >= evidence.threshold
    assert evidence.effect is not None
    assert evidence.effect.low <= evidence.effect.estimate <= evidence.effect.high < 0.5
    assert evidence.n
    assert evidence.baseline_n
    assert "lower than in the site's baseline" in evidence.sentence
    assert alert.next_step


def test_a_steady_site_has_none(alerting: World) -> None:
    assert {alert["site"] for alert in alerting.alerts() if alert["severity"] != "info"} == {"south-clinic"}
    assert alerting.alerts(site="north-clinic") == []


def test_one_cause_makes_one_alert_however_often_it_pages(alerting: World) -> None:
    causes = [(alert["metric"], alert["title"]) for alert in alerting.alerts()]
    assert len(causes) == len(set(causes))


def test_acknowledging_records_who_and_why_and_makes_an_owner(alerting: World) -> None:
    path = f"/alerts/{alerting.alerts()[0]['alert_id']}"
    alerting.clock.forward(minutes=7)
    answer = alerting.post(f"{path}/acknowledge", {"comment": "New kernel since Tuesday."})
    assert answer.status_code == 200
    view = AlertView.model_validate_json(alerting.get(path).content)
    assert (view.state, view.owner) == ("acknowledged", "lead")
    last = view.transitions[-1]
    assert (last.actor, last.from_state, last.to_state, last.comment, last.at) == (
        "lead", "firing", "acknowledged", "New kernel since Tuesday.", alerting.clock(),
    )  # fmt: skip


def test_resolving_ends_it_and_the_first_transition_is_the_systems(alerting: World) -> None:
    path = f"/alerts/{alerting.alerts()[0]['alert_id']}"
    alerting.post(f"{path}/acknowledge")
    answer = alerting.post(f"{path}/resolve", {"comment": "Protocol set back."})
    assert answer.json()["state"] == "resolved"
    assert [(t["actor"], t["to_state"]) for t in answer.json()["transitions"]] == [
        ("system", "firing"),
        ("lead", "acknowledged"),
        ("lead", "resolved"),
    ]


def test_the_second_person_is_told_who_was_first(alerting: World) -> None:
    path = f"/alerts/{alerting.alerts()[0]['alert_id']}/acknowledge"
    assert alerting.post(path).status_code == 200
    answer = alerting.post(path, headers=WRITING)
    assert answer.status_code == 409
    assert answer.json()["detail"] == "The alert was already acknowledged by lead at 2026-10-15 12:00:00 UTC."


def test_of_many_at_once_one_succeeds(alerting: World) -> None:
    path = f"/alerts/{alerting.alerts()[0]['alert_id']}/resolve"
    alerting.as_lead()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: alerting.post(path).status_code, range(6)))
    assert sorted(answers) == [200, 409, 409, 409, 409, 409]
    ended = [
        t for t in alerting.get(path.removesuffix("/resolve")).json()["transitions"] if t["to_state"] == "resolved"
    ]
    assert len(ended) == 1


def test_a_resolved_alert_cannot_be_acknowledged(alerting: World) -> None:
    path = f"/alerts/{alerting.alerts()[0]['alert_id']}"
    alerting.post(f"{path}/resolve")
    assert alerting.post(f"{path}/acknowledge").status_code == 409


def test_the_list_is_kept_to_a_state(alerting: World) -> None:
    everything = alerting.alerts()
    alerting.post(f"/alerts/{everything[0]['alert_id']}/acknowledge")
    alerting.post(f"/alerts/{everything[1]['alert_id']}/resolve")
    counts = {state: len(alerting.alerts(state=state)) for state in ("firing", "acknowledged", "resolved", "open")}
    assert counts == {
        "firing": len(everything) - 2, "acknowledged": 1, "resolved": 1, "open": len(everything) - 1,
    }  # fmt: skip


def test_the_list_pages(alerting: World) -> None:
    everything = [alert["alert_id"] for alert in alerting.alerts()]
    first = alerting.get("/alerts", limit=2).json()
    rest = alerting.get("/alerts", limit=500, cursor=first["next_cursor"]).json()
    assert [alert["alert_id"] for alert in first["items"] + rest["items"]] == everything
    assert rest["next_cursor"] is None


def test_an_unknown_alert_answers_404(small_world: World) -> None:
    assert small_world.get(f"/alerts/{uuid4()}").status_code == 404
    assert small_world.post(f"/alerts/{uuid4()}/resolve").status_code == 404


@pytest.mark.parametrize("query", [{"state": "open;drop"}, {"limit": 0}, {"limit": 501}])
def test_a_query_that_cannot_be_is_refused(small_world: World, query: dict[str, object]) -> None:
    answer = small_world.get("/alerts", **query)
    assert answer.status_code == 422
    assert "drop" not in answer.text


def test_deeds_stand_in_the_audit(alerting: World) -> None:
    alert_id = alerting.alerts()[0]["alert_id"]
    alerting.post(f"/alerts/{alert_id}/acknowledge")
    lines = alerting.get("/audit").json()["items"]
    assert {"at": "2026-10-15T12:00:00Z", "actor": "lead", "action": "alert_acknowledged", "subject": alert_id} in lines
