"""What the centre's own programs ask of its SuperLink, on Flower's Control API: start a run, register a node.

Flower asks nobody on this API who they are, so it is on loopback alone. It speaks the same TLS as towards the sites;
the certificate is for the name that they dial, and so it is checked against the name that stands in its file here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from flwr.common.constant import Status
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    UnregisterNodeRequest,
)
from flwr.proto.control_pb2_grpc import ControlStub
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionClientInterceptor

from central_server.federation.flower.certificates import name_in
from central_server.federation.flower.errors import SuperLinkAway, SuperLinkRefused
from central_server.federation.flower.settings import SuperLinkSettings
from shared.federation.flower import RUN, app_bundle, app_hash

_CALL_S = 20.0
R = TypeVar("R")


@dataclass(frozen=True)
class NodeState:
    """A registered node, as the SuperLink sees it.

    Args:
        state: registered (never seen), online or offline.
    """

    node_id: int
    public_key: bytes
    state: str
    last_activated_at: str


class Control:
    """The SuperLink's Control API, as a context.

    Raises:
        SuperLinkAway, SuperLinkRefused: from every method.
        SettingsError: there are no certificates.
    """

    def __init__(self, settings: SuperLinkSettings) -> None:
        certificate, _, authority = settings.certificate_files
        self._channel = grpc.intercept_channel(
            grpc.secure_channel(
                f"127.0.0.1:{settings.control_port}",
                grpc.ssl_channel_credentials(authority.read_bytes()),
                options=[("grpc.ssl_target_name_override", name_in(certificate)), ("grpc.enable_http_proxy", 0)],
            ),
            RuntimeVersionClientInterceptor(component_name="flwr CLI"),
        )
        self._stub: Any = ControlStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self._channel.close()

    def start(self, run: str) -> int:
        """Have the stored run taken up; Flower's number of it."""
        return self.start_app(app_bundle(), app_hash(), {RUN: run})

    def start_app(self, bundle: bytes, sha256: str, config: Mapping[str, str]) -> int:
        """Start a run of any bundle; nodes and centre refuse those that are not ours."""
        fab = fab_to_proto(Fab(sha256, bundle, {}))
        request = StartRunRequest(fab=fab, override_config=user_config_to_proto(dict(config)))
        answer = self._call(self._stub.StartRun, request)
        if not answer.HasField("run_id"):
            raise SuperLinkRefused("The SuperLink did not start the run.")
        return int(answer.run_id)

    def tidy(self) -> dict[int, str]:
        """Have the SuperLink drop what it still keeps of ended runs; the state of each run."""
        runs = self._call(self._stub.ListRuns, ListRunsRequest()).run_dict
        return {int(number): str(run.status.status) for number, run in runs.items()}

    def stop_before(self, moment: datetime) -> None:
        """End every run of Flower that was started before this moment and has not ended."""
        runs = self._call(self._stub.ListRuns, ListRunsRequest()).run_dict
        for number, run in runs.items():
            if run.status.status != Status.FINISHED and datetime.fromisoformat(run.pending_at) < moment:
                self._call(self._stub.StopRun, StopRunRequest(run_id=number))

    def register(self, public_key: bytes) -> int:
        """Let the node with this key in; its number."""
        return int(self._call(self._stub.RegisterNode, RegisterNodeRequest(public_key=public_key)).node_id)

    def unregister(self, node_id: int) -> None:
        """Let the node in no more."""
        self._call(self._stub.UnregisterNode, UnregisterNodeRequest(node_id=node_id))

    def nodes(self) -> list[NodeState]:
        """All nodes that are let in."""
        found = self._call(self._stub.ListNodes, ListNodesRequest()).nodes_info
        return [
            NodeState(node.node_id, bytes(node.public_key), node.status, node.last_activated_at)
            for node in found
            if node.status != "unregistered"
        ]

    def _call(self, method: Callable[..., R], request: object) -> R:
        try:
            return method(request, timeout=_CALL_S)
        except grpc.RpcError as error:
            code, detail = error.code(), str(error.details() or "")
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            raise SuperLinkAway(
                "The SuperLink cannot be reached; `central-server superlink` runs it, and this command must run on "
                "the same machine, in containers inside the same one."
            )
        raise SuperLinkRefused(f"The SuperLink refuses: {detail or code.name.lower()}")
