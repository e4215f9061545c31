"""The images that ours are built on: the true ones where a registry can be reached, stand-ins where none can.

A stand-in has the true image's name only while a check runs: afterwards that name is taken away again, so that nobody
builds an installation on it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from demo.compose.docker import Docker
from demo.compose.stand_ins import LABEL, StandIns
from demo.programs import ProgramFailed
from demo.story import Say

ROOT = Path(__file__).parents[2]
DOCKERFILES = tuple(ROOT / folder / "Dockerfile" for folder in ("central_server", "dashboard", "hospital_agent"))
PULL_S = 900.0
Choice = Literal["auto", "pull", "stand-in"]


@dataclass(frozen=True)
class Bases:
    """What the images of this run stand on.

    Args:
        names: of the base images.
        stand_ins: whether they only bear these names.
    """

    names: tuple[str, ...]
    stand_ins: bool

    @property
    def sentence(self) -> str:
        """For people."""
        listed = " and ".join(self.names)
        if self.stand_ins:
            return (
                f"STAND-INS for {listed}: Debian's own Python and PostgreSQL; "
                "the true base images are not tried by this run"
            )
        return f"the true base images {listed}"


def names_of_bases() -> tuple[str, ...]:
    """The images that the Dockerfiles and the compose file name and that are not ours, Python first."""
    found = {name for path in DOCKERFILES for name in re.findall(r"(?m)^FROM (\S+)", path.read_text(encoding="utf-8"))}
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    found |= {name for name in re.findall(r"(?m)^ +image: (\S+)", compose) if not name.startswith("segwatch/")}
    return tuple(sorted(found, key=lambda name: (not name.startswith("python:"), name)))


@contextmanager
def bases(docker: Docker, choice: Choice, folder: Path, say: Say, *, keep: bool = False) -> Iterator[Bases]:
    """The base images, for as long as they are needed.

    Args:
        choice: `auto` pulls, and makes stand-ins where that cannot be done.
        folder: for what stand-ins are made of; used again the next time.
        keep: leave stand-ins their borrowed names.

    Raises:
        NoStandIn: there is no registry, and what stand-ins need is not there either.
        ProgramFailed: `pull` was chosen and cannot be done.
    """
    names = names_of_bases()
    for name in names:
        _give_name_back(docker, name)  # a run that was killed could not
    if choice != "stand-in" and _pulled(docker, names, say, must=choice == "pull"):
        yield Bases(names, stand_ins=False)
        return
    stand_ins = StandIns(docker, folder, say)
    try:
        for name in names:
            docker("tag", stand_ins.make(name), name)
        yield Bases(names, stand_ins=True)
    finally:
        for name in () if keep else names:
            _give_name_back(docker, name)


def _pulled(docker: Docker, names: tuple[str, ...], say: Say, *, must: bool) -> bool:
    """Whether all of them are there now."""
    for name in names:
        if _label(docker, name) is not None:
            continue
        say(f"pulling {name}")
        try:
            docker("pull", "-q", name, seconds=PULL_S)
        except ProgramFailed as problem:
            if must:
                raise
            say(f"{name} cannot be pulled: {str(problem).splitlines()[-1][:200]}")
            return False
    return True


def _label(docker: Docker, name: str) -> str | None:
    """Which stand-in an image is, '' for a true one; None where there is none."""
    try:
        return docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', name).strip()
    except ProgramFailed:
        return None


def _give_name_back(docker: Docker, name: str) -> None:
    if _label(docker, name):
        with suppress(ProgramFailed):
            docker("rmi", "--no-prune", name)
