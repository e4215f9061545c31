"""Questions and answers over a grid: who is missing at the deadline, what comes late, and who is not who it says."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict
from flwr.common.constant import ErrorCode

from central_server.federation.flower.grid_exchange import GridExchange
from shared.federation.flower import packet_of, record_of
from shared.federation.messages import Packet

NODES = {"north": 1, "south": 2, "west": 3}
QUESTION = Packet("opening", b"what next?")


@dataclass
class Grid:
    """Sites that answer after a while, on a clock that moves when the exchange waits.

    Args:
        after_s: by node, when it answers; a node without an entry never does.
        online: the nodes that are there.
    """

    after_s: dict[int, float]
    online: set[int] = field(default_factory=lambda: set(NODES.values()))
    reply: Callable[[Message], Message] = lambda asked: Message(record_of(answer_to(asked)), reply_to=asked)
    now: float = 0.0
    sent: dict[str, tuple[float, Message]] = field(default_factory=dict)
    pushed: list[Message] = field(default_factory=list)
    returns_at: float | None = None  # when nodes that are gone are there again

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += max(seconds, 0.01)
        if self.returns_at is not None and self.now >= self.returns_at:
            self.online = set(NODES.values())

    def nodes(self) -> Collection[int]:
        return self.online

    def push(self, messages: Sequence[Message]) -> Sequence[str]:
        names = []
        for message in messages:
            name = f"m{len(self.pushed)}"
            message.metadata.__dict__["_message_id"] = name
            message.metadata.__dict__["_src_node_id"] = 99
            self.pushed.append(message)
            self.sent[name] = (self.now, message)
            names.append(name)
        return names

    def pull(self, asked: Collection[str]) -> Sequence[Message]:
        found = []
        for name in asked:
            at, message = self.sent[name]
            node = message.metadata.dst_node_id
            if node not in self.online:
                found.append(Message(Error(code=ErrorCode.NODE_UNAVAILABLE, reason="gone"), reply_to=message))
            elif self.now >= at + self.after_s.get(node, 1e9):
                found.append(self.reply(message))
        return found


def answer_to(asked: Message) -> Packet:
    return Packet("plan", packet_of(asked.content).body + f" {asked.metadata.dst_node_id}".encode())


def exchange(grid: Grid, patience_s: float = 45.0) -> GridExchange:
    return GridExchange(grid, lambda: NODES, patience_s, grid.clock, grid.wait)


def asked(grid: Grid, deadline_s: float = 60.0, sites: Collection[str] = tuple(NODES)) -> dict[str, bytes]:
    found = exchange(grid).ask(dict.fromkeys(sites, QUESTION), deadline_s)
    return {site: packet.body for site, packet in found.items()}


def test_everybody_answers_and_nobody_is_waited_for_longer() -> None:
    grid = Grid({1: 0.1, 2: 0.2, 3: 3.0})
    assert asked(grid) == {"north": b"what next? 1", "south": b"what next? 2", "west": b"what next? 3"}
    assert 3.0 <= grid.now < 4.0


def test_the_sites_are_those_whose_nodes_are_there() -> None:
    assert exchange(Grid({}, online={1, 3, 77})).sites() == ["north", "west"]


def test_a_site_that_does_not_answer_is_missing_at_the_deadline() -> None:
    grid = Grid({1: 0.1, 2: 0.1})
    assert asked(grid, deadline_s=60.0).keys() == {"north", "south"}
    assert 60.0 <= grid.now < 61.0


def test_a_site_that_nobody_registered_is_missing_at_once() -> None:
    grid = Grid({1: 0.0})
    assert asked(grid, sites=("north", "elsewhere")).keys() == {"north"}
    assert grid.now < 1.0


def test_a_node_that_is_gone_is_given_up_before_a_long_deadline() -> None:
    grid = Grid({1: 0.1, 2: 0.1}, online={1, 2})
    assert asked(grid, deadline_s=600.0).keys() == {"north", "south"}
    assert 45.0 <= grid.now < 50.0


def test_a_node_that_comes_back_is_asked_again() -> None:
    grid = Grid({1: 0.1, 2: 0.1, 3: 0.1}, online={1, 2}, returns_at=20.0)
    assert asked(grid, deadline_s=600.0).keys() == set(NODES)
    assert [one.metadata.dst_node_id for one in grid.pushed] == [1, 2, 3, 3]


def test_an_answer_to_an_earlier_question_is_never_taken_for_a_later_one() -> None:
    grid = Grid({1: 0.1, 2: 0.1, 3: 30.0})
    link = exchange(grid)
    first = link.ask(dict.fromkeys(NODES, QUESTION), 10.0)
    assert first.keys() == {"north", "south"}
    grid.now = 100.0
    late = [message for at, message in grid.sent.values() if message.metadata.dst_node_id == 3]
    grid.reply = lambda message: Message(record_of(Packet("plan", b"of the first question")), reply_to=late[0])
    assert link.ask({"north": Packet("opening", b"the second")}, 5.0) == {}


def test_messages_live_no_longer_than_the_deadline_and_name_their_question() -> None:
    grid = Grid({1: 0.0, 2: 0.0, 3: 0.0})
    link = exchange(grid)
    for deadline in (10.0, 20.0):
        link.ask(dict.fromkeys(NODES, QUESTION), deadline)
    assert [one.metadata.ttl for one in grid.pushed] == [10.0] * 3 + [20.0] * 3
    assert [one.metadata.group_id for one in grid.pushed] == ["1"] * 3 + ["2"] * 3


def test_each_site_gets_its_own_question() -> None:
    grid = Grid({1: 0.0, 2: 0.0})
    found = exchange(grid).ask({"north": Packet("opening", b"a"), "south": Packet("opening", b"b")}, 10.0)
    assert {site: packet.body for site, packet in found.items()} == {"north": b"a 1", "south": b"b 2"}


def test_an_answer_of_another_node_than_the_one_that_was_asked_is_dropped() -> None:
    def forged(message: Message) -> Message:
        answer = Message(record_of(answer_to(message)), reply_to=message)
        if message.metadata.dst_node_id == 2:
            answer.metadata.__dict__["_src_node_id"] = 3
        return answer

    assert asked(Grid({1: 0.1, 2: 0.1, 3: 0.1}, reply=forged)).keys() == {"north", "west"}


@pytest.mark.parametrize(
    "answer",
    [
        lambda message: Message(RecordDict({"model": ConfigRecord({"x": 1})}), reply_to=message),
        lambda message: Message(Error(code=ErrorCode.INVALID_FAB, reason="refused"), reply_to=message),
        lambda message: Message(Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION), reply_to=message),
    ],
)
def test_a_site_without_a_usable_answer_is_missing_at_once(answer: Callable[[Message], Message]) -> None:
    grid = Grid({1: 0.1, 2: 0.1, 3: 0.1}, reply=answer)
    assert asked(grid) == {}
    assert grid.now < 1.0
