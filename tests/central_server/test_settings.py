"""A setting that cannot be used ends the program with its name, and never with its value."""

from pathlib import Path

import pytest

from central_server.policy import Policy
from central_server.settings import Settings, load_settings
from shared.errors import SettingsError

GOOD_KEY = "k7Jx-0pQ2mVd9sLw4yTz8bNc1fGh6RuE3aXoKiZq5W0"
PASSWORD = "tulip-anchor-93-violet"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("CENTRAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_by_default_it_listens_on_loopback_only() -> None:
    assert load_settings().host == "127.0.0.1"


def test_by_default_the_policy_is_the_one_that_stands_in_the_code() -> None:
    assert load_settings().policy() == Policy()


def test_a_missing_password_is_named() -> None:
    with pytest.raises(SettingsError, match="CENTRAL_LEAD_PASSWORD"):
        load_settings().lead()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.20", "central.example.org"])  # noqa: S104
def test_an_open_port_needs_tls_or_the_word_that_a_proxy_ends_it(host: str) -> None:
    with pytest.raises(SettingsError, match="CENTRAL_TLS_CERTIFICATE"):
        load_settings(host=host)
    assert load_settings(host=host, behind_proxy=True).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_loopback_needs_neither(host: str) -> None:
    assert load_settings(host=host).host == host


def test_a_certificate_without_a_key_is_refused(tmp_path: Path) -> None:
    certificate = tmp_path / "cert.pem"
    certificate.write_text("x")
    with pytest.raises(SettingsError, match="together"):
        load_settings(tls_certificate=certificate)
    with pytest.raises(SettingsError, match="CENTRAL_TLS_KEY names no file"):
        load_settings(tls_certificate=certificate, tls_key=tmp_path / "none.pem")
    assert load_settings(host="0.0.0.0", tls_certificate=certificate, tls_key=certificate).tls_key == certificate  # noqa: S104


def test_secrets_are_read_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "tokens").write_text(f"# programs\nmonitor:{GOOD_KEY}\n\nbot:{GOOD_KEY[::-1]}:write\n")
    (tmp_path / "keys").write_text(f"north-clinic:{GOOD_KEY}\n")
    monkeypatch.setenv("CENTRAL_LEAD_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("CENTRAL_API_TOKENS_FILE", str(tmp_path / "tokens"))
    monkeypatch.setenv("CENTRAL_SITE_KEYS_FILE", str(tmp_path / "keys"))
    settings = load_settings()
    assert settings.lead().admits("lead", PASSWORD)
    assert [(token.name, token.may_write) for token in settings.tokens()] == [("monitor", False), ("bot", True)]
    assert list(settings.listed_site_keys() or {}) == ["north-clinic"]


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRAL_LEAD_PASSWORD_FILE", "/nowhere/password")
    with pytest.raises(SettingsError, match="CENTRAL_LEAD_PASSWORD_FILE names a file that cannot be read"):
        load_settings()


@pytest.mark.parametrize("name", ["CENTRAL_PORT", "CENTRAL_SILENT_AFTER_S", "CENTRAL_LOG_LEVEL"])
def test_a_bad_value_is_named_and_not_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "DOE-JANE-VALUE")
    with pytest.raises(SettingsError, match=name) as error:
        load_settings()
    assert "DOE" not in str(error.value)


@pytest.mark.parametrize("password", ["changeme-changeme", "short", "a" * 16, "password-1234567", "my-example-secret"])
def test_placeholder_and_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(SettingsError, match="CENTRAL_LEAD_PASSWORD") as error:
        load_settings(lead_password=password).lead()
    assert password not in str(error.value)


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    settings = load_settings(lead_password=PASSWORD, site_keys=f"north-clinic:{GOOD_KEY}")
    assert PASSWORD not in repr(settings)
    assert GOOD_KEY not in repr(settings)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "nonsense"])
def test_a_database_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="CENTRAL_DATABASE_URL"):
        load_settings(database_url=url).database()


def test_the_password_of_the_database_comes_from_its_own_secret() -> None:
    url = load_settings(database_url="postgresql://central@db/x", database_password="s3cret/with@signs").database()
    assert (url.drivername, url.password) == ("postgresql+psycopg", "s3cret/with@signs")


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRAL_PORT", "8001")
    assert load_settings(port=8002).port == 8002
    assert load_settings(port=None).port == 8001


def test_every_setting_is_explained() -> None:
    explained = Settings.__doc__ or ""
    hidden = {"max_report_bytes", "session_hours", "failed_sign_ins_per_minute", "log_level"}
    for name in Settings.model_fields:
        assert name in explained or name.endswith("_file") or name in hidden, name
