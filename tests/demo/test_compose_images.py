"""On what the images of a check stand, and that a stand-in never keeps a true image's name."""

import pytest

from demo.compose import images, stand_ins
from demo.compose.base_images import bases, names_of_bases
from demo.compose.images import OURS
from demo.compose.stand_ins import LABEL, NoStandIn, StandIns
from demo.programs import ProgramFailed
from tests.compose_files import OURS as IN_COMPOSE
from tests.compose_files import ROOT, services

PYTHON, POSTGRES = names_of_bases()


class FakeDocker:
    """An engine of which only the images are remembered: name -> label of a stand-in, '' for a true image."""

    def __init__(self, images=(), registry=()):
        self.images, self.registry = dict(images), set(registry)

    def __call__(self, *arguments, **_):
        name = arguments[-1]
        match arguments[:2]:
            case ("image", "inspect") if name in self.images:
                return self.images[name] + "\n"
            case ("pull", _) if name in self.registry:
                self.images[name] = ""
            case ("tag", source):
                self.images[name] = self.images[source]
            case ("rmi", _):
                del self.images[name]
            case _:
                raise ProgramFailed(f"no answer to {arguments}")
        return ""


@pytest.fixture
def made(monkeypatch):
    """Stand-ins are made in no time."""
    names = []

    def make(self, name):
        names.append(name)
        self.docker.images[f"stand-in/{name}"] = name.partition(":")[0]
        return f"stand-in/{name}"

    monkeypatch.setattr(StandIns, "make", make)
    return names


def test_the_bases_are_those_of_the_dockerfiles_and_the_compose_file():
    for folder in IN_COMPOSE.values():
        assert f"FROM {PYTHON}\n" in (ROOT / folder / "Dockerfile").read_text()
    assert services()["postgres"]["image"] == POSTGRES
    assert set(OURS) == set(IN_COMPOSE)


def test_true_images_are_pulled_once_and_stay(made, tmp_path):
    docker = FakeDocker({PYTHON: ""}, registry={POSTGRES})
    with bases(docker, "auto", tmp_path, lambda _: None) as found:
        assert not found.stand_ins
        assert "true base images" in found.sentence
    assert docker.images == {PYTHON: "", POSTGRES: ""}
    assert not made


def test_stand_ins_bear_the_true_names_only_while_they_are_needed(made, tmp_path):
    docker, said = FakeDocker(), []
    with bases(docker, "auto", tmp_path, said.append) as found:
        assert (docker.images[PYTHON], docker.images[POSTGRES]) == ("python", "postgres")
        assert found.stand_ins
        assert "STAND-INS" in found.sentence
        assert "not tried" in found.sentence
    assert not {PYTHON, POSTGRES} & docker.images.keys()
    assert any("cannot be pulled" in sentence for sentence in said)


def test_they_lose_the_names_when_something_fails_and_keep_them_when_all_is_kept(made, tmp_path):
    docker = FakeDocker()

    def fails_inside():
        with bases(docker, "stand-in", tmp_path, lambda _: None):
            raise RuntimeError("outside")

    with pytest.raises(RuntimeError, match="outside"):
        fails_inside()
    assert PYTHON not in docker.images
    with bases(docker, "stand-in", tmp_path, lambda _: None, keep=True):
        pass
    assert docker.images[PYTHON] == "python"


def test_a_stand_in_that_a_killed_run_left_is_not_taken_for_the_true_image(made, tmp_path):
    docker = FakeDocker({PYTHON: "python", POSTGRES: "postgres"}, registry={PYTHON, POSTGRES})
    with bases(docker, "auto", tmp_path, lambda _: None) as found:
        assert not found.stand_ins
    assert docker.images == {PYTHON: "", POSTGRES: ""}


def test_who_wants_true_images_gets_no_others(made, tmp_path):
    with pytest.raises(ProgramFailed), bases(FakeDocker(), "pull", tmp_path, lambda _: None):
        pass
    assert not made


def test_a_stand_in_follows_what_the_images_install(tmp_path, monkeypatch):
    before = stand_ins._digest_of_dependencies()
    assert before == stand_ins._digest_of_dependencies()
    for name in ("pyproject.toml", "constraints.txt", *(f"{folder}/Dockerfile" for folder in IN_COMPOSE.values())):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(stand_ins, "ROOT", tmp_path)
    assert stand_ins._digest_of_dependencies() == before
    (tmp_path / "constraints.txt").write_text("numpy==9.9.9\n")
    assert stand_ins._digest_of_dependencies() != before


def test_no_stand_in_is_made_for_another_python_or_without_debootstrap(tmp_path, monkeypatch):
    docker = FakeDocker()
    with pytest.raises(NoStandIn, match=r"no stand-in for python:3\.12"):
        StandIns(docker, tmp_path, print).make("python:3.12-slim-bookworm")
    monkeypatch.setattr(stand_ins.shutil, "which", lambda _: None)
    with pytest.raises(NoStandIn, match="debootstrap"):
        StandIns(docker, tmp_path, print).make(PYTHON)


def test_the_stand_in_for_postgres_honours_what_the_compose_file_relies_on():
    entrypoint = (ROOT / "demo/compose/stand_in_postgres/entrypoint.sh").read_text()
    postgres = services()["postgres"]
    assert all(f"${name}" in entrypoint or f"${{{name}" in entrypoint for name in postgres["environment"])
    dockerfile = (ROOT / "demo/compose/stand_in_postgres/Dockerfile").read_text()
    uid, gid = postgres["user"].split(":")
    assert f"--gid {gid}" in dockerfile
    assert f"--uid {uid}" in dockerfile
    assert f"PGDATA={postgres['volumes'][0].partition(':')[2]}" in dockerfile
    assert LABEL not in dockerfile  # it is given when the image is built


def test_what_a_build_replaces_is_dropped_and_a_beside_lying_env_is_not_read(tmp_path, monkeypatch):
    ids = {f"segwatch/{name}:check": ["old", "new"] for name in OURS}
    ids["segwatch/dashboard:check"] = ["same", "same"]
    seen, dropped = [], []

    class Engine:
        host = None

        def __call__(self, *arguments, **_):
            match arguments:
                case ("image", "inspect", _, "{{.Id}}", name):
                    return ids[name].pop(0) if len(ids[name]) > 1 else ids[name][0]
                case ("image", "inspect", *_):
                    return "2000000000"
                case ("rmi", gone):
                    dropped.append(gone)
            return ""

    monkeypatch.setattr(images.Project, "__call__", lambda self, *words, **_: seen.append((self, words)))
    monkeypatch.setattr(images, "builder_settings", lambda _: {})
    assert images.build(Engine(), ("compose",), tmp_path, "check") == dict.fromkeys(OURS, 2.0)
    assert dropped == ["old", "old"]
    assert [words for _, words in seen] == [("build", name) for name in OURS]
    assert all("--env-file" in project.compose for project, _ in seen)
    assert (tmp_path / "empty.env").read_text() == ""
