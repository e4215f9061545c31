"""What surrounds the containers of a check: folders as the docs make them, states, and the account at the end."""

import stat

import pytest

from demo.compose.centre import ContainerCentre
from demo.compose.containers import Containers
from demo.compose.docker import Docker, Project
from demo.compose.network_line import NetworkLine
from demo.compose.site import AGENT, NODE, ContainerSite
from demo.compose.told import Told
from demo.patients import SITES
from demo.programs import ProgramFailed
from tests.compose_files import COMPOSE, read, services


class FakeDocker:
    """Remembers what it was told, and says what it was given to say."""

    def __init__(self, says=""):
        self.told, self.says = [], says

    def __call__(self, *arguments, **_):
        self.told.append(arguments)
        return self.says

    def logs(self, container, lines):
        return f"the last {lines} lines of {container}"


def _settings(folder):
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())


@pytest.mark.parametrize("who", ["site", "centre"])
def test_a_folder_holds_what_the_compose_file_asks_for(tmp_path, who):
    folder = tmp_path / who
    project = Project(Docker(), ("compose",), folder, who)
    if who == "site":
        ContainerSite(SITES[0], project).settle("check")
    else:
        ContainerCentre(project).settle("check")
    assert (folder / "docker-compose.yml").read_text() == COMPOSE.read_text()
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    known = set(services()[AGENT]["environment"]) | set(services()[NODE]["environment"])
    known |= set(services()["dashboard"]["environment"])
    assert all(name in known or f"${{{name}" in COMPOSE.read_text() for name in _settings(folder))


def test_the_centre_has_every_secret_of_its_own_and_starts_no_agent(tmp_path):
    folder = tmp_path / "centre"
    ContainerCentre(Project(Docker(), ("compose",), folder, "centre")).settle("check")
    of_sites = {secret for name in (AGENT, NODE) for secret in services()[name]["secrets"]}
    assert {path.name for path in (folder / "secrets").iterdir()} == read()["secrets"].keys() - of_sites
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in (folder / "secrets").iterdir())
    assert _settings(folder)["SEGWATCH_AGENTS"] == "0"


def test_a_secret_can_be_read_by_the_containers_user(tmp_path):
    site = ContainerSite(SITES[0], Project(Docker(), ("compose",), tmp_path / "site", "site"))
    site.settle("check")
    site.secret("site_key", "key")
    assert stat.S_IMODE((tmp_path / "site/secrets/site_key").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("said", "problem"), [("ok      inbox: fine\nPROBLEM centre: away\n", "away"), ("", "nothing")]
)
def test_what_doctor_finds_wrong_ends_the_check(tmp_path, monkeypatch, said, problem):
    site = ContainerSite(SITES[0], Project(Docker(), ("compose",), tmp_path, "site"))
    monkeypatch.setattr(ContainerSite, "once", lambda *_: said)
    with pytest.raises(ProgramFailed, match=problem):
        site.refuse_what_doctor_finds()


def test_a_container_that_ends_or_crashes_is_told_and_one_that_was_killed_is_not():
    well, ended, crashed = "running healthy 0", "exited none 0", "running healthy 2"
    for state in (ended, crashed):
        containers = Containers(FakeDocker(f"{well}\n{state}\n"), {"a": "1", "b": "2"})
        with pytest.raises(ProgramFailed, match="the last 20 lines of 2"):
            containers.check()
    containers = Containers(FakeDocker(f"{well}\n{ended}\n"), {"a": "1", "b": "2"})
    assert containers.kill("b") == "b"
    containers.check()
    containers.again("b")
    assert containers.docker.told[0] == ("kill", "2")
    assert containers.docker.told[-1] == ("start", "2")
    containers._looked = 0
    with pytest.raises(ProgramFailed):
        containers.check()


def test_a_crash_is_over_when_the_engine_has_restarted_the_program_once():
    containers = Containers(FakeDocker("exited none 0\n"), {"a": "1"})
    containers.crash("a")
    assert containers.docker.told == [("exec", "1", "sh", "-c", "kill -9 -1")]
    assert not containers.is_back("a")
    containers.docker.says = "running starting 1\n"
    assert containers.is_back("a")
    containers.check()  # it was meant to happen
    containers.docker.says = "running starting 2\n"
    assert not containers.is_back("a")


def test_who_is_unwell_is_named():
    containers = Containers(FakeDocker("running healthy 0\nrunning starting 0\n"), {"a": "1", "b": "2"})
    assert containers.unwell() == {"b": "starting"}


def test_a_line_is_cut_and_mended_on_the_same_network():
    docker = FakeDocker()
    line = NetworkLine(docker, "north_reports", "1")
    line.cut()
    line.mend()
    assert [told[:2] for told in docker.told] == [("network", "disconnect"), ("network", "connect")]
    assert all(told[-2:] == ("north_reports", "1") for told in docker.told)


def test_the_account_tells_what_was_proved_by_what_and_how_long_each_part_took():
    said = []
    told = Told(said.append)
    with told.phase("building"):
        told.prove("images are built", "three of them")
    with pytest.raises(RuntimeError), told.phase("counting"):
        raise RuntimeError
    table = told.table()
    assert "images are built  three of them" in table
    assert "s  building" in table
    assert "counting" not in table  # it did not come to its end
