"""The doctor says what is wrong before the agent is started, one sentence each."""

from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from hospital_agent.doctor import Check, examine
from hospital_agent.store import windows
from hospital_agent.store.database import Store
from tests.agent_site import KEY, SmallCentral, TestClock
from tests.model_folder import write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path) -> pytest.MonkeyPatch:
    (tmp_path / "inbox").mkdir()
    for name, value in {
        "SITE": "north", "INBOX": tmp_path / "inbox", "DATA_DIR": tmp_path / "data", "SITE_KEY": KEY, "K": 5,
        "CENTRAL_URL": "http://127.0.0.1:1", "MODEL_DIR": model, "DEVICE": "cpu",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"AGENT_{name}", str(value))
    return monkeypatch


def problems(central: SmallCentral | None = None) -> dict[str, str]:
    small = central or SmallCentral(now)
    found = examine(lambda settings: small.client())
    return {check.name: check.sentence for check in found if not check.ok}


def now() -> object:
    from shared.clock import utc_now

    return utc_now()


def test_a_healthy_site_has_no_problem(environment: pytest.MonkeyPatch) -> None:
    assert problems() == {}


def test_a_missing_setting_is_the_only_thing_told(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AGENT_SITE")
    assert list(problems()) == ["settings"]


def test_without_a_k_nothing_leaves_and_the_centre_is_not_called(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AGENT_K")
    central = SmallCentral(now)
    assert set(problems(central)) == {"privacy rule"}
    assert central.calls == []


def test_a_centre_that_refuses_the_key(environment: pytest.MonkeyPatch) -> None:
    central = SmallCentral(now, instead=lambda request: httpx2.Response(401))
    assert "http_401" in problems(central)["centre"]


def test_a_key_of_another_site(environment: pytest.MonkeyPatch) -> None:
    assert "another site" in problems(SmallCentral(now, site="south"))["centre"]


def test_clocks_that_are_apart(environment: pytest.MonkeyPatch) -> None:
    assert "apart" in problems(SmallCentral(TestClock()))["centre"]


def test_a_window_that_begins_in_the_future(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data")
    with store.write() as session:
        windows.start(session, 0, datetime(2931, 1, 1, tzinfo=UTC), windows.ModelKey("bundled", "1", "b" * 64))
    store.close()
    assert "2931-01-01" in problems()["store"]


def test_a_damaged_store_and_a_wrong_model(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "agent.sqlite").write_bytes(b"no database" * 1000)
    environment.setenv("AGENT_MODEL_DIR", str(tmp_path))
    assert set(problems()) == {"store", "model"}


def test_every_check_is_a_sentence(environment: pytest.MonkeyPatch) -> None:
    found: list[Check] = examine(lambda settings: SmallCentral(now).client())
    assert [check.name for check in found] == [
        "settings", "inbox", "data folder", "store", "model", "privacy rule", "centre",
    ]  # fmt: skip
    assert all(KEY not in check.sentence for check in found)
