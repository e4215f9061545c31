"""Real processes over TLS with node keys: questions and answers, what is refused, who is missing, and a restart."""

import io
import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.proto.fleet_pb2 import ActivateNodeRequest
from flwr.proto.fleet_pb2_grpc import FleetStub

from central_server.federation.flower.certificates import make_certificates
from central_server.federation.flower.nodes import nodes_by_site
from hospital_agent.federation.flower import node
from hospital_agent.federation.flower.errors import LinkDown, NotAdmitted
from hospital_agent.federation.flower.node_key import load_node_key
from hospital_agent.federation.flower.seat import Seat
from hospital_agent.federation.flower.superlink import SuperLink
from shared.federation.flower import app_bundle
from tests.flower_world import SITES, FlowerWorld, flower_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowerWorld]:
    with flower_world(tmp_path_factory.mktemp("flower")) as world:
        yield world


@pytest.fixture
def seat(tmp_path: Path) -> Iterator[Seat]:
    with Seat(tmp_path) as seat:
        yield seat


def test_every_site_answers_each_question(world: FlowerWorld) -> None:
    told = world.run(["how many", "how large"])
    assert told["sites"] == list(SITES)
    for number, (question, answers) in enumerate(zip(["how many", "how large"], told["answers"], strict=True), 1):
        assert answers == {site: f"{site} heard {question} as number {number}" for site in SITES}


@pytest.mark.slow
def test_a_vector_of_several_pieces_comes_whole(world: FlowerWorld) -> None:
    assert world.run(["large 20000000"])["answers"] == [dict.fromkeys(SITES, 20_000_000)]


def test_code_that_arrives_is_refused_though_the_centre_asks_for_it(world: FlowerWorld, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(app_bundle())) as ours, zipfile.ZipFile(buffer, "w") as foreign:
        project = ours.read("pyproject.toml").decode().replace("nothing.to.load", "arrived")
        foreign.writestr("pyproject.toml", project)
        foreign.writestr("arrived.py", f"open({str(tmp_path / 'ran')!r}, 'w')")
    told = world.run(["run this"], bundle=buffer.getvalue())
    assert told["answers"] == [{}]
    assert told["seconds"][0] < 20  # refused, not waited for
    assert all("foreign_app_refused" in world.log_of(site) for site in SITES)
    assert not (tmp_path / "ran").exists()


def test_an_unregistered_key_is_not_let_in(world: FlowerWorld, seat: Seat) -> None:
    stranger = ec.generate_private_key(ec.SECP384R1())
    with (
        pytest.raises(NotAdmitted, match="not registered"),
        SuperLink(world.address, world.authority.read_bytes(), stranger, seat),
    ):
        pass


def test_a_node_does_not_speak_under_the_number_of_another(world: FlowerWorld, seat: Seat) -> None:
    north, south = (nodes_by_site(world.settings.folder)[site] for site in ("north", "south"))
    key = load_node_key(world.folder / "north" / "node_key.pem")
    link = SuperLink(world.address, world.authority.read_bytes(), key, seat)
    link._node.node_id = north
    assert link.fetch() is None
    link._node.node_id = south
    with pytest.raises(NotAdmitted):
        link.fetch()


def test_without_any_key_nobody_is_let_in(world: FlowerWorld) -> None:
    credentials = grpc.ssl_channel_credentials(world.authority.read_bytes())
    with grpc.secure_channel(world.address, credentials) as channel, pytest.raises(grpc.RpcError) as refused:
        FleetStub(channel).ActivateNode(ActivateNodeRequest(), timeout=10)
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_site_does_not_speak_to_a_superlink_of_another_authority(
    world: FlowerWorld, tmp_path: Path, seat: Seat
) -> None:
    other = make_certificates(tmp_path / "other", "localhost", 2).read_bytes()
    key = load_node_key(world.folder / "north" / "node_key.pem")
    with pytest.raises(LinkDown, match="certificate"), SuperLink(world.address, other, key, seat):
        pass


def test_plain_text_is_not_understood(world: FlowerWorld) -> None:
    with grpc.insecure_channel(world.address) as channel, pytest.raises(grpc.RpcError) as refused:
        FleetStub(channel).ActivateNode(ActivateNodeRequest(), timeout=10)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A proxy as the agent's settings name it; told to gRPC."""
    before = {name: os.environ.pop(name, None) for name in ("https_proxy", "no_proxy")}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listening.getsockname()[1]}")
        node._tell_grpc_of_the_proxy()
        yield listening
    for name, value in before.items():
        os.environ.pop(name, None)
        os.environ.update({} if value is None else {name: value})


def test_a_site_dials_out_through_its_proxy(world: FlowerWorld, seat: Seat, proxy: socket.socket) -> None:
    key = load_node_key(world.folder / "north" / "node_key.pem")
    link = SuperLink("central.example.org:9092", world.authority.read_bytes(), key, seat)

    def ask() -> None:
        with suppress(LinkDown):
            link.fetch()

    asking = threading.Thread(target=ask)
    asking.start()
    connection, _ = proxy.accept()
    with connection:
        assert connection.recv(1000).startswith(b"CONNECT central.example.org:9092 ")
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    asking.join()


def test_a_node_that_was_killed_is_missing_at_the_deadline_and_back_after_its_start(world: FlowerWorld) -> None:
    world.nodes["west"].kill()
    world.nodes["west"].wait()
    told = world.run(["who is there?"], deadline_s=3)
    assert told["answers"][0].keys() == {"north", "south"}
    assert 3 <= told["seconds"][0] < 6
    world.start_node("west")
    told = world.run(["and now?"], deadline_s=40)  # the SuperLink still counts the killed one as there
    assert told["answers"][0].keys() == set(SITES)


@pytest.mark.slow
def test_nodes_outlive_a_restart_of_the_superlink(world: FlowerWorld) -> None:
    world.stop_superlink()
    assert world.node_states() is None
    world.start_superlink()
    told = world.run(["still the same?"], deadline_s=30)
    assert told["answers"][0].keys() == set(SITES)
    assert all(process.poll() is None for process in world.nodes.values())
