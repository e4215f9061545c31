"""The SuperLink is started with the doors that it should have; where it ends by itself, so does the program."""

import sys
import threading
from pathlib import Path

import pytest

from central_server.federation.flower import superlink
from central_server.federation.flower.certificates import make_certificates
from central_server.federation.flower.settings import SuperLinkSettings
from central_server.federation.flower.superlink import run_superlink
from shared.errors import SettingsError


@pytest.fixture
def settings(tmp_path: Path) -> SuperLinkSettings:
    make_certificates(tmp_path, "localhost", 2)
    return SuperLinkSettings(folder=tmp_path)


def after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_what_asks_nobody_who_they_are_is_on_loopback(settings: SuperLinkSettings) -> None:
    command = superlink._command(settings)
    assert after(command, "--control-api-address") == "127.0.0.1:9093"
    assert after(command, "--serverappio-api-address") == "127.0.0.1:9091"
    assert after(command, "--fleet-api-address") == "0.0.0.0:9092"


def test_nothing_that_arrives_is_run_or_installed(settings: SuperLinkSettings) -> None:
    command = superlink._command(settings)
    assert after(command, "--isolation") == "process"  # no SuperExec beside it
    assert "--disable-runtime-dependency-installation" in command
    assert "--enable-supernode-auth" in command
    assert "--insecure" not in command


def test_a_superlink_that_ends_by_itself_ends_the_program(
    monkeypatch: pytest.MonkeyPatch, settings: SuperLinkSettings
) -> None:
    monkeypatch.setattr(superlink, "SUPERLINK", (sys.executable, "-c", "raise SystemExit(3)"))
    assert run_superlink(settings, threading.Event()) == 1


def test_one_that_is_stopped_ends_well(monkeypatch: pytest.MonkeyPatch, settings: SuperLinkSettings) -> None:
    monkeypatch.setattr(superlink, "SUPERLINK", (sys.executable, "-c", "import time; time.sleep(60)"))
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    assert run_superlink(settings, stop) == 0


def test_without_certificates_nothing_is_started(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        run_superlink(SuperLinkSettings(folder=tmp_path), threading.Event())
