"""The SuperLink of the centre, and beside it whoever takes up its tasks.

The SuperLink is Flower's own, as it is, in a process of its own. Flower would have a SuperExec beside it that unpacks
and runs the code of whatever is handed in; here it is started without one, and its tasks are taken up by this program,
which leads our runs with installed code (`conducting`) and fails all others.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Sequence
from datetime import datetime

import grpc
from flwr.proto.appio_pb2 import ClaimTaskRequest, PullPendingTasksRequest
from flwr.proto.serverappio_pb2_grpc import ServerAppIoStub
from flwr.supercore.grpc import create_channel
from flwr.supercore.interceptors import RuntimeVersionClientInterceptor

from central_server.federation.flower.control import Control
from central_server.federation.flower.errors import SuperLinkAway
from central_server.federation.flower.settings import SuperLinkSettings
from shared.clock import utc_now
from shared.logs import logger

CONDUCT = (sys.executable, "-m", "central_server.federation.flower.conducting")
SUPERLINK = (sys.executable, "-m", "central_server.federation.flower.flower_superlink")
DATABASE = "superlink.sqlite"
_POLL_S = 0.5
_STOP_S = 15.0
log = logger("superlink")


def run_superlink(settings: SuperLinkSettings, stop: threading.Event | None = None,
                  interrupted: Collection[str] = (), conduct: Sequence[str] = CONDUCT) -> int:  # fmt: skip
    """Run the SuperLink and lead its runs until SIGTERM, or until `stop` is set.

    Args:
        interrupted: runs that an earlier start did not bring to their end; they begin again.
        conduct: the command that carries out one task; takes its token on standard input.

    Returns:
        0 when it was stopped, 1 when the SuperLink ended by itself.

    Raises:
        SettingsError: there are no certificates.
    """
    stop = stop or _stop_on_signals()
    os.environ["no_grpc_proxy"] = "127.0.0.1"  # noqa: SIM112 - a proxy is not on the way to this machine itself
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    superlink = subprocess.Popen(_command(settings), env=_environment(settings))  # noqa: S603 - our own interpreter
    log.info("superlink_started", port=settings.port)
    tasks, begun, since = _Tasks(settings, conduct), False, utc_now()
    try:
        while not stop.wait(_POLL_S):
            if superlink.poll() is not None:
                log.error("superlink_ended", status_code=superlink.returncode)
                return 1
            begun = begun or _begin_again(settings, interrupted, since)
            if begun:
                tasks.take_up()
    finally:
        tasks.close()
        _end(superlink)
    return 0


def _begin_again(settings: SuperLinkSettings, runs: Collection[str], since: datetime) -> bool:
    """End what an earlier start left in Flower, and start these runs; False while the SuperLink does not answer."""
    try:
        with Control(settings) as control:
            control.stop_before(since)
            for run in runs:
                control.start(run)
                log.info("run_begins_again")
    except SuperLinkAway:
        return False
    return True


def _command(settings: SuperLinkSettings) -> list[str]:
    certificate, key, authority = settings.certificate_files
    return [
        *SUPERLINK, str(os.getpid()),
        "--isolation", "process",
        "--enable-supernode-auth",
        "--disable-runtime-dependency-installation",
        "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key), "--ssl-ca-certfile", str(authority),
        "--database", str((settings.folder / DATABASE).absolute()),
        "--fleet-api-address", f"{settings.host}:{settings.port}",
        "--control-api-address", f"127.0.0.1:{settings.control_port}",
        "--serverappio-api-address", f"127.0.0.1:{settings.tasks_port}",
    ]  # fmt: skip


def _environment(settings: SuperLinkSettings) -> dict[str, str]:
    """Of the children: Flower keeps its own things in our folder."""
    return {**os.environ, "FLWR_HOME": str((settings.folder / "flower").absolute())}


class _Tasks:
    """Takes up what the SuperLink has to be done, one process a run."""

    def __init__(self, settings: SuperLinkSettings, conduct: Sequence[str]) -> None:
        self._conduct, self._environment = list(conduct), _environment(settings)
        self._environment |= {
            "CENTRAL_FEDERATION_FOLDER": str(settings.folder.absolute()),
            "CENTRAL_FEDERATION_TASKS_PORT": str(settings.tasks_port),
        }
        self._channel = create_channel(
            f"127.0.0.1:{settings.tasks_port}",
            insecure=True,
            interceptors=[RuntimeVersionClientInterceptor(component_name="SuperExec")],
        )
        self._stub = ServerAppIoStub(self._channel)
        self._under_way: list[subprocess.Popen[str]] = []

    def take_up(self) -> None:
        """Start whatever is new, and let go of what has ended."""
        self._under_way = [one for one in self._under_way if one.poll() is None]
        try:
            for task in self._stub.PullPendingTasks(PullPendingTasksRequest(), timeout=10).tasks:
                token = self._stub.ClaimTask(ClaimTaskRequest(task_id=task.task_id), timeout=10).token
                if token:
                    self._start(token)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                log.warning("tasks_unreadable", status=str(error.code().name.lower()))

    def _start(self, token: str) -> None:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            self._conduct, stdin=subprocess.PIPE, text=True, env=self._environment
        )
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        process.stdin.write(token + "\n")
        process.stdin.close()
        self._under_way.append(process)
        log.info("run_taken_up", count=len(self._under_way))

    def close(self) -> None:
        for process in self._under_way:
            _end(process)
        self._channel.close()


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)  # what Flower's programs end on; a run notes that it was interrupted
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
