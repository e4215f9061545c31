"""The health check of the agent's container follows the loop, not the process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hospital_agent.heartbeat import FILE_NAME, LONGEST_STEP_S, Heartbeat, age_s


def _beaten_at(folder: Path, moment: float) -> None:
    Heartbeat(folder)("windows_closed")
    os.utime(folder / FILE_NAME, (moment, moment))


def test_the_age_is_counted_from_the_last_beat(tmp_path: Path) -> None:
    _beaten_at(tmp_path, 1000.0)
    assert age_s(tmp_path, 1042.0) == 42.0


def test_a_clock_that_was_set_back_makes_no_negative_age(tmp_path: Path) -> None:
    _beaten_at(tmp_path, 1000.0)
    assert age_s(tmp_path, 400.0) == 0.0


def test_a_new_run_starts_without_the_beats_of_the_last(tmp_path: Path) -> None:
    _beaten_at(tmp_path, 1000.0)
    Heartbeat(tmp_path)
    assert age_s(tmp_path, 1001.0) is None


@pytest.mark.parametrize(("age", "code"), [(5.0, 0), (LONGEST_STEP_S + 60, 1), (None, 1)])
def test_the_command_says_whether_the_loop_turns(tmp_path: Path, age: float | None, code: int) -> None:
    if age is not None:
        Heartbeat(tmp_path)("begun")
        beat = (tmp_path / FILE_NAME).stat().st_mtime - age
        os.utime(tmp_path / FILE_NAME, (beat, beat))
    command = [sys.executable, "-c", "from hospital_agent.cli import main; main()", "health"]
    environment = {"PATH": os.environ["PATH"], "AGENT_DATA_DIR": str(tmp_path)}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == code
    assert told.stderr.startswith("hospital-agent: ")
