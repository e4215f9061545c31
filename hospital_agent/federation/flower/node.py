"""The node of a site: fetches questions from the SuperLink, one at a time, and sends back what the site answers.

It runs the code that this site installed and no other. The bundle that comes with a run in Flower is neither unpacked
nor fetched; its hash must be that of the protocol spoken here, and a run that names another is refused. Nothing that
arrives is ever imported, evaluated or unpickled.

A question that was fetched is this site's to answer, also across a cut line or a restart of the SuperLink: the node
keeps it, connects again, and goes on where it was. What lies in memory, such as the secrets of a secure sum, is lost
only with the process.
"""

import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flwr.app import Message
from flwr.common.constant import ErrorCode

from hospital_agent.console import say
from hospital_agent.federation.flower.errors import LinkDown, NotAdmitted, RunOver
from hospital_agent.federation.flower.node_key import load_node_key, node_key_path
from hospital_agent.federation.flower.seat import Seat
from hospital_agent.federation.flower.superlink import Letter, SuperLink, error_reply
from hospital_agent.heartbeat import FEDERATION_FILE, Heartbeat
from hospital_agent.settings import Settings
from shared.errors import SettingsError
from shared.federation.errors import BrokenMessage
from shared.federation.flower import app_hash, packet_of, record_of
from shared.federation.messages import Packet
from shared.logs import logger

Answer = Callable[[Packet], Packet]

SHORTEST_POLL_S, LONGEST_POLL_S = 0.2, 2.0  # each look costs the SuperLink some milliseconds
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 15.0
REFUSED_RETRY_S = 5.0
log = logger("federation")


class Node:
    """What a node does, whatever connects it.

    Args:
        answer: the site's answer to a packet.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._letter: Letter | None = None
        self._reply: Message | None = None

    def turn(self, link: SuperLink) -> bool:
        """Fetch a question, answer it and send the answer; False where there was none.

        Raises:
            LinkDown, NotAdmitted: what was begun is kept, and the next turn goes on with it.
        """
        self._letter = self._letter or link.fetch()
        if self._letter is None:
            return False
        try:
            if self._reply is None:
                self._reply = self._reply_to(link, self._letter)
            link.send(self._reply)
        except RunOver:
            log.info("run_over_before_answer")
        self._letter = self._reply = None
        return True

    def _reply_to(self, link: SuperLink, letter: Letter) -> Message:
        named = link.app_hash(letter.run_id)
        if named != app_hash():
            log.error("foreign_app_refused", sha256=named)
            say(f"refused a run whose app is not ours (SHA-256 {named[:16]}...): nothing of it was fetched or run")
            return error_reply(letter, ErrorCode.INVALID_FAB, "This site runs no code that arrives.")
        try:
            packet = packet_of(link.open(letter).content)
        except BrokenMessage as error:
            log.error("broken_message_refused")
            return error_reply(letter, ErrorCode.CLIENT_APP_RAISED_EXCEPTION, str(error))
        with suppress(LinkDown, NotAdmitted):  # it only frees memory there; the answer finds the line again
            link.confirm(letter)
        begun = time.monotonic()
        try:
            told = self._answer(packet)
        except Exception:
            log.exception("answer_failed", kind=packet.kind)
            return error_reply(
                letter, ErrorCode.CLIENT_APP_RAISED_EXCEPTION, "The site has no answer; its log says more."
            )
        log.info("answered", kind=told.kind, bytes=len(told.body), duration_s=round(time.monotonic() - begun, 3))
        return Message(record_of(told), reply_to=letter.envelope)


def run_node(settings: Settings, answer: Answer, stop: threading.Event | None = None) -> int:
    """Serve the SuperLink until SIGTERM, or until `stop` is set; connects again whenever the line is cut.

    Args:
        settings: of the agent; its `federation_...` say where the SuperLink is and which key to show.
        answer: the site's answer to a packet; called by one thread, one packet at a time.

    Returns:
        Exit code 0.

    Raises:
        SettingsError, NodeKeyUnusable, SeatTaken: before anything is tried.
    """
    stop = stop or _stop_on_signals()
    _tell_grpc_of_the_proxy()
    logging.getLogger("flwr").handlers.clear()  # its texts could hold anything; ours says name and level of them
    with Seat(settings.federation_dir) as seat:
        return _serve(_connection(settings, seat), Node(answer), stop)


def _serve(connect: Callable[[], SuperLink], node: Node, stop: threading.Event) -> int:
    waiting, told = FIRST_RETRY_S, ""
    while not stop.is_set():
        try:
            with connect() as link:
                if told != "":
                    say("the SuperLink is there again")
                waiting, told = FIRST_RETRY_S, ""
                _turn_until(stop, node, link)
        except (LinkDown, NotAdmitted) as reason:
            pause = waiting if isinstance(reason, LinkDown) else REFUSED_RETRY_S
            waiting = min(2 * waiting, LONGEST_RETRY_S)
            log.warning("superlink_unavailable", error=type(reason).__name__, retry_in_s=pause)
            if str(reason) != told:
                say(told := str(reason))
            stop.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311 - so that not all sites come back at one moment
    return 0


def _connection(settings: Settings, seat: Seat) -> Callable[[], SuperLink]:
    address = settings.federation_superlink
    if address is None:
        raise SettingsError("AGENT_FEDERATION_SUPERLINK is not set: this site takes part in no federated work.")
    key = load_node_key(node_key_path(settings))
    authorities = _authorities(settings.federation_ca_file)
    alive = Heartbeat(settings.data_dir, FEDERATION_FILE)
    return lambda: SuperLink(address, authorities, key, seat, lambda: alive("superlink"))


def _tell_grpc_of_the_proxy() -> None:
    """gRPC reads these names in small letters alone; the agent's other connections read both."""
    for name in ("HTTPS_PROXY", "NO_PROXY"):
        if os.environ.get(name):
            os.environ.setdefault(name.lower(), os.environ[name])


def _authorities(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path is not None else None
    except OSError:
        raise SettingsError("AGENT_FEDERATION_CA_FILE names a file that cannot be read.") from None


def _turn_until(stop: threading.Event, node: Node, link: SuperLink) -> None:
    last = time.monotonic()
    while not stop.is_set():
        if node.turn(link):
            last = time.monotonic()
        stop.wait(poll_s(time.monotonic() - last))


def poll_s(since_s: float) -> float:
    """How long to wait before the next look: after a question the next one of the run is soon to come.

    Args:
        since_s: the last question.

    Example:
        >>> [poll_s(since) for since in (0.0, 10.0, 3600.0)]
        [0.2, 0.5, 2.0]
    """
    return min(max(since_s / 20, SHORTEST_POLL_S), LONGEST_POLL_S)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
