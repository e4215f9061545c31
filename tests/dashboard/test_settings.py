from pathlib import Path

import pytest

from dashboard.settings import Settings, load
from shared.errors import SettingsError

SECRET = "9f2c4e1ab07d5386c1e0a4b79d2f6c83"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DASHBOARD_CENTRAL_URL", "http://127.0.0.1:8000")
    return monkeypatch


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHBOARD_CENTRAL_URL", raising=False)
    with pytest.raises(SettingsError, match="DASHBOARD_CENTRAL_URL is missing"):
        load()


def test_the_defaults_listen_on_loopback_alone(environment: pytest.MonkeyPatch) -> None:
    settings = load()
    assert (settings.host, settings.behind_proxy) == ("127.0.0.1", False)


@pytest.mark.parametrize("host", ["192.168.1.5", "10.1.2.3", "::", "dashboard"])
def test_listening_beyond_loopback_needs_a_word_about_tls(environment: pytest.MonkeyPatch, host: str) -> None:
    environment.setenv("DASHBOARD_HOST", host)
    with pytest.raises(SettingsError, match="DASHBOARD_BEHIND_PROXY"):
        load()
    environment.setenv("DASHBOARD_BEHIND_PROXY", "true")
    assert load().host == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_loopback_needs_nothing(environment: pytest.MonkeyPatch, host: str) -> None:
    environment.setenv("DASHBOARD_HOST", host)
    assert load().host == host


@pytest.mark.parametrize(
    "secret", ["changeme-changeme-changeme-changeme", "a" * 40, "my-secret-for-the-dashboard-cookie"]
)
def test_a_placeholder_secret_is_refused_without_repeating_it(environment: pytest.MonkeyPatch, secret: str) -> None:
    environment.setenv("DASHBOARD_SESSION_SECRET", secret)
    with pytest.raises(SettingsError, match="placeholder") as caught:
        load()
    assert secret not in str(caught.value)


def test_a_short_secret_is_refused_without_repeating_it(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DASHBOARD_SESSION_SECRET", SECRET[:12])
    with pytest.raises(SettingsError, match="at least 32") as caught:
        load()
    assert SECRET[:12] not in str(caught.value)


def test_the_secret_may_stand_in_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "session"
    path.write_text(f"{SECRET}\n")
    environment.setenv("DASHBOARD_SESSION_SECRET_FILE", str(path))
    assert load().signing_key() == SECRET.encode()


def test_a_secret_file_that_is_not_there_is_told_with_the_setting(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("DASHBOARD_SESSION_SECRET_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="DASHBOARD_SESSION_SECRET_FILE: the file cannot be read"):
        load()


def test_secret_and_secret_file_contradict_each_other(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("DASHBOARD_SESSION_SECRET", SECRET)
    environment.setenv("DASHBOARD_SESSION_SECRET_FILE", str(tmp_path / "any"))
    with pytest.raises(SettingsError, match="one of the two"):
        load()


def test_without_a_secret_each_start_draws_its_own() -> None:
    settings = Settings(central_url="http://127.0.0.1:8000")
    assert len(settings.signing_key()) == 32
    assert settings.signing_key() != settings.signing_key()


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://"])
def test_an_address_that_is_none_is_refused_with_the_setting(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("DASHBOARD_CENTRAL_URL", url)
    with pytest.raises(SettingsError, match="DASHBOARD_CENTRAL_URL cannot be used"):
        load()


def test_the_command_line_comes_before_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DASHBOARD_PORT", "9000")
    assert load().port == 9000
    assert load(port=9001, host=None).port == 9001
