"""Starts and stops the programs of the demo, each as its own process, as anybody would start them."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

BIN = Path(sys.executable).parent
START_SECONDS = 90.0
STOP_SECONDS = 20.0


class ProgramFailed(RuntimeError):
    """A program of the demo did not start, or ended by itself; the message names its log."""


@dataclass
class Program:
    """One running process and its log."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    command: tuple[str, ...]
    environment: Mapping[str, str]

    def check(self) -> None:
        """Raises ProgramFailed if the process has ended."""
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-1500:]
            raise ProgramFailed(f"{self.name} ended with status {self.process.returncode}. Its log ends:\n{tail}")


@dataclass
class Programs:
    """All processes of one run; leaving the `with` block ends them, whatever happened inside."""

    folder: Path
    running: list[Program] = field(default_factory=list)

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> Program:
        """Start a program in its own session, so that Ctrl-C reaches the demo alone and the demo ends the rest."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - the programs of this checkout
                [str(BIN / command[0]), *command[1:]],
                env={**_clean_environment(), **environment},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        program = Program(name, process, log, tuple(command), environment)
        self.running.append(program)
        return program

    def kill(self, name: str) -> Program:
        """End a program and all that it started, at once and without a word to it, as a power cut would.

        Returns:
            What ended; give it to `again`.
        """
        program = next(one for one in self.running if one.name == name)
        os.killpg(program.process.pid, signal.SIGKILL)
        program.process.wait()
        self.running.remove(program)
        return program

    def again(self, ended: Program) -> Program:
        """Start a program that was killed, as it was started before."""
        return self.start(ended.name, list(ended.command), dict(ended.environment))

    def check(self) -> None:
        """Raises ProgramFailed if any of them has ended."""
        for program in self.running:
            program.check()

    def stop(self) -> None:
        """Ask all to end, the agents first; after a while, make them."""
        for program in reversed(self.running):
            if program.process.poll() is None:
                program.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for program in reversed(self.running):
            try:
                program.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                program.process.kill()
                program.process.wait()

    @property
    def alive(self) -> list[str]:
        """Names of the processes that still run."""
        return [program.name for program in self.running if program.process.poll() is None]


def run_once(command: list[str], environment: dict[str, str], seconds: float = 120.0) -> str:
    """Run a command of ours to its end, within so many seconds, and return what it printed.

    Raises:
        ProgramFailed: it ended with another status than 0.
    """
    done = subprocess.run(  # noqa: S603
        [str(BIN / command[0]), *command[1:]],
        env={**_clean_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-1500:]
        raise ProgramFailed(f"`{' '.join(command)}` ended with status {done.returncode}:\n{said}")
    return done.stdout


def _clean_environment() -> dict[str, str]:
    """Nothing of a real installation on this machine may reach the demo."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("AGENT_", "CENTRAL_", "DASHBOARD_"))}


def free_port() -> int:
    """A port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_up(url: str, program: Program) -> None:
    """Wait until a program answers.

    Raises:
        ProgramFailed: it ended, or does not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        program.check()
        try:
            if httpx2.get(url, timeout=2.0).status_code < 500:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.3)
    raise ProgramFailed(f"{program.name} does not answer on {url} after {START_SECONDS:.0f} s; see {program.log}.")


def new_secret() -> str:
    """A secret that nobody has used before."""
    return secrets.token_urlsafe(24)
