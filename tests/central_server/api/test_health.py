"""Alive and ready are two questions."""

import pytest

from central_server import centre as centre_module
from tests.central_world import World


def test_alive_and_ready(world: World) -> None:
    assert world.client.get("/healthz").json() == {"status": "alive"}
    assert world.client.get("/readyz").json() == {"status": "ready"}


def test_without_its_database_it_is_alive_and_not_ready(small_world: World) -> None:
    path = small_world.centre.database.url.database
    small_world.centre.database.reader.dispose()
    with open(str(path), "wb") as file:
        file.write(b"this is no database")
    assert small_world.client.get("/healthz").status_code == 200
    answer = small_world.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"


def test_when_passes_fail_it_is_not_ready(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no pass today")

    monkeypatch.setattr(centre_module, "run_pass", broken)
    small_world.clock.forward(days=30)
    small_world.centre.monitor.nudge()
    answer = small_world.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "No monitoring pass has succeeded for some time."
