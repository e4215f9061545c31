"""The command line, as a person at the centre uses it: real processes on a real port."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from central_server.cli import app, main
from central_server.errors import SchemaBehind
from shared.errors import SettingsError
from shared.report import SiteReport
from tests.central_world import CHEAP_HASH, PASSWORD
from tests.report_factory import SiteStory, body_of, reports_of

PROGRAM = [sys.executable, "-c", "from central_server.cli import main; main()"]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    given = {
        "CENTRAL_DATABASE_URL": f"sqlite:///{tmp_path}/data/central.sqlite",
        "CENTRAL_LEAD_PASSWORD": CHEAP_HASH,
        "CENTRAL_PASS_INTERVAL_S": "1",
    }
    for name in [name for name in os.environ if name.startswith("CENTRAL_")]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **given}


def run(*arguments: str) -> tuple[int, str]:
    """One command inside this process, as `main` would end it."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the program says on standard error when it ends by itself with the status of a refusal."""
    monkeypatch.setattr(sys, "argv", ["central-server", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    return capsys.readouterr().err


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server on a free port, ended by SIGTERM."""
    process = subprocess.Popen([*PROGRAM, "serve", "--port", "0"], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        told = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", told)
        assert found, told
        yield found.group(), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def wait_until_ready(url: str) -> None:
    until = time.monotonic() + 90
    while True:
        try:
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        assert time.monotonic() < until
        time.sleep(0.05)


def deliver(url: str, key: str, told: list[SiteReport]) -> list[int]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with httpx2.Client(base_url=f"{url}/api/v1", headers=headers) as client:
        return [client.put(f"/reports/{report.report_id}", content=body_of(report)).status_code for report in told]


def test_from_nothing_to_an_alert_with_a_kill_in_between(environment: dict[str, str], tmp_path: Path) -> None:
    """A real port; kill -9 in the middle of a stream of deliveries; the agent sends everything again."""
    story = SiteStory("south-clinic", windows=12, warm_up=4, patients=25, drift_from=6)
    told = reports_of(story)
    with serving(environment) as (url, process):
        wait_until_ready(url)
        _, key = run("sites", "add", story.site, "--title", "South")
        assert deliver(url, key.strip(), told[:8]) == [201] * 8
        process.kill()
        process.wait()
    with serving(environment) as (url, process):
        wait_until_ready(url)
        assert deliver(url, key.strip(), told) == [200] * 8 + [201] * (len(told) - 8)
        with httpx2.Client(base_url=f"{url}/api/v1") as client:
            token = client.post("/session", json={"username": "lead", "password": PASSWORD}).json()["token"]
            client.headers["Authorization"] = f"Bearer {token}"
            alerts = client.get("/alerts", params={"state": "firing"}).json()["items"]
            assert "predicted_dice" in {alert["metric"] for alert in alerts}
            assert client.get("/sites").json()["items"][0]["title"] == "South"
    assert process.returncode == 0
    connection = sqlite3.connect(tmp_path / "data" / "central.sqlite")
    assert connection.execute("SELECT count(*), count(DISTINCT report_id) FROM reports").fetchone() == (len(told),) * 2
    connection.close()


def test_a_port_in_use_is_told_in_a_sentence(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = refused(monkeypatch, capsys, "serve", "--port", str(taken.getsockname()[1]))
    assert told.endswith("central-server: CENTRAL_HOST and CENTRAL_PORT cannot be listened on; is the port in use?\n")


def test_a_missing_secret_ends_it_at_once_with_its_name(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CENTRAL_LEAD_PASSWORD")
    assert "CENTRAL_LEAD_PASSWORD" in refused(monkeypatch, capsys, "serve", "--port", "0")


def test_sites_are_added_listed_rotated_and_revoked(environment: dict[str, str], tmp_path: Path) -> None:
    run("migrate")
    code, key = run("sites", "add", "north-clinic", "--title", "North Clinic")
    assert code == 0
    assert len(key.strip()) == 43
    assert "north-clinic\tNorth Clinic\tnever seen" in run("sites", "list")[1]
    key_file = tmp_path / "key"
    run("sites", "rotate", "north-clinic", "--key-file", str(key_file))
    assert len(key_file.read_text().strip()) == 43
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert "1 key(s) of north-clinic ended." in run("sites", "revoke", "north-clinic")[1]


def test_a_key_file_is_never_overwritten_and_then_nothing_changes(environment: dict[str, str], tmp_path: Path) -> None:
    run("migrate")
    existing = tmp_path / "key"
    existing.write_text("mine")
    with pytest.raises(SettingsError, match="nothing was changed"):
        run("sites", "add", "north-clinic", "--key-file", str(existing))
    assert existing.read_text() == "mine"
    assert run("sites", "list")[1] == ""


@pytest.mark.parametrize("name", ["North", "a", "a_b", "x" * 41, "1st"])
def test_names_that_no_report_can_carry_are_refused(environment: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        run("sites", "add", name)


def test_without_migration_the_other_commands_say_what_to_do(environment: dict[str, str]) -> None:
    with pytest.raises(SchemaBehind, match="central-server migrate"):
        run("sites", "list")


def test_check_runs_one_pass(environment: dict[str, str]) -> None:
    run("migrate")
    assert '{"reports": 0, "findings": 0}' in run("check")[1]


def test_the_openapi_document_can_be_printed(environment: dict[str, str]) -> None:
    assert json.loads(run("openapi")[1])["openapi"].startswith("3.1")


def test_help_tells_what_an_argument_is() -> None:
    told = CliRunner().invoke(app, ["federate", "--help"], env={"COLUMNS": "160"}).stdout
    assert "Such as gaussian; docs/federation.md lists all." in told
