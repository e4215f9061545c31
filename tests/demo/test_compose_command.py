"""`python -m demo.compose`: which of the two it did, and how it ends."""

import signal

import pytest

from demo.compose import __main__ as command
from demo.compose.engine import NoEngine
from demo.proof import NotProved


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.setattr(command.sys, "argv", ["compose", "--engine", str(tmp_path / "engine")])
    monkeypatch.setattr(command, "new_folder", lambda _: tmp_path)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _check(monkeypatch, outcome):
    def check(*_, **__):
        if outcome is not None:
            raise outcome

    monkeypatch.setattr(command, "check", check)


def test_without_an_engine_the_processes_are_checked_and_the_last_line_says_so(monkeypatch, capsys):
    _check(monkeypatch, NoEngine("no Docker engine answers"))
    monkeypatch.setattr(command, "outages", lambda _, say: say("the same topology as processes"))
    assert command.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert "as processes" in lines[-2]
    assert "PROCESSES, not with containers: no Docker engine answers" in lines[-1]


def test_what_was_not_proved_is_the_reason_and_the_status(monkeypatch, capsys):
    _check(monkeypatch, NotProved("riverside: sent and stored series differ"))
    assert command.main() == 1
    assert "not proved: riverside: sent and stored series differ" in capsys.readouterr().err


def test_a_second_interruption_does_not_leave_things_half_way(monkeypatch):
    handlers = []

    def check(*_, **__):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)  # while everything is taken down
            handlers.append("taken down")

    monkeypatch.setattr(command, "check", check)
    assert command.main() == 130
    assert handlers == ["taken down"]
