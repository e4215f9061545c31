"""A task of Flower is led by installed code, or failed; its end is told either way."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from central_server.federation.exchange import Exchange
from central_server.federation.flower import conducting
from central_server.federation.flower.conducting import FOREIGN, run_task
from central_server.federation.flower.settings import SuperLinkSettings
from shared.federation.flower import RUN, app_hash


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
