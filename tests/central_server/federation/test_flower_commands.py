"""The commands around the SuperLink say in a sentence what is missing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from central_server.cli import app
from central_server.errors import FederationMissing
from central_server.federation import flower_commands
from central_server.federation.flower.errors import CertificatesExist, SuperLinkAway
from shared.errors import SettingsError
from tests.flower_world import free_ports


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRAL_FEDERATION_FOLDER", str(tmp_path / "superlink"))
    monkeypatch.setenv("CENTRAL_FEDERATION_CONTROL_PORT", str(free_ports(1)[0]))


def told(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["federation", *arguments])


def test_certificates_are_made_once(tmp_path: Path) -> None:
    made = told("certificates", "--host", "central.example.org")
    assert made.exit_code == 0
    assert str(tmp_path / "superlink" / "ca.pem") in made.stdout
    assert isinstance(told("certificates", "--host", "central.example.org").exception, CertificatesExist)


def test_without_certificates_there_is_no_superlink_to_ask() -> None:
    assert isinstance(told("nodes").exception, SettingsError)


def test_a_superlink_that_does_not_run_is_said() -> None:
    told("certificates", "--host", "localhost")
    assert isinstance(told("nodes").exception, SuperLinkAway)


def test_without_the_extra_it_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flower_commands, "find_spec", lambda name: None)
    for arguments in (["nodes"], ["certificates", "--host", "localhost"]):
        error = told(*arguments).exception
        assert isinstance(error, FederationMissing)
        assert "segwatch[federation]" in str(error)


def test_a_key_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert isinstance(told("add-node", "north", str(tmp_path / "nothing")).exception, SettingsError)
