"""The centre says which node is which site; a key lets in one site."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from central_server.federation.flower.control import NodeState
from central_server.federation.flower.errors import NodeKeyRefused, UnknownNode
from central_server.federation.flower.nodes import nodes_by_site, register_node, unregister_node
from hospital_agent.federation.flower.node_key import public_half


class Control:
    """A SuperLink's list of nodes."""

    def __init__(self) -> None:
        self.known: dict[int, bytes] = {}

    def nodes(self) -> list[NodeState]:
        return [NodeState(number, key, "registered", "") for number, key in self.known.items()]

    def register(self, public_key: bytes) -> int:
        number = max(self.known, default=0) + 1
        self.known[number] = public_key
        return number

    def unregister(self, node_id: int) -> None:
        del self.known[node_id]


def key() -> str:
    return public_half(ec.generate_private_key(ec.SECP384R1()))


@pytest.fixture
def control() -> Control:
    return Control()


def test_a_registered_node_is_its_site(tmp_path: Path, control: Control) -> None:
    assert nodes_by_site(tmp_path) == {}
    for site in ("north", "south"):
        assert register_node(control, tmp_path, site, key())
    assert nodes_by_site(tmp_path) == {"north": 1, "south": 2}


def test_the_same_key_again_changes_nothing(tmp_path: Path, control: Control) -> None:
    mine = key()
    assert register_node(control, tmp_path, "north", mine)
    assert not register_node(control, tmp_path, "north", mine)
    assert len(control.known) == 1


def test_a_new_key_ends_the_old_one(tmp_path: Path, control: Control) -> None:
    register_node(control, tmp_path, "north", key())
    register_node(control, tmp_path, "north", key())
    assert nodes_by_site(tmp_path) == {"north": 2}
    assert set(control.known) == {2}


def test_one_key_is_not_two_sites(tmp_path: Path, control: Control) -> None:
    mine = key()
    register_node(control, tmp_path, "north", mine)
    with pytest.raises(NodeKeyRefused):
        register_node(control, tmp_path, "south", mine)
    assert nodes_by_site(tmp_path) == {"north": 1}


def test_a_node_that_the_superlink_knows_without_a_name_gets_one(tmp_path: Path, control: Control) -> None:
    mine = key()
    control.register(mine.encode())  # the list of names was lost, or never written
    assert register_node(control, tmp_path, "north", mine)
    assert nodes_by_site(tmp_path) == {"north": 1}


def test_a_site_can_be_let_in_no_more(tmp_path: Path, control: Control) -> None:
    register_node(control, tmp_path, "north", key())
    unregister_node(control, tmp_path, "north")
    assert (nodes_by_site(tmp_path), control.known) == ({}, {})
    with pytest.raises(UnknownNode):
        unregister_node(control, tmp_path, "north")


@pytest.mark.parametrize("text", ["", "ssh-rsa AAAA", public_half(ec.generate_private_key(ec.SECP256R1()))])
def test_what_is_no_node_key_is_refused(tmp_path: Path, control: Control, text: str) -> None:
    with pytest.raises(NodeKeyRefused):
        register_node(control, tmp_path, "north", text)
    assert not control.known
