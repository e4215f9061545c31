"""The demo's processes: what is started is ended, and one that dies is told with its log."""

import signal
import sys
import time

import pytest

from demo import programs
from demo.programs import ProgramFailed, Programs, free_port


@pytest.fixture(autouse=True)
def _python_as_program(monkeypatch, tmp_path):
    """Any Python script stands in for a program."""
    script = tmp_path / "program"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "$1"\n')
    script.chmod(0o755)
    monkeypatch.setattr(programs, "BIN", tmp_path)


def test_leaving_the_block_ends_every_process(tmp_path):
    with Programs(tmp_path) as running:
        running.start("sleeper", ["program", "import time; time.sleep(600)"], {})
        assert running.alive == ["sleeper"]
    assert running.alive == []


def test_they_end_also_when_something_fails(tmp_path):
    running = Programs(tmp_path)

    def fails_inside():
        with running:
            running.start("sleeper", ["program", "import time; time.sleep(600)"], {})
            raise RuntimeError("outside")

    with pytest.raises(RuntimeError, match="outside"):
        fails_inside()
    assert len(running.running) == 1
    assert running.alive == []


def test_a_process_that_ends_by_itself_is_told_with_the_end_of_its_log(tmp_path):
    with Programs(tmp_path) as running:
        running.start("liar", ["program", "raise SystemExit('out of milk')"], {})
        deadline = time.monotonic() + 20
        while running.alive and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(ProgramFailed, match="out of milk"):
            running.check()


def test_settings_of_a_real_installation_do_not_reach_the_demo(tmp_path, monkeypatch):
    monkeypatch.setenv("AGENT_CENTRAL_URL", "https://real.example.org")
    monkeypatch.setenv("CENTRAL_LEAD_NAME", "somebody")
    told = programs.run_once(
        ["program", "import os; print([k for k in os.environ if k.startswith(('AGENT_', 'CENTRAL_'))])"],
        {"AGENT_K": "5"},
    )
    assert told.strip() == "['AGENT_K']"


def test_a_command_that_fails_is_told_with_what_it_said():
    with pytest.raises(ProgramFailed, match="no such site"):
        programs.run_once(["program", "raise SystemExit('no such site')"], {})


def test_free_ports_are_free():
    assert 1024 < free_port() < 65536


def test_a_program_that_was_killed_can_be_started_again(tmp_path):
    with Programs(tmp_path) as running:
        first = running.start("sleeper", ["program", "import time; time.sleep(60)"], {"SAID": "x"})
        ended = running.kill("sleeper")
        assert first.process.returncode == -signal.SIGKILL
        assert running.alive == []
        assert running.again(ended).environment == {"SAID": "x"}
        assert running.alive == ["sleeper"]
    assert running.alive == []
