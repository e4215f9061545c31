"""An answer is handed on when it is whole, and one that stays incomplete holds up nobody."""

from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import Message
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree

from central_server.federation.flower.run_grid import RunGrid
from shared.federation.flower import packet_of, record_of
from shared.federation.messages import Packet


class Stub:
    """The ServerAppIo API with answers of which only some pieces have come."""

    def __init__(self) -> None:
        self.announced: list[Message] = []
        self.store: dict[str, bytes] = {}
        self.confirmed: list[str] = []
        self.asked: list[list[str]] = []

    def announce(self, question: Message, packet: Packet) -> Message:
        answer = Message(record_of(packet), reply_to=question)
        self.announced.append(answer)
        return answer

    def arrive(self, answer: Message, *, without: int = 0) -> None:
        pieces = {name: piece.deflate() for name, piece in get_all_nested_objects(answer).items()}
        for name in list(pieces)[without:]:
            self.store[name] = pieces[name]

    def PullMessages(self, request: Any, timeout: float) -> Any:  # noqa: N802
        self.asked.append(list(request.message_ids))
        found = [one for one in self.announced if one.metadata.reply_to_message_id in request.message_ids]
        self.announced = [one for one in self.announced if one not in found]
        return SimpleNamespace(
            messages_list=found,
            message_object_trees=[get_object_tree(one) for one in found],
        )

    def PullObject(self, request: Any, timeout: float) -> Any:  # noqa: N802
        content = self.store.get(request.object_id, b"")
        return SimpleNamespace(object_found=True, object_available=bool(content), object_content=content)

    def ConfirmMessageReceived(self, request: Any, timeout: float) -> Any:  # noqa: N802
        self.confirmed.append(request.message_object_id)


@pytest.fixture
def grid() -> RunGrid:
    grid = RunGrid("127.0.0.1:1", "token")
    grid._stub = Stub()
    grid.run = SimpleNamespace(run_id=5)  # type: ignore[assignment]
    return grid


def question(name: str) -> Message:
    asked = Message(record_of(Packet("opening", name.encode())), dst_node_id=7, message_type="query", ttl=60)
    asked.metadata.__dict__.update(_message_id=name, _src_node_id=1, _run_id=5)
    return asked


def test_an_answer_is_handed_on_once_and_whole(grid: RunGrid) -> None:
    stub: Any = grid._stub
    stub.arrive(stub.announce(question("q1"), Packet("plan", b"all of it")))
    (answer,) = grid.pull(["q1", "q2"])
    assert packet_of(answer.content).body == b"all of it"
    assert len(stub.confirmed) == 1
    assert grid.pull(["q2"]) == []


def test_an_answer_whose_pieces_have_not_come_holds_up_no_other(grid: RunGrid) -> None:
    stub: Any = grid._stub
    slow = stub.announce(question("q1"), Packet("outcome", b"slow"))  # no piece in common with the other
    stub.arrive(slow, without=1)
    stub.arrive(stub.announce(question("q2"), Packet("plan", b"quick")))
    assert [packet_of(one.content).body for one in grid.pull(["q1", "q2"])] == [b"quick"]
    assert grid.pull(["q1"]) == []
    stub.arrive(slow)
    assert [packet_of(one.content).body for one in grid.pull(["q1"])] == [b"slow"]
    # The SuperLink hands out an answer's name once; it is not asked for it again.
    assert stub.asked == [["q1", "q2"]]


def test_what_is_no_longer_asked_for_is_forgotten(grid: RunGrid) -> None:
    stub: Any = grid._stub
    stub.arrive(stub.announce(question("q1"), Packet("plan", b"late")), without=1)
    assert grid.pull(["q1"]) == []
    assert grid.pull(["q2"]) == []
    assert not grid._arriving


def test_pieces_that_make_no_message_are_dropped(grid: RunGrid) -> None:
    stub: Any = grid._stub
    answer = stub.announce(question("q1"), Packet("plan", b"broken"))
    stub.store = dict.fromkeys(get_all_nested_objects(answer), b"nonsense")
    assert grid.pull(["q1"]) == []
