"""Settings: a missing or unusable one is named at once, and no value is ever shown."""

from pathlib import Path

import pytest

from hospital_agent.settings import load_settings
from shared.errors import SettingsError

KEY = "k3y-of-the-north-site-7a1b9c"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("SITE", "INBOX", "DATA_DIR", "CENTRAL_URL", "SITE_KEY", "SITE_KEY_FILE", "K", "POLICY_FILE"):
        monkeypatch.delenv(f"AGENT_{name}", raising=False)
    (tmp_path / "inbox").mkdir()
    monkeypatch.setenv("AGENT_SITE", "north")
    monkeypatch.setenv("AGENT_INBOX", str(tmp_path / "inbox"))
    monkeypatch.setenv("AGENT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("AGENT_CENTRAL_URL", "https://central.example.org")
    monkeypatch.setenv("AGENT_SITE_KEY", KEY)
    return monkeypatch


@pytest.mark.parametrize("name", ["SITE", "INBOX", "DATA_DIR", "CENTRAL_URL", "SITE_KEY"])
def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(f"AGENT_{name}")
    with pytest.raises(SettingsError, match=rf"AGENT_{name}\b.* not set"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SITE", "North Clinic"),
        ("INBOX", "/nowhere/at/all"),
        ("SITE_KEY", "changeme-changeme-changeme"),
        ("SITE_KEY", "short"),
        ("SITE_KEY", "aaaaaaaaaaaaaaaaaaaaaaaa"),
        ("SITE_KEY_FILE", "/nowhere/at/all"),
        ("CENTRAL_URL", "http://central.example.org"),
        ("CENTRAL_URL", "https://user:pass@central.example.org"),
        ("CENTRAL_URL", "centre.hospital.test"),
        ("K", "2"),
        ("WINDOW_LENGTH_S", "-1"),
        ("MAX_WINDOW_AGE_S", "10"),
        ("POLICY_FILE", "/nowhere/at/all"),
        ("DEVICE", "tpu"),
        ("FEDERATION_SUPERLINK", "https://centre.example.org"),
        ("FEDERATION_SUPERLINK", "centre.example.org"),
    ],
)
def test_an_unusable_setting_is_named_and_its_value_is_not(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    if name == "SITE_KEY_FILE":
        environment.delenv("AGENT_SITE_KEY")
    environment.setenv(f"AGENT_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"AGENT_{name}" in str(caught.value)
    assert value not in str(caught.value)


def test_the_key_may_lie_in_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    environment.delenv("AGENT_SITE_KEY")
    environment.setenv("AGENT_SITE_KEY_FILE", str(tmp_path / "key"))
    assert load_settings().site_key.get_secret_value() == KEY


def test_no_secret_is_in_the_repr(environment: pytest.MonkeyPatch) -> None:
    assert KEY not in repr(load_settings())


def test_plain_http_is_for_this_machine_or_said_so(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AGENT_CENTRAL_URL", "http://127.0.0.1:8000")
    load_settings()
    environment.setenv("AGENT_CENTRAL_URL", "http://central:8000")
    environment.setenv("AGENT_ALLOW_PLAIN_HTTP", "true")
    load_settings()


def test_without_a_k_there_is_no_policy(environment: pytest.MonkeyPatch) -> None:
    assert load_settings().policy is None
    environment.setenv("AGENT_K", "5")
    policy = load_settings().policy
    assert policy is not None
    assert (policy.k, policy.exact_event_counts) == (5, False)


def test_the_sites_policy_file_goes_before_the_environment(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("AGENT_K", "5")
    environment.setenv("AGENT_POLICY_FILE", str(tmp_path / "policy.toml"))
    (tmp_path / "policy.toml").write_text('version = "2026-03"\nk = 10\nexact_event_counts = true\n')
    policy = load_settings().policy
    assert policy is not None
    assert (policy.k, policy.exact_event_counts, policy.version) == (10, True, "2026-03")
    (tmp_path / "policy.toml").write_text('version = "closed"\n')
    assert load_settings().policy is None


@pytest.mark.parametrize("text", ["k = 1", "k = true", "k = 5.5", "l = 3", "not toml", 'k = 5\nversion = "a b"'])
def test_a_policy_file_that_cannot_be_understood_stops_the_agent(
    environment: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    environment.setenv("AGENT_POLICY_FILE", str(tmp_path / "policy.toml"))
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(SettingsError, match="AGENT_POLICY_FILE"):
        load_settings()


def test_the_alarm_line_follows_from_the_federation(environment: pytest.MonkeyPatch) -> None:
    assert load_settings().log_threshold == pytest.approx(17.0, abs=0.05)


def test_models_that_may_run_code_are_named_by_their_hash(environment: pytest.MonkeyPatch) -> None:
    assert "a" * 64 not in load_settings().allow_list
    environment.setenv("AGENT_ALLOWED_MODELS", f"{'A' * 64},{'b' * 64}")
    assert {"a" * 64, "b" * 64} == load_settings().allow_list.hashes
    environment.setenv("AGENT_ALLOWED_MODELS", "everything")
    with pytest.raises(SettingsError, match="AGENT_ALLOWED_MODELS"):
        load_settings()


def test_federated_work_is_off_until_it_is_set_up(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load_settings()
    assert (settings.federation_superlink, settings.federation_policy_file) == (None, None)
    environment.setenv("AGENT_FEDERATION_SUPERLINK", "centre.example.org:9092")
    assert load_settings().federation_superlink == "centre.example.org:9092"
    assert load_settings().federation_dir == tmp_path / "data" / "federation"
