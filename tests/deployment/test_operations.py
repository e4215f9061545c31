"""The operations manual names only settings, commands, services, ports and codes that exist."""

import re
import warnings
from importlib import import_module
from typing import Any

import pytest

from hospital_agent.reporting.sender import PERMANENT
from tests.compose_files import COMPOSE, ROOT, read, services
from tests.deployment.test_compose_file import SETTINGS

TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
FEDERATION = (ROOT / "docs" / "federation.md").read_text(encoding="utf-8")
PROGRAMS = {"hospital-agent": "hospital_agent.cli", "central-server": "central_server.cli"}
COMPOSE_COMMAND = re.compile(r"docker compose (?:--profile \w+ )?(exec|run|stop|start|logs|build|up) ([^`\n]*)")


def _commands(program: str) -> dict[str, Any]:
    """A program's commands by their names, as click knows them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # typer touches a name that click has deprecated
        from typer.main import get_command

        group: Any = get_command(import_module(PROGRAMS[program]).app)
    commands: dict[str, Any] = group.commands
    return commands


def test_every_setting_in_the_manual_exists() -> None:
    named = set(re.findall(r"\b(?:AGENT|CENTRAL|DASHBOARD)_[A-Z_]+\b", TEXT + FEDERATION))
    known = {f"{prefix}{field.upper()}" for prefix, settings in SETTINGS.values() for field in settings.model_fields}
    assert named
    assert named <= known


def test_every_variable_of_the_compose_file_itself_is_in_the_manual_and_the_reverse() -> None:
    used = set(re.findall(r"\$\{(SEGWATCH_[A-Z_]+)", COMPOSE.read_text())) - {"SEGWATCH_VERSION"}
    assert used == set(re.findall(r"\bSEGWATCH_[A-Z_]+\b", TEXT + FEDERATION))


def test_every_secret_of_the_compose_file_is_made_in_the_manual() -> None:
    assert {name for name in read()["secrets"] if f"secrets/{name}" in TEXT + FEDERATION} == read()["secrets"].keys()


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_and_option_in_the_manual_exists(program: str) -> None:
    """A command is found after `exec SERVICE PROGRAM`, after `run --rm SERVICE`, or as `PROGRAM COMMAND` in words."""
    text = (TEXT + FEDERATION).replace("run --rm superlink ", "run --rm central-server ")
    before = rf"(?:(?:{program}|superlink) |run --rm (?:-T )?|`)"
    found = re.findall(rf"{before}{program} ([a-z]+)((?: [a-z][a-z-]*)?)([^`#|\n]*)", text)
    assert found
    commands = _commands(program)
    for word, second, rest in found:
        command = commands[word]
        if hasattr(command, "commands"):
            command = command.commands[second.strip()]
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options


def test_every_service_that_a_command_names_exists() -> None:
    named = set()
    for _, rest in COMPOSE_COMMAND.findall(TEXT + FEDERATION):
        words = re.sub(r"--entrypoint \w+|(?<!\S)--?[\w-]+|[&\\#].*", "", rest).split()
        named |= set(words[:1]) - {"SERVICE"}
    assert named == services().keys()


def test_the_codes_of_parked_reports_are_those_that_park_one() -> None:
    table = TEXT[TEXT.index("| `last_code` |") : TEXT.index("A wrong key (")]
    assert {int(code) for code in re.findall(r"`http_(\d+)`", table)} <= PERMANENT
    retried = re.search(r"A wrong key \((.*?)\)", TEXT)
    assert retried
    assert not {int(code) for code in re.findall(r"http_(\d+)", retried[1])} & PERMANENT


def test_the_manual_names_the_ports_and_users_of_the_compose_file() -> None:
    for name in ("central-server", "dashboard"):
        inside = services()[name]["ports"][0].rsplit(":", 1)[1]
        assert f"127.0.0.1:{inside}" in TEXT
    uid, gid = services()["hospital-agent"]["user"].split(":")
    assert f"install -d -o {uid} -g {gid}" in TEXT
