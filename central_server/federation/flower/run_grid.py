"""Flower's side of one run at the centre, on the ServerAppIo API: messages out, whole answers in.

Built from Flower's own parts, but not its GrpcGrid. That waits inside one call for every piece of an answer that was
announced, a second at a time and up to two hours: a site that dies while it sends would hold up all others, past any
deadline. Here an answer is handed on when it is whole, and what is missing is looked for at the next call.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

import grpc
from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.constant import SUPERLINK_NODE_ID, SubStatus
from flwr.common.serde import message_to_proto, run_from_proto
from flwr.proto.appio_pb2 import (
    GetNodesRequest,
    PullAppMessagesRequest,
    PullTaskInputRequest,
    PushAppMessagesRequest,
    PushTaskOutputRequest,
)
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest, PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.serverappio_pb2_grpc import ServerAppIoStub
from flwr.supercore.grpc import create_channel
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_grpc
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.interceptors import AppIoTokenClientInterceptor, RuntimeVersionClientInterceptor
from flwr.supercore.run import Run

from central_server.federation.flower.errors import SuperLinkAway
from shared.logs import logger

_CALL_S = 60.0
log = logger("federation")


@dataclass
class _Arriving:
    """An answer that was announced, and what has come of it."""

    asked: str
    missing: set[str]
    pieces: dict[str, bytes] = field(default_factory=dict)


class RunGrid:
    """One task of Flower, as a context; inside, `run` is the run that it is of.

    Args:
        address: host:port of the ServerAppIo API.
        token: of the task.

    Raises:
        SuperLinkAway: from every method; the run goes on when the SuperLink is there again.
    """

    run: Run

    def __init__(self, address: str, token: str) -> None:
        interceptors = [RuntimeVersionClientInterceptor("flwr-serverapp"), AppIoTokenClientInterceptor(token)]
        self._channel = create_channel(address, insecure=True, interceptors=interceptors)
        self._stub: Any = ServerAppIoStub(self._channel)
        self._beating = HeartbeatSender(make_task_heartbeat_fn_grpc(self._stub))
        self._node = Node(node_id=SUPERLINK_NODE_ID)
        self._arriving: dict[str, _Arriving] = {}
        self.problem = "The run was interrupted."

    def __enter__(self) -> Self:
        self._beating.start()
        try:
            self.run = run_from_proto(self._call(self._stub.PullTaskInput, PullTaskInputRequest()).run)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        """Tell Flower how the task ended: well where `problem` was emptied."""
        status = SubStatus.FAILED if self.problem else SubStatus.COMPLETED
        with suppress(grpc.RpcError):  # a SuperLink that is gone counts the task as failed by itself
            self._stub.PushTaskOutput(PushTaskOutputRequest(sub_status=status, details=self.problem), timeout=10)
        self._close()

    def _close(self) -> None:
        if self._beating.is_running:
            self._beating.stop()
        self._channel.close()

    def _call(self, method: Callable[..., Any], request: object) -> Any:
        try:
            return method(request, timeout=_CALL_S)
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                raise
        raise SuperLinkAway("The SuperLink ended while a run was led.")

    def nodes(self) -> set[int]:
        """The nodes that are there now."""
        return {int(node.node_id) for node in self._call(self._stub.GetNodes, GetNodesRequest()).nodes}

    def push(self, messages: Sequence[Message]) -> list[str]:
        """Send each message to its node; the name of each, or "" where the SuperLink does not take it."""
        with no_object_id_recompute():
            for message in messages:
                message.metadata.__dict__["_run_id"] = self.run.run_id
                message.metadata.__dict__["_src_node_id"] = SUPERLINK_NODE_ID
                message.metadata.__dict__["_message_id"] = message.object_id
            request = PushAppMessagesRequest(
                messages_list=[message_to_proto(remove_content_from_message(one)) for one in messages],
                message_object_trees=[get_object_tree(one) for one in messages],
            )
            answer = self._call(self._stub.PushMessages, request)
            wanted = set(answer.objects_to_push)
            for message in messages:
                for name, piece in get_all_nested_objects(message).items():
                    if name in wanted:
                        wanted.discard(name)  # sites that are asked the same share its pieces
                        self._push_piece(name, piece.deflate())
        return list(answer.message_ids)

    def _push_piece(self, name: str, content: bytes) -> None:
        run_id = self.run.run_id
        request = PushObjectRequest(node=self._node, run_id=run_id, object_id=name, object_content=content)
        self._call(self._stub.PushObject, request)

    def pull(self, asked: Collection[str]) -> list[Message]:
        """The whole answers to these messages that have come since the last call, also errors of the SuperLink."""
        known = {one.asked for one in self._arriving.values()}
        waiting = [name for name in asked if name not in known]
        if waiting:
            found = self._call(self._stub.PullMessages, PullAppMessagesRequest(message_ids=waiting))
            for told, tree in zip(found.messages_list, found.message_object_trees, strict=True):
                names = {one.object_id for one in iterate_object_tree(tree)}
                self._arriving[tree.object_id] = _Arriving(told.metadata.reply_to_message_id, names)
        self._arriving = {name: one for name, one in self._arriving.items() if one.asked in asked}
        return [answer for name in list(self._arriving) if (answer := self._whole(name)) is not None]

    def _whole(self, name: str) -> Message | None:
        arriving = self._arriving[name]
        for piece in sorted(arriving.missing):
            request = PullObjectRequest(node=self._node, run_id=self.run.run_id, object_id=piece)
            found = self._call(self._stub.PullObject, request)
            if not found.object_found or not found.object_available:
                return None
            arriving.missing.discard(piece)
            arriving.pieces[piece] = found.object_content
        del self._arriving[name]
        request = ConfirmMessageReceivedRequest(node=self._node, run_id=self.run.run_id, message_object_id=name)
        self._call(self._stub.ConfirmMessageReceived, request)
        try:
            return cast(Message, inflate_object_from_contents(name, arriving.pieces))
        except Exception:
            log.error("broken_answer_dropped")
            return None
