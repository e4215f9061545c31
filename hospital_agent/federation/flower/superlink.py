"""The connection of a node to the SuperLink, on Flower's Fleet API: one method a request, each with a deadline.

Built from Flower's own parts (stub, signature of each request by the node key, how messages are taken apart and put
together), but not from its SuperNode, whose requests have no deadline: a line that a firewall dropped in silence would
hold it for as long as the system keeps the connection.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Error, Message
from flwr.app.message import remove_content_from_message
from flwr.client.grpc_rere_client.node_auth_client_interceptor import NodeAuthClientInterceptor
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.fleet_pb2_grpc import FleetStub
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ObjectTree,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest
from flwr.supercore.grpc import GRPC_MAX_MESSAGE_LENGTH
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.interceptors import RuntimeVersionClientInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes

from hospital_agent.federation.flower.errors import LinkDown, NotAdmitted, RunOver
from hospital_agent.federation.flower.seat import Seat
from shared.federation.errors import BrokenMessage

HEARTBEAT_S = 10.0  # the shortest that the SuperLink takes; it counts a node as gone after two
NOTICED_S = 1.2  # the centre looks every half second whether a node that it asked is still there
_CALL_S = 20.0
_PIECE_S = 300.0  # 8 MB over a slow line
_NOT_ADMITTED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.FAILED_PRECONDITION)
R = TypeVar("R")


@dataclass(frozen=True)
class Letter:
    """A message that waits to be fetched: its metadata, and the names of its pieces."""

    envelope: Message
    tree: ObjectTree

    @property
    def run_id(self) -> int:
        """Flower's number of the run."""
        return int(self.envelope.metadata.run_id)


class SuperLink:
    """One connection, as a context: admitted inside, and signed off at the end.

    Args:
        address: host:port of the Fleet API.
        authorities: PEM of those that may have signed its certificate; the public ones that gRPC brings when None.
        key: the node key.
        seat: the node's number from before, and whether this process was let in under it.
        alive: is told each time the SuperLink acknowledged a sign of life.

    Raises:
        LinkDown, NotAdmitted: from every method as well.
    """

    def __init__(self, address: str, authorities: bytes | None, key: ec.EllipticCurvePrivateKey, seat: Seat,
                 alive: Callable[[], None] = lambda: None) -> None:  # fmt: skip
        self._seat = seat
        self._public = public_key_to_bytes(key.public_key())
        limits = [(f"grpc.max_{way}_message_length", GRPC_MAX_MESSAGE_LENGTH) for way in ("send", "receive")]
        self._channel = grpc.intercept_channel(
            grpc.secure_channel(address, grpc.ssl_channel_credentials(authorities), options=limits),
            RuntimeVersionClientInterceptor(component_name="SuperNode"),
            NodeAuthClientInterceptor(key, key.public_key()),
        )
        self._stub: Any = FleetStub(self._channel)
        self._alive, self._closing, self._lost = alive, threading.Event(), False
        self._node = Node()
        self._beating = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        try:
            if not self._still_admitted():
                request = ActivateNodeRequest(public_key=self._public, heartbeat_interval=HEARTBEAT_S)
                self._node = Node(node_id=self._call(self._stub.ActivateNode, request).node_id)
                self._seat.take(self._node.node_id)
        except BaseException:
            self._channel.close()
            raise
        self._alive()
        self._beating.start()
        return self

    def _still_admitted(self) -> bool:
        """Whether the node is in as it was before the line was cut. What an earlier process left is signed off."""
        before = self._seat.node_id
        if before is None:
            return False
        self._node = Node(node_id=before)
        try:
            if self._seat.admitted:
                request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=HEARTBEAT_S)
                return bool(self._call(self._stub.SendNodeHeartbeat, request).success)
            self._call(self._stub.DeactivateNode, DeactivateNodeRequest(node_id=before))
            self._closing.wait(NOTICED_S)
        except NotAdmitted:
            pass  # it was not there any more, or this key has another number now
        return False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self._closing.set()
        self._beating.join()
        try:
            self._call(self._stub.DeactivateNode, DeactivateNodeRequest(node_id=self._node.node_id), 3.0)
        except (LinkDown, NotAdmitted, RunOver):
            pass  # it will notice by itself
        finally:
            self._channel.close()

    def _beat(self) -> None:
        """Signs of life while a long answer is worked on; a failed one is tried again until the line is given up."""
        request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=HEARTBEAT_S)
        while not self._closing.wait(HEARTBEAT_S / 2):
            try:
                self._lost = not self._call(self._stub.SendNodeHeartbeat, request, HEARTBEAT_S / 2).success
            except NotAdmitted:
                self._lost = True
            except (LinkDown, RunOver):
                continue
            if not self._lost:
                self._alive()

    def fetch(self) -> Letter | None:
        """The next message, if there is one. It is handed out once: from now on it is this site's to answer."""
        if self._lost:
            raise NotAdmitted("The SuperLink no longer knows this node.")
        found = self._call(self._stub.PullMessages, PullMessagesRequest(node=self._node))
        if not found.messages_list:
            return None
        return Letter(message_from_proto(found.messages_list[0]), found.message_object_trees[0])

    def app_hash(self, run_id: int) -> str:
        """SHA-256 of the app bundle that the run names."""
        found = self._call(self._stub.GetRun, GetRunRequest(node=self._node, run_id=run_id))
        return str(found.run.fab_hash)

    def open(self, letter: Letter) -> Message:
        """The message whole. May be called again after the line was cut.

        Raises:
            BrokenMessage: its pieces make no message.
        """
        names = [tree.object_id for tree in iterate_object_tree(letter.tree)]
        pieces = {name: self._piece(letter.run_id, name) for name in names}
        try:
            message = inflate_object_from_contents(letter.tree.object_id, pieces)
        except Exception:
            raise BrokenMessage("What arrived cannot be put together as a message of Flower.") from None
        if not isinstance(message, Message) or not message.has_content():
            raise BrokenMessage("What arrived is no message of Flower with content.")
        message.metadata.__dict__["_message_id"] = letter.tree.object_id
        return message

    def _piece(self, run_id: int, name: str) -> bytes:
        request = PullObjectRequest(node=self._node, run_id=run_id, object_id=name)
        while True:
            found = self._call(self._stub.PullObject, request, _PIECE_S)
            if not found.object_found:
                raise RunOver("The SuperLink no longer keeps a message that it announced.")
            if found.object_available:
                return bytes(found.object_content)
            if self._closing.wait(0.2):  # the centre is still sending it
                raise LinkDown("The connection to the SuperLink was closed.")

    def confirm(self, letter: Letter) -> None:
        """Let the SuperLink forget the message."""
        self._call(
            self._stub.ConfirmMessageReceived,
            ConfirmMessageReceivedRequest(
                node=self._node, run_id=letter.run_id, message_object_id=letter.tree.object_id
            ),
        )

    def send(self, answer: Message) -> None:
        """Send an answer, whole. May be called again after the line was cut: pieces that arrived are left out."""
        run_id = answer.metadata.run_id
        answer.metadata.__dict__["_message_id"] = answer.object_id
        with no_object_id_recompute():
            envelope = remove_content_from_message(answer) if answer.has_content() else answer
            wanted = self._call(
                self._stub.PushMessages,
                PushMessagesRequest(
                    node=self._node,
                    messages_list=[message_to_proto(envelope)],
                    message_object_trees=[get_object_tree(answer)],
                ),
            ).objects_to_push
            for name, piece in get_all_nested_objects(answer).items():
                if name in wanted:
                    content = piece.deflate()
                    request = PushObjectRequest(node=self._node, run_id=run_id, object_id=name, object_content=content)
                    self._call(self._stub.PushObject, request, _PIECE_S)

    def _call(self, method: Callable[..., R], request: object, deadline_s: float = _CALL_S) -> R:
        try:
            return method(request, timeout=deadline_s)
        except grpc.RpcError as error:
            code, detail = error.code(), str(error.details() or "")
        if code == grpc.StatusCode.PERMISSION_DENIED:
            raise RunOver("The run that a message belongs to has ended.")
        if code in _NOT_ADMITTED:
            raise NotAdmitted(_why_not_admitted(detail))
        raise LinkDown(_why_down(code, detail))


def error_reply(letter: Letter, code: int, sentence: str) -> Message:
    """An answer that says why there is none."""
    return Message(Error(code=code, reason=sentence), reply_to=letter.envelope)


def _why_not_admitted(detail: str) -> str:
    if "No SuperNode found" in detail or "Invalid node ID" in detail:
        return "The centre has not registered this site's node key, or has ended it."
    if "could not be activated" in detail:
        return "The centre still counts an earlier start of this node as there; it lets go of it within 20 s."
    if "timestamp" in detail:
        return "The clocks of this machine and of the centre differ by more than a few seconds."
    return "The SuperLink does not let this node in."


def _why_down(code: grpc.StatusCode, detail: str) -> str:
    if "handshake" in detail.lower() or "certificate" in detail.lower():
        return (
            "The SuperLink's certificate is not signed by the authority that this site trusts, or is for another name."
        )
    return f"The SuperLink cannot be reached ({code.name.lower()})."
