"""The `docker` and `docker compose` of this machine, as commands that end well or say why not."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Timer

from demo.programs import ProgramFailed

PROFILES = ("central", "federation")
COMPOSE_V2, COMPOSE_V1 = ("docker", "compose"), ("docker-compose",)
# What somebody set for a real installation, or for the way out of this machine, must not reach the containers.
_OURS = ("AGENT_", "CENTRAL_", "DASHBOARD_", "SEGWATCH_", "COMPOSE_")
_NOT_FOR_CONTAINERS = {"HTTPS_PROXY", "NO_PROXY"}
_TOLD = 1500  # characters of what a command said that stand in an error


class NoCompose(RuntimeError):
    """Neither the plugin nor docker-compose is there."""


@dataclass(frozen=True)
class Docker:
    """The docker client, and which engine it speaks to.

    Args:
        host: DOCKER_HOST; None for the client's own choice.
    """

    host: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, seconds: float = 120.0, cwd: Path | None = None) -> str:
        """`docker ARGUMENTS`; returns what it printed.

        Raises:
            ProgramFailed: it ended with another status than 0, or not in time.
        """
        return run(["docker", *arguments], self.environment, seconds=seconds, cwd=cwd)

    def logs(self, container: str, lines: str) -> str:
        """What a container's program said."""
        return run(["docker", "logs", "--tail", lines, container], self.environment, seconds=60, both=True)

    @property
    def environment(self) -> dict[str, str]:
        """Of every command."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(_OURS) and k not in _NOT_FOR_CONTAINERS}
        told = {} if self.host is None else {"DOCKER_HOST": self.host}
        return {**clean, **told, **self.settings}


@dataclass(frozen=True)
class Project:
    """One folder with a docker-compose.yml and a `.env`, as a person stands in it.

    Args:
        compose: `docker compose` or `docker-compose`.
        folder: where the commands are given.
        name: of the project, so that two folders never share a container.
        profiles: what its commands are for; a service with another profile is started by its name.
    """

    docker: Docker
    compose: tuple[str, ...]
    folder: Path
    name: str
    profiles: tuple[str, ...] = ()

    def __call__(self, *arguments: str, seconds: float = 300.0, told: str | None = None) -> str:
        """`docker compose ARGUMENTS` in this folder; returns what it printed.

        Args:
            told: goes to its standard input.

        Raises:
            ProgramFailed: it ended with another status than 0, or not in time.
        """
        return run(self._command(arguments), self._environment, seconds=seconds, cwd=self.folder, told=told)

    def follow(self, *arguments: str, say: Callable[[str], None], seconds: float) -> None:
        """The same for a command that takes minutes: each line is said as it comes.

        Raises:
            ProgramFailed: it ended with another status than 0, or not in time.
        """
        command, lines = self._command(arguments), list[str]()
        with subprocess.Popen(  # noqa: S603
            command, env=self._environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        ) as process:  # fmt: skip
            end = Timer(seconds, process.kill)
            end.start()
            try:
                for line in process.stdout or ():
                    lines.append(line)
                    say(line.rstrip())
                status = process.wait()
            finally:
                end.cancel()
                process.kill()
        if status != 0:
            said = "".join(lines)[-_TOLD:]
            raise ProgramFailed(f"`{' '.join(command)}` ended with status {status}:\n{said}")

    def _command(self, arguments: Sequence[str]) -> list[str]:
        chosen = [word for profile in self.profiles for word in ("--profile", profile)]
        return [*self.compose, *chosen, *arguments]

    @property
    def _environment(self) -> dict[str, str]:
        return {**self.docker.environment, "COMPOSE_PROJECT_NAME": self.name}

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return self("ps", "-q", service).strip()

    def down(self) -> None:
        """Nothing of it is left: no container, volume or network."""
        everything = replace(self, profiles=PROFILES)
        everything("down", "--volumes", "--remove-orphans", "--timeout", "5", seconds=300)


def run(command: Sequence[str], environment: Mapping[str, str], *, seconds: float, cwd: Path | None = None,
        told: str | None = None, both: bool = False) -> str:  # fmt: skip
    """Run a command to its end and return what it printed.

    Args:
        told: goes to its standard input.
        both: what it printed to standard error as well.

    Raises:
        ProgramFailed: it ended with another status than 0, or not in time.
    """
    try:
        done = subprocess.run(  # noqa: S603
            list(command), env=dict(environment), cwd=cwd, input=told or "", stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if both else subprocess.PIPE, text=True, errors="replace", check=False,
            timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ProgramFailed(f"`{' '.join(command)}` did not end within {seconds:.0f} s.") from None
    except FileNotFoundError:
        raise ProgramFailed(f"There is no `{command[0]}` on this machine.") from None
    if done.returncode != 0:
        said = (done.stdout + (done.stderr or "")).strip()[-_TOLD:]
        raise ProgramFailed(f"`{' '.join(command)}` ended with status {done.returncode}:\n{said}")
    return done.stdout


def find_compose(docker: Docker) -> tuple[tuple[str, ...], str]:
    """The compose of this machine, and its version.

    Raises:
        NoCompose: there is none.
    """
    for command in (COMPOSE_V2, COMPOSE_V1):
        try:
            version = run([*command, "version", "--short"], docker.environment, seconds=60).strip()
        except ProgramFailed:
            continue
        return command, version.splitlines()[-1]
    raise NoCompose("there is neither the plugin `docker compose` nor `docker-compose`")


def has_client() -> bool:
    """Whether there is a docker client at all."""
    return shutil.which("docker") is not None


def builder_settings(docker: Docker) -> dict[str, str]:
    """What a client without the plugin buildx needs in its environment, to build as the engine itself can."""
    try:
        docker("buildx", "version", seconds=60)
    except ProgramFailed:
        return {"DOCKER_BUILDKIT": "0"}
    return {}
