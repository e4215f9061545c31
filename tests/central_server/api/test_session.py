"""People sign in with a password, programs come with a token, sites with a key; none can stand for another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from central_server.database.tables import AuditRow, SessionRow
from tests.central_world import PASSWORD, READING_TOKEN, WRITING_TOKEN, World, running

READING = {"Authorization": f"Bearer {READING_TOKEN}"}
WRITING = {"Authorization": f"Bearer {WRITING_TOKEN}"}


def sign_in(world: World, username: str = "lead", password: str = PASSWORD):
    return world.client.post("/api/v1/session", json={"username": username, "password": password})


def test_name_and_password_give_a_token_that_reads(world: World) -> None:
    answer = sign_in(world)
    assert answer.status_code == 201
    assert answer.json()["actor"] == "lead"
    token = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert world.client.get("/api/v1/sites", headers=token).status_code == 200


def test_the_token_is_stored_as_its_hash_only(world: World) -> None:
    token = sign_in(world).json()["token"]
    with world.centre.database.read() as session:
        row = session.scalars(select(SessionRow)).one()
    assert token not in (row.token_hash, row.actor)
    assert len(row.token_hash) == 64


@pytest.mark.parametrize(("username", "password"), [("lead", "wrong-password-1"), ("other", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(
    small_world: World, username: str, password: str
) -> None:
    answer = sign_in(small_world, username, password)
    assert answer.status_code == 401
    assert answer.json()["detail"] == "Name and password do not fit."


def test_a_session_ends_by_signing_out(world: World) -> None:
    token = {"Authorization": f"Bearer {sign_in(world).json()['token']}"}
    assert world.client.delete("/api/v1/session", headers=token).status_code == 204
    assert world.client.get("/api/v1/sites", headers=token).status_code == 401


def test_a_session_ends_by_itself(world: World) -> None:
    token = {"Authorization": f"Bearer {sign_in(world).json()['token']}"}
    world.clock.forward(hours=world.centre.settings.session_hours - 0.1)
    assert world.client.get("/api/v1/sites", headers=token).status_code == 200
    world.clock.forward(hours=0.2)
    assert world.client.get("/api/v1/sites", headers=token).status_code == 401


OTHER_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, 200), ({"lead_password": OTHER_HASH}, 401), ({"lead_password": PASSWORD}, 401), ({"lead_name": "new"}, 401)],
)
def test_a_session_ends_with_the_secret_that_began_it(sqlite_url: str, changes: dict[str, str], status: int) -> None:
    """The server is started again: with the same secret sessions go on, with another one they are over."""
    with running(sqlite_url) as world:
        token = world.as_lead()
    with running(sqlite_url, **changes) as world:
        assert world.client.get("/api/v1/sites", headers=token).status_code == status
        assert world.client.delete("/api/v1/session", headers=token).status_code == (204 if status == 200 else 401)
        assert sign_in(world, changes.get("lead_name", "lead")).status_code == 201


def test_failed_sign_ins_are_slowed_down_and_later_allowed_again(small_world: World) -> None:
    most = small_world.centre.settings.failed_sign_ins_per_minute
    assert {sign_in(small_world, password="wrong-password-1").status_code for _ in range(most)} == {401}
    refused = sign_in(small_world)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    small_world.clock.forward(seconds=61)
    assert sign_in(small_world).status_code == 201


def test_attempts_at_the_same_moment_are_counted_before_they_are_judged(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, go_on = small_world.centre.settings.failed_sign_ins_per_minute, threading.Event()
    asked: list[str] = []

    def slow(_: str, password: str) -> bool:
        asked.append(password)
        return not go_on.wait(10)

    monkeypatch.setattr(small_world.centre.lead, "admits", slow)
    with ThreadPoolExecutor(most + 6) as pool:
        answers = [pool.submit(sign_in, small_world, password="wrong-password-1") for _ in range(most + 6)]
        while sum(answer.done() for answer in answers) < 6:  # those beyond the limit are refused while the rest wait
            sleep(0.002)
        go_on.set()
    assert sorted(answer.result().status_code for answer in answers) == [401] * most + [429] * 6
    assert len(asked) == most


def test_right_sign_ins_are_never_slowed_down(small_world: World) -> None:
    most = small_world.centre.settings.failed_sign_ins_per_minute
    assert {sign_in(small_world).status_code for _ in range(most + 2)} == {201}


def test_a_programs_token_reads_and_has_no_session(small_world: World) -> None:
    assert small_world.client.get("/api/v1/sites", headers=READING).status_code == 200
    assert small_world.client.delete("/api/v1/session", headers=READING).status_code == 403


def test_a_reading_token_changes_nothing_and_a_writing_one_acts_under_its_name(told_world: World) -> None:
    world = told_world
    alert_id = world.alerts()[0]["alert_id"]
    assert world.post(f"/alerts/{alert_id}/acknowledge", headers=READING).status_code == 403
    assert world.post(f"/alerts/{alert_id}/acknowledge", headers=WRITING).json()["owner"] == "api:writer"


def test_a_site_key_reads_nothing_but_its_own_agent_view(small_world: World) -> None:
    small_world.add_site("north-clinic")
    key = small_world.as_site("north-clinic")
    assert small_world.client.get("/api/v1/sites", headers=key).status_code == 401
    assert small_world.client.get("/api/v1/audit", headers=key).status_code == 401
    assert small_world.client.get("/api/v1/agents/self", headers=key).status_code == 200


def test_signing_in_and_out_and_failing_stand_in_the_audit_without_what_was_typed(world: World) -> None:
    sign_in(world, "secret-typed-as-name", "wrong-password-1")
    token = {"Authorization": f"Bearer {sign_in(world).json()['token']}"}
    world.client.delete("/api/v1/session", headers=token)
    with world.centre.database.read() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.id)).all()
    assert [(row.actor, row.action) for row in rows] == [
        ("unknown", "sign_in_failed"),
        ("lead", "signed_in"),
        ("lead", "signed_out"),
    ]


def test_a_refused_sign_in_does_not_echo_what_was_sent(small_world: World) -> None:
    answer = small_world.client.post("/api/v1/session", json={"username": "lead", "hunter2": "hunter2"})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/sites", "/sites/a-site", "/sites/a-site/metrics", "/sites/a-site/metrics/x", "/sites/a-site/drift/x",
        "/sites/a-site/rates", "/sites/a-site/detectors", "/alerts", "/reports", "/audit", "/agents/self",
        "/alerts/7ebb261b-41b7-5fc0-889e-e2dbbd691fdc",
    ],
)  # fmt: skip
def test_nothing_is_read_without_a_credential(small_world: World, path: str) -> None:
    answer = small_world.client.get(f"/api/v1{path}")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
