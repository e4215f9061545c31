"""Which engine and which compose a check in containers uses, and what it says where there is none."""

import os
from pathlib import Path

import pytest

from demo.compose import engine as engines
from demo.compose.docker import Docker, NoCompose, Project, find_compose, run
from demo.compose.engine import NoEngine, engine
from demo.programs import ProgramFailed


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A PATH that holds what a test puts there, and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return folder


def test_an_engine_that_answers_is_used_and_not_ended(path, tmp_path):
    _program(path, "docker", "echo 27.1")
    said = []
    with engine(tmp_path / "engine", said.append) as docker:
        assert docker.host is None
    assert said == ["the Docker engine 27.1 answers, and is used"]
    assert not (tmp_path / "engine").exists()


def test_without_a_client_there_is_no_engine(path, tmp_path):
    with pytest.raises(NoEngine, match="no docker client"), engine(tmp_path / "engine", print):
        pass


def test_an_engine_that_somebody_named_is_not_replaced_by_another(path, tmp_path, monkeypatch):
    _program(path, "docker", "exit 1")
    _program(path, "dockerd", "exit 0")
    monkeypatch.setenv("DOCKER_HOST", "tcp://engine.example.org:2376")
    with pytest.raises(NoEngine, match=r"engine\.example\.org"), engine(tmp_path / "engine", print):
        pass


def test_where_nothing_can_be_started_the_reason_is_said(path, tmp_path, monkeypatch):
    _program(path, "docker", "exit 1")
    with pytest.raises(NoEngine, match="no `dockerd`"), engine(tmp_path / "engine", print):
        pass
    _program(path, "dockerd", "exit 0")
    monkeypatch.setattr(engines.os, "geteuid", lambda: 1000)
    with pytest.raises(NoEngine, match="only root"), engine(tmp_path / "engine", print):
        pass


def test_an_engine_that_does_not_start_is_told_with_its_last_word(path, tmp_path, monkeypatch):
    _program(path, "docker", "exit 1")
    _program(path, "dockerd", "echo no iptables here >&2; exit 1")
    monkeypatch.setattr(engines.os, "geteuid", lambda: 0)
    with pytest.raises(NoEngine, match="no iptables here"), engine(tmp_path / "engine", print):
        pass


def test_an_engine_started_by_hand_is_ended_whatever_happens_inside(path, tmp_path, monkeypatch):
    begun = tmp_path / "begun"
    _program(path, "docker", f"[ -f {begun} ] && echo 20.10 || exit 1")
    _program(path, "dockerd", f"echo $$ > {begun}; exec /bin/sleep 60")
    monkeypatch.setattr(engines.os, "geteuid", lambda: 0)
    monkeypatch.setattr(engines, "LONGEST_SOCKET", 1000)  # the folders of tests have long names

    def fails_inside():
        with engine(tmp_path / "engine", lambda _: None) as docker:
            assert docker.host == f"unix://{tmp_path}/engine/docker.sock"
            os.kill(int(begun.read_text()), 0)  # it lives
            raise RuntimeError("outside")

    with pytest.raises(RuntimeError, match="outside"):
        fails_inside()
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)


def test_a_folder_with_a_long_name_is_listened_for_in_a_short_one_that_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(engines.tempfile, "gettempdir", lambda: str(tmp_path))
    long, other = tmp_path / ("a" * 100), tmp_path / ("b" * 100)
    socket = engines._socket(long)
    assert socket == engines._socket(long) != engines._socket(other)
    assert len(str(socket)) < len(str(long))
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(engines.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NoEngine, match="somebody else"):
        engines._socket(long)


def test_the_plugin_is_taken_before_the_older_program(path):
    _program(path, "docker-compose", "echo 1.29.2")
    assert find_compose(Docker()) == (("docker-compose",), "1.29.2")
    _program(path, "docker", '[ "$1" = compose ] && echo 2.26.1')
    assert find_compose(Docker()) == (("docker", "compose"), "2.26.1")


def test_without_any_compose_that_is_said(path):
    with pytest.raises(NoCompose):
        find_compose(Docker())


def test_settings_of_a_real_installation_and_of_its_way_out_do_not_reach_containers(path, tmp_path, monkeypatch):
    for name in ("AGENT_SITE", "SEGWATCH_VERSION", "COMPOSE_FILE", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "somebody's")
    _program(path, "compose", 'export -p; echo "$@"')
    said = Project(Docker("unix:///x", {"SEGWATCH_VERSION": "check"}), ("compose",), tmp_path, "trial", ("a", "b"))(
        "up"
    )
    assert "somebody" not in said
    assert said.splitlines()[-1] == "--profile a --profile b up"
    for line in ("DOCKER_HOST='unix:///x'", "SEGWATCH_VERSION='check'", "COMPOSE_PROJECT_NAME='trial'"):
        assert line in said


def test_taking_down_reaches_the_programs_of_every_profile(path, tmp_path):
    _program(path, "compose", f'echo "$@" > {tmp_path}/said')
    Project(Docker(), ("compose",), tmp_path, "trial").down()
    said = (tmp_path / "said").read_text()
    assert said.startswith("--profile central --profile federation down --volumes")


def test_a_command_that_fails_or_hangs_is_told(path):
    with pytest.raises(ProgramFailed, match="out of milk"):
        run(["/bin/sh", "-c", "echo out of milk >&2; exit 3"], {}, seconds=20)
    with pytest.raises(ProgramFailed, match=r"did not end within 0\.2|within 0 s"):
        run(["/bin/sleep", "20"], {}, seconds=0.2)


def test_a_command_that_takes_long_is_told_line_by_line_and_ends_in_time(path, tmp_path):
    _program(path, "compose", "echo round 1; echo round 2 >&2; [ $1 = well ]")
    project, said = Project(Docker(), ("compose",), tmp_path, "trial"), []
    project.follow("well", say=said.append, seconds=20)
    assert said == ["round 1", "round 2"]
    with pytest.raises(ProgramFailed, match="round 2"):
        project.follow("badly", say=said.append, seconds=20)
    _program(path, "compose", "exec /bin/sleep 20")
    with pytest.raises(ProgramFailed, match="status -9"):
        project.follow("well", say=said.append, seconds=0.3)
