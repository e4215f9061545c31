"""`hospital-agent federate` starts nothing that cannot work, and its health is what the SuperLink acknowledged."""

import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hospital_agent.cli import app
from hospital_agent.federation import assembly
from hospital_agent.federation.flower import node
from hospital_agent.heartbeat import FEDERATION_FILE, Heartbeat


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("inbox", "data"):
        (tmp_path / folder).mkdir()
    for name, value in {
        "SITE": "north", "INBOX": tmp_path / "inbox", "DATA_DIR": tmp_path / "data", "CENTRAL_URL": "http://127.0.0.1:1",
        "SITE_KEY": "a-site-key-for-tests-0123456789", "FEDERATION_SUPERLINK": "localhost:1",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"AGENT_{name}", str(value))
    return tmp_path / "data"


def health() -> int:
    return CliRunner().invoke(app, ["federate", "--health"]).exit_code


def test_a_node_that_has_not_reached_the_superlink_is_not_healthy(data: Path) -> None:
    assert health() == 1


def test_a_node_is_healthy_while_the_superlink_acknowledges_it(data: Path) -> None:
    Heartbeat(data, FEDERATION_FILE)("superlink")
    assert health() == 0
    an_hour_ago = time.time() - 3600
    os.utime(data / FEDERATION_FILE, (an_hour_ago, an_hour_ago))
    assert health() == 1


def test_the_health_of_the_agent_is_another(data: Path) -> None:
    Heartbeat(data, FEDERATION_FILE)("superlink")
    assert CliRunner().invoke(app, ["health"]).exit_code == 1


def test_the_site_of_the_settings_is_what_answers(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = []

    class Site:
        def answer(self, packet: object) -> object:
            return packet

    site = Site()
    monkeypatch.setattr(assembly, "federation_site", lambda settings: site)
    monkeypatch.setattr(node, "run_node", lambda settings, answer: served.append((settings.site, answer)) or 0)
    assert CliRunner().invoke(app, ["federate"]).exit_code == 0
    assert served == [("north", site.answer)]
