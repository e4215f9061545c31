"""The server starts light, logs no secret and no path as sent, and follows its key file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from central_server.credentials import new_key
from shared import logs
from shared.errors import SettingsError
from tests.central_world import World, running
from tests.report_factory import SiteStory, body_of, reports_of


def test_it_starts_without_torch_or_scipy() -> None:
    code = (
        "import sys, central_server.app, central_server.cli\n"
        "heavy = {'torch', 'scipy', 'sklearn', 'skimage', 'pydicom', 'hospital_agent', 'dashboard'}\n"
        "sys.exit(str(sorted(heavy & set(sys.modules))) if heavy & set(sys.modules) else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_a_password_it_does_not_start(sqlite_url: str) -> None:
    with pytest.raises(SettingsError, match="CENTRAL_LEAD_PASSWORD"), running(sqlite_url, lead_password=None):
        pass


def test_sites_of_the_key_file_are_registered_at_the_start(sqlite_url: str) -> None:
    key = new_key()
    with running(sqlite_url, site_keys=f"north-clinic:{key}") as world:
        answer = world.client.get("/api/v1/agents/self", headers={"Authorization": f"Bearer {key}"})
        assert answer.json()["site"] == "north-clinic"
    with running(sqlite_url, site_keys=f"south-clinic:{new_key()}") as world:
        assert world.client.get("/api/v1/agents/self", headers={"Authorization": f"Bearer {key}"}).status_code == 401
        listed = {site["site"]: site["state"] for site in world.get("/sites").json()["items"]}
        assert listed == {"south-clinic": "never_seen", "north-clinic": "warming_up"}


def test_an_emptied_key_file_ends_the_keys_that_stood_in_it(sqlite_url: str, tmp_path: Path) -> None:
    keys, key = tmp_path / "keys", new_key()
    keys.write_text(f"north-clinic:{key}\n")
    with running(sqlite_url, site_keys_file=keys) as world:
        by_hand = world.add_site("south-clinic")
    keys.write_text("")
    with running(sqlite_url, site_keys_file=keys) as world:
        for sent, status in ((key, 401), (by_hand, 200)):
            headers = {"Authorization": f"Bearer {sent}"}
            assert world.client.get("/api/v1/agents/self", headers=headers).status_code == status


def test_logs_hold_names_and_numbers_and_neither_secrets_nor_paths_as_sent(
    small_world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs._sink, "level", logs.LEVELS["debug"])
    key = small_world.add_site("north-clinic")
    report = reports_of(SiteStory("north-clinic", windows=1))[0]
    small_world.put(report)
    small_world.client.get("/api/v1/sites/DOE^JANE?patient=1.2.840.113619", headers=small_world.as_lead())
    small_world.client.post("/api/v1/session", json={"username": "lead", "password": "typed-password-1"})
    written = capsys.readouterr().err
    for secret in (key, "DOE", "1.2.840", "typed-password", "Bearer", body_of(report).decode()[:40]):
        assert secret not in written
    events = [json.loads(line) for line in written.splitlines()]
    assert {"report_arrived", "request_done"} <= {event["event"] for event in events}
    assert all("dropped" not in event for event in events)


def test_a_lost_database_is_an_answer_and_no_crash(small_world: World) -> None:
    headers = small_world.as_lead()
    with small_world.centre.database.write() as session:
        session.execute(text("DROP TABLE sessions"))
    answer = small_world.client.get("/api/v1/sites", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "sessions" not in answer.text
    assert small_world.client.get("/healthz").status_code == 200


def test_several_servers_may_share_a_postgres(database_url: str) -> None:
    with running(database_url) as one, running(database_url) as other:
        one.add_site("north-clinic")
        other.keys = one.keys
        told = reports_of(SiteStory("north-clinic", windows=2))
        assert one.put(told[0]).status_code == 201
        assert other.put(told[0]).status_code == 200
        assert other.put(told[1]).status_code == 201
        assert one.put(told[1]).status_code == 200
