"""A Docker engine: the one that answers, or one that is started by hand and ended again."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.compose.docker import Docker, has_client
from demo.programs import ProgramFailed
from demo.story import Say

START_S = 90.0
STOP_S = 60.0
LONGEST_SOCKET = 90  # the system takes 107 characters


class NoEngine(RuntimeError):
    """There is no engine and none can be started; says why, as half a sentence."""


def default_folder() -> Path:
    """Where an engine that is started by hand keeps its images."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segwatch" / "engine"


@contextmanager
def engine(folder: Path, say: Say, *, keep: bool = False) -> Iterator[Docker]:
    """An engine for a while.

    Args:
        folder: of an engine that has to be started: its images stay there for the next time.
        keep: leave a started engine running.

    Raises:
        NoEngine: there is none.
    """
    if not has_client():
        raise NoEngine("there is no docker client on this machine")
    docker = Docker()
    if (version := _version(docker)) is not None:
        say(f"the Docker engine {version} answers, and is used")
        yield docker
        return
    _refuse_where_none_can_start()
    folder.mkdir(parents=True, exist_ok=True)
    socket = _socket(folder)
    docker = Docker(host=f"unix://{socket}")
    if (version := _version(docker)) is not None:
        say(f"the Docker engine {version} that was started before in {folder} answers, and is used")
        yield docker
        return
    process = _start(folder, socket)
    try:
        started = _started(docker, process, folder)
    except BaseException:
        _end(process)
        raise
    try:
        say(f"no Docker engine answers; {started} was started by hand in {folder}")
        yield docker
    finally:
        if keep:
            say(f"the engine is left running: DOCKER_HOST={docker.host}   (`kill {process.pid}` ends it)")
        else:
            _end(process)
            say("the engine that was started by hand has ended; its images are kept for the next time")


def _version(docker: Docker) -> str | None:
    try:
        return docker("info", "--format", "{{.ServerVersion}}", seconds=30).strip() or None
    except ProgramFailed:
        return None


def _socket(folder: Path) -> Path:
    """Where the engine of a folder listens: in it, or where that is too long, in one whose name follows from it.

    So that the next time finds it again, if it was left running.

    Raises:
        NoEngine: somebody else has made that folder.
    """
    socket = folder / "docker.sock"
    if len(str(socket)) <= LONGEST_SOCKET:
        return socket
    short = Path(tempfile.gettempdir()) / f"segwatch-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.is_symlink() or short.stat().st_uid != os.geteuid():
        raise NoEngine(f"somebody else has made {short}, where the engine would listen")
    return short / "docker.sock"


def _refuse_where_none_can_start() -> None:
    if os.environ.get("DOCKER_HOST"):
        raise NoEngine(f"no Docker engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}")
    if shutil.which("dockerd") is None:
        raise NoEngine("no Docker engine answers and there is no `dockerd` to start")
    if os.geteuid() != 0:
        raise NoEngine("no Docker engine answers and only root can start `dockerd`")


def _start(folder: Path, socket: Path) -> "subprocess.Popen[bytes]":
    """In a session of its own: Ctrl-C must not end it before its containers are gone."""
    (folder / "pid").unlink(missing_ok=True)
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            [str(shutil.which("dockerd")), "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"),
             "-p", str(folder / "pid"), "-H", f"unix://{socket}"],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip


def _started(docker: Docker, process: "subprocess.Popen[bytes]", folder: Path) -> str:
    """Wait until it answers, and say what it is."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if (version := _version(docker)) is not None:
            return f"dockerd {version}"
        time.sleep(0.5)
    told = (folder / "log").read_text(errors="replace").strip().splitlines()
    raise NoEngine(f"`dockerd` did not start ({told[-1][-300:] if told else 'it said nothing'})")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
