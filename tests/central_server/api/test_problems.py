"""Every refusal is problem+json and echoes nothing."""

import pytest
from sqlalchemy.exc import OperationalError

from central_server.api import sites
from shared.read_models import Problem
from tests.central_world import World


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/no-such-noun", 404),
        ("GET", "/", 404),
        ("POST", "/api/v1/sites", 405),
        ("PUT", "/api/v1/reports/not-a-uuid", 422),
        ("GET", "/api/v1/alerts/not-a-uuid", 422),
    ],
)
def test_refusals_of_the_framework_are_problems_too(small_world: World, method: str, path: str, status: int) -> None:
    small_world.add_site("north-clinic")
    headers = small_world.as_site("north-clinic") if method == "PUT" else small_world.as_lead()
    answer = small_world.client.request(method, path, headers=headers)
    told = Problem.model_validate_json(answer.content)
    assert (answer.status_code, told.status) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "not-a-uuid" not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b'{"username": 1}', b"[]", b'"DOE^JANE"', b"\xff\xfe"])
def test_a_broken_body_is_a_problem_without_echo(small_world: World, body: bytes) -> None:
    answer = small_world.client.post("/api/v1/session", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert Problem.model_validate_json(answer.content).detail
    assert "DOE" not in answer.text


def test_a_fault_of_ours_says_nothing_of_its_cause(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OperationalError("SELECT secret FROM patients", {}, RuntimeError("password=hunter2"))

    monkeypatch.setattr(sites, "facts_of_sites", broken)
    answer = small_world.get("/sites")
    assert answer.status_code == 500
    assert answer.json()["detail"] == "Something failed on our side; it was recorded."


def test_answers_are_neither_cached_nor_sniffed_and_are_numbered(small_world: World) -> None:
    answer = small_world.get("/sites")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]
