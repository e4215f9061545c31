"""Stand-ins for the base images, from Debian's packages and from what this machine's pip can get.

Python's stand-in is Debian bookworm with its own Python 3.11 and a folder of wheels, which pip in a build takes in the
place of an index. The wheels are got by pip on this machine, so whatever it is configured with (an index, an authority,
folders) is honoured, and none of it reaches an image.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

from demo.compose.docker import Docker, run
from demo.programs import ProgramFailed
from demo.story import Say

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
LABEL = "org.segwatch.stand-in"
DEBIAN = "segwatch/stand-in-debian:bookworm"
SUITE, PACKAGES = "bookworm", "python3,python3-pip,python3-venv,ca-certificates"
PYTHON = (3, 11)  # the one that this suite has
LONGEST_S = 3600.0
_DOCKERFILE = """\
FROM {debian}
COPY wheels /opt/wheels
RUN printf '[global]\\nno-index = true\\nfind-links = /opt/wheels\\n' > /etc/pip.conf && ln -sf python3 /usr/bin/python
"""


class NoStandIn(RuntimeError):
    """What a stand-in is made of is not there; says what, as half a sentence."""


class StandIns:
    """Makes stand-ins, and only those that were not made before.

    Args:
        folder: keeps the wheels.
    """

    def __init__(self, docker: Docker, folder: Path, say: Say) -> None:
        self.docker, self.folder, self.say = docker, folder, say

    def make(self, name: str) -> str:
        """The stand-in for an image, by a name of its own.

        Raises:
            NoStandIn: there is none for it, or it cannot be made here.
        """
        kind, _, tag = name.partition(":")
        if kind == "python" and tag.startswith(f"{PYTHON[0]}.{PYTHON[1]}-"):
            return self._python()
        if kind == "postgres":
            return self._postgres()
        raise NoStandIn(f"there is no stand-in for {name}")

    def _python(self) -> str:
        digest = _digest_of_dependencies()
        name = f"segwatch/stand-in-python:{digest}"
        if not self._known(name):
            debian, wheels = self._debian(), self._wheels(digest)
            self.say("making the stand-in for Python out of both")
            context = self.folder / "stand-in-python"
            shutil.rmtree(context, ignore_errors=True)
            shutil.copytree(wheels, context / "wheels", copy_function=os.link)
            (context / "Dockerfile").write_text(_DOCKERFILE.format(debian=debian))
            self._build(context, name, "python")
            shutil.rmtree(context)
        return name

    def _postgres(self) -> str:
        context = HERE / "stand_in_postgres"
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(context.iterdir()))).hexdigest()[:12]
        name = f"segwatch/stand-in-postgres:{digest}"
        if not self._known(name):
            debian = self._debian()
            self.say("making the stand-in for PostgreSQL with Debian's package (about a minute)")
            self._build(context, name, "postgres", "--build-arg", f"BASE={debian}")
        return name

    def _build(self, context: Path, name: str, kind: str, *more: str) -> None:
        self.docker("build", "-q", "--label", f"{LABEL}={kind}", *more, "-t", name, str(context), seconds=LONGEST_S)

    def _known(self, name: str) -> bool:
        try:
            self.docker("image", "inspect", "--format", "{{.Id}}", name)
        except ProgramFailed:
            return False
        return True

    def _debian(self) -> str:
        """Debian as an image, as small as debootstrap makes it."""
        if self._known(DEBIAN):
            return DEBIAN
        if os.geteuid() != 0 or shutil.which("debootstrap") is None:
            raise NoStandIn("no registry answers, and a stand-in for a base image needs root and `debootstrap`")
        self.say(f"making a Debian {SUITE} with debootstrap (some minutes)")
        tree = self.folder / "debian"
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(tree)], os.environ,
            seconds=LONGEST_S)  # fmt: skip
        archive = self.folder / "debian.tar"
        run(["tar", "-C", str(tree), "--exclude=./var/cache/apt/archives/*.deb", "-cf", str(archive), "."], os.environ,
            seconds=LONGEST_S)  # fmt: skip
        self.docker("import", "--change", f"LABEL {LABEL}=debian", str(archive), DEBIAN, seconds=LONGEST_S)
        archive.unlink()
        shutil.rmtree(tree)
        return DEBIAN

    def _wheels(self, digest: str) -> Path:
        """Every wheel that the Dockerfiles install, got by this machine's pip."""
        wheels = self.folder / f"wheels-{digest}"
        if wheels.is_dir():
            return wheels
        self.say("getting the wheels that the images install, with this machine's pip (some minutes)")
        fresh = wheels.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        pip = [_python_of_suite(), "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "-w", str(fresh)]
        agent = (ROOT / "hospital_agent" / "Dockerfile").read_text(encoding="utf-8")
        torch, index = re.search(r"torch==\S+", agent), re.search(r"ARG TORCH_INDEX_URL=(\S+)", agent)
        if torch is None or index is None:
            raise NoStandIn("the agent's Dockerfile no longer says where torch comes from")
        self._pip([*pip, "--no-deps", "--extra-index-url", index[1], torch[0]])
        wanted = [f".[{extras}]" for extras in _extras()]
        self._pip([*pip, "-c", "constraints.txt", "--find-links", str(fresh), *_needed_to_build(), *wanted])
        for own in fresh.glob("segwatch-*"):
            own.unlink()
        fresh.rename(wheels)
        return wheels

    def _pip(self, command: list[str]) -> None:
        try:
            run(command, os.environ, seconds=LONGEST_S, cwd=ROOT)
        except ProgramFailed as problem:
            raise NoStandIn(f"pip on this machine cannot get what the images install: {problem}") from None


def _digest_of_dependencies() -> str:
    """Changes with what the images install, and with how this stand-in is made."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    told = [project["build-system"], project["project"]["dependencies"], project["project"]["optional-dependencies"],
            (ROOT / "constraints.txt").read_text(encoding="utf-8"), _extras(), _DOCKERFILE]  # fmt: skip
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]


def _extras() -> list[str]:
    """The extras of each Dockerfile, e.g. `central,federation`."""
    files = [ROOT / folder / "Dockerfile" for folder in ("central_server", "dashboard", "hospital_agent")]
    return [extras for path in files for extras in re.findall(r"['\"]\.\[([a-z,]+)", path.read_text(encoding="utf-8"))]


def _needed_to_build() -> list[str]:
    """What pip needs in a build to make a wheel of our own code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [*project["build-system"]["requires"], "wheel"]


def _python_of_suite() -> str:
    """A Python of the version that the stand-in has, so that its pip chooses wheels that fit."""
    name = f"python{PYTHON[0]}.{PYTHON[1]}"
    if sys.version_info[:2] == PYTHON:
        return sys.executable
    found = shutil.which(name)
    if found is None:
        raise NoStandIn(f"no registry answers, and the wheels for a stand-in are got by {name}")
    return found
