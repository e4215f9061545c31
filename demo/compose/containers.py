"""The containers of one run: killed, started again, and looked after."""

import time
from collections.abc import Mapping
from contextlib import suppress

from demo.compose.docker import Docker
from demo.programs import ProgramFailed

LOOK_S = 10.0
_STATE = "{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}} {{.RestartCount}}"


class Containers:
    """Programs in containers, by the names that `demo.outages` calls them.

    Args:
        ids: name -> id of the container.
    """

    def __init__(self, docker: Docker, ids: Mapping[str, str]) -> None:
        self.docker, self.ids = docker, dict(ids)
        self.down: set[str] = set()
        self.crashed: dict[str, int] = {}
        self._looked = 0.0

    def kill(self, name: str) -> str:
        """End a program at once and without a word to it; returns what `again` takes."""
        self.docker("kill", self.ids[name])
        self.down.add(name)
        return name

    def again(self, name: str) -> None:
        """Start what was killed."""
        self.docker("start", self.ids[name])
        self.down.discard(name)

    def crash(self, name: str) -> None:
        """End the program from inside, as a fault of its own would: the engine has to bring it back.

        `kill -9 -1` reaches everything in the container but its first process, which ends with what it started.
        """
        with suppress(ProgramFailed):  # the container ends under the command
            self.docker("exec", self.ids[name], "sh", "-c", "kill -9 -1")
        self.crashed[name] = self.crashed.get(name, 0) + 1

    def is_back(self, name: str) -> bool:
        """Whether the engine has restarted what crashed."""
        status, _, restarts = self.states()[name]
        return status == "running" and int(restarts) == self.crashed[name]

    def check(self) -> None:
        """Raises ProgramFailed if one ended that nobody killed, or came back by itself after a crash of its own."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        for name, (status, _, restarts) in self.states().items():
            if name not in {*self.down, *self.crashed} and (status != "running" or restarts != "0"):
                tail = self.docker.logs(self.ids[name], "20")
                raise ProgramFailed(f"{name} is {status} and was restarted {restarts} times. Its log ends:\n{tail}")

    def states(self) -> dict[str, tuple[str, str, str]]:
        """Name -> status, health, how often the engine restarted it."""
        told = self.docker("inspect", "--format", _STATE, *self.ids.values()).splitlines()
        return {name: tuple(line.split()) for name, line in zip(self.ids, told, strict=True)}  # type: ignore[misc]

    def unwell(self) -> dict[str, str]:
        """Those whose health check does not say healthy, and what it says."""
        return {name: health for name, (_, health, _) in self.states().items() if health != "healthy"}

    def rights(self, name: str) -> tuple[str, bool, str]:
        """The user whom a program runs as, whether its root is read-only, and its capabilities that were dropped."""
        told = self.docker(
            "inspect",
            "--format",
            "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}",
            self.ids[name],
        ).split()
        return told[0], told[1] == "true", told[2]
