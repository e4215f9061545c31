"""Settings of the SuperLink that cannot work are named before anything is started."""

from pathlib import Path

import pytest

from central_server.federation.flower.certificates import make_certificates
from central_server.federation.flower.settings import load_superlink_settings
from shared.errors import SettingsError


def test_certificates_of_our_own_lie_in_the_folder(tmp_path: Path) -> None:
    authority = make_certificates(tmp_path, "localhost", 30)
    assert load_superlink_settings(folder=tmp_path).certificate_files[2] == authority


def test_a_folder_without_certificates_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="central-server federation certificates"):
        _ = load_superlink_settings(folder=tmp_path).certificate_files


def test_the_hospitals_own_certificates_go_first(tmp_path: Path) -> None:
    make_certificates(tmp_path, "localhost", 30)
    make_certificates(tmp_path / "own", "localhost", 30)
    own = {"certificate": "server.pem", "key": "server_key.pem", "ca": "ca.pem"}
    settings = load_superlink_settings(folder=tmp_path, **{name: tmp_path / "own" / file for name, file in own.items()})
    assert all(path.parent == tmp_path / "own" for path in settings.certificate_files)


@pytest.mark.parametrize("missing", ["certificate", "key", "ca"])
def test_half_of_the_hospitals_own_certificates_is_no_setting(tmp_path: Path, missing: str) -> None:
    make_certificates(tmp_path, "localhost", 30)
    own = {"certificate": "server.pem", "key": "server_key.pem", "ca": "ca.pem"}
    given = {name: tmp_path / file for name, file in own.items() if name != missing}
    with pytest.raises(SettingsError):
        _ = load_superlink_settings(folder=tmp_path, **given).certificate_files


@pytest.mark.parametrize(("name", "value"), [("PORT", "0"), ("CONTROL_PORT", "99999")])
def test_an_unusable_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CENTRAL_FEDERATION_{name}", value)
    with pytest.raises(SettingsError, match=f"CENTRAL_FEDERATION_{name}"):
        load_superlink_settings()
