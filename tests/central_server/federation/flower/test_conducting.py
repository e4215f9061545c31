"""A task of Flower is led by installed code, or failed; its end is told either way."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from sqlalchemy.engine import make_url

from central_server.database import federated_runs
from central_server.database.migrate import migrate
from central_server.database.session import Database
from central_server.federation.exchange import Exchange
from central_server.federation.flower import conducting
from central_server.federation.flower.conducting import FOREIGN, lead_stored_run, run_task
from central_server.federation.flower.errors import SuperLinkAway
from central_server.federation.flower.settings import SuperLinkSettings
from shared.clock import utc_now
from shared.federation.flower import RUN, app_hash

SITES, KEY = ("north", "south", "west"), bytes(32)


class Grid:
    """One task, whose end is kept."""

    def __init__(self, sha256: str) -> None:
        self.run = SimpleNamespace(fab_hash=sha256, override_config={RUN: "ab" * 16})
        self.problem = "interrupted"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def settings(tmp_path: Path) -> SuperLinkSettings:
    return SuperLinkSettings(folder=tmp_path)


def task(monkeypatch: pytest.MonkeyPatch, sha256: str = "") -> Grid:
    grid = Grid(sha256 or app_hash())
    monkeypatch.setattr(conducting, "RunGrid", lambda address, token: grid)
    return grid


def test_a_run_of_ours_is_led(monkeypatch: pytest.MonkeyPatch, settings: SuperLinkSettings) -> None:
    grid, led = task(monkeypatch), []
    assert run_task(settings, "token", lambda exchange, run: led.append(run))
    assert (led, grid.problem) == (["ab" * 16], "")


def test_code_that_arrives_is_not_run_at_the_centre_either(
    monkeypatch: pytest.MonkeyPatch, settings: SuperLinkSettings
) -> None:
    grid, led = task(monkeypatch, "f" * 64), []
    assert not run_task(settings, "token", lambda exchange, run: led.append(run))
    assert (led, grid.problem) == ([], FOREIGN)


def test_a_run_that_fails_is_told_by_the_kind_of_its_error(
    monkeypatch: pytest.MonkeyPatch, settings: SuperLinkSettings
) -> None:
    def failing(exchange: Exchange, run: str) -> None:
        raise ValueError("DOE^JANE")

    grid = task(monkeypatch)
    assert not run_task(settings, "token", failing)
    assert grid.problem == "The centre failed: ValueError."


def test_a_run_that_is_interrupted_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, settings: SuperLinkSettings
) -> None:
    def stopped(exchange: Exchange, run: str) -> None:
        raise KeyboardInterrupt

    grid: Any = task(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run_task(settings, "token", stopped)
    assert grid.problem == "interrupted"


class Broken:
    """An exchange that fails at the first question."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def sites(self) -> list[str]:
        return ["north", "south", "west"]

    def ask(self, requests: object, deadline_s: float) -> dict[str, Any]:
        raise self.error


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'central.sqlite'}"
    monkeypatch.setenv("CENTRAL_DATABASE_URL", url)
    database = Database(make_url(url))
    migrate(database)
    yield database
    database.close()


@pytest.mark.parametrize(
    ("error", "state"),
    [(SuperLinkAway("gone"), "running"), (KeyboardInterrupt(), "running"), (ValueError("a fault of ours"), "failed")],
)
def test_a_run_ends_by_a_fault_of_ours_and_waits_for_a_superlink_that_is_gone(
    database: Database, monkeypatch: pytest.MonkeyPatch, error: BaseException, state: str
) -> None:
    monkeypatch.setattr("central_server.federation.stored.stored_site_keys", lambda session: dict.fromkeys(SITES, KEY))
    with database.write() as session:
        run = federated_runs.propose(session, "gaussian", {}, utc_now(), "test", deadline_s=5).run
    with pytest.raises(type(error)):
        lead_stored_run(Broken(error), run)
    with database.read() as session:
        assert federated_runs.run_row(session, run).state == state
