"""A node answers what it is asked with what is installed here, keeps what it began, and refuses code that arrives."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.common.constant import ErrorCode

from hospital_agent.federation.flower import node as node_module
from hospital_agent.federation.flower.errors import LinkDown, NotAdmitted, RunOver, SeatTaken
from hospital_agent.federation.flower.node import Node, run_node
from hospital_agent.federation.flower.seat import Seat
from hospital_agent.federation.flower.superlink import Letter
from shared.errors import SettingsError
from shared.federation.flower import app_hash, packet_of, record_of
from shared.federation.messages import Packet


class Link:
    """A SuperLink that holds one message, and breaks where it is told to."""

    def __init__(self, content: RecordDict, sha256: str = "", breaks: dict[str, list[Exception]] | None = None) -> None:
        self.question = Message(content, dst_node_id=7, message_type="query", ttl=60)
        self.question.metadata.__dict__["_message_id"] = "m" * 64
        self.waiting, self.sha256 = [Letter(self.question, SimpleNamespace())], sha256 or app_hash()  # type: ignore[arg-type]
        self.breaks = breaks or {}
        self.sent: list[Message] = []
        self.opened = 0

    def _break(self, where: str) -> None:
        if self.breaks.get(where):
            raise self.breaks[where].pop(0)

    def fetch(self) -> Letter | None:
        self._break("fetch")
        return self.waiting.pop() if self.waiting else None

    def app_hash(self, run_id: int) -> str:
        self._break("app_hash")
        return self.sha256

    def open(self, letter: Letter) -> Message:
        self._break("open")
        self.opened += 1
        return self.question

    def confirm(self, letter: Letter) -> None:
        self._break("confirm")

    def send(self, answer: Message) -> None:
        self._break("send")
        self.sent.append(answer)


QUESTION = record_of(Packet("opening", b"what next?"))


def echo(packet: Packet) -> Packet:
    return Packet("plan", packet.kind.encode() + b" " + packet.body)


def turned(node: Node, link: Link, times: int = 1) -> list[bool]:
    return [node.turn(link) for _ in range(times)]  # type: ignore[arg-type]


def test_a_question_is_answered_by_the_sites_own_code() -> None:
    link = Link(QUESTION)
    assert turned(Node(echo), link, 2) == [True, False]
    (answer,) = link.sent
    assert packet_of(answer.content) == Packet("plan", b"opening what next?")
    assert answer.metadata.reply_to_message_id == "m" * 64
    assert answer.metadata.src_node_id == 7


def test_a_run_of_another_app_is_refused_before_anything_of_it_is_fetched() -> None:
    link = Link(QUESTION, sha256="f" * 64)
    asked: list[Packet] = []
    turned(Node(lambda packet: asked.append(packet) or packet), link)
    assert link.sent[0].error.code == ErrorCode.INVALID_FAB
    assert link.opened == 0
    assert not asked


def test_a_message_that_holds_no_packet_is_answered_with_an_error() -> None:
    link = Link(RecordDict({"model": ConfigRecord({"weights": b"x"})}))
    turned(Node(echo), link)
    assert link.sent[0].has_error()


def test_a_site_that_fails_says_so_and_nothing_of_its_data() -> None:
    def failing(packet: Packet) -> Packet:
        raise ValueError("DOE^JANE")

    link = Link(QUESTION)
    node = Node(failing)
    turned(node, link)
    assert link.sent[0].has_error()
    assert "JANE" not in str(link.sent[0].error.reason)
    assert turned(node, link) == [False]


@pytest.mark.parametrize("where", ["app_hash", "open", "send"])
@pytest.mark.parametrize("error", [LinkDown("cut"), NotAdmitted("restarted")])
def test_what_was_begun_is_gone_on_with_after_a_cut_line(where: str, error: Exception) -> None:
    asked: list[Packet] = []

    def counting(packet: Packet) -> Packet:
        asked.append(packet)
        return echo(packet)

    link, node = Link(QUESTION, breaks={where: [error, error]}), Node(counting)
    for _ in range(2):
        with pytest.raises(type(error)):
            turned(node, link)
    turned(node, link)
    assert len(link.sent) == 1
    assert len(asked) == 1  # the site is asked once, however often the line is cut


def test_a_question_counts_as_taken_also_where_the_superlink_was_not_told() -> None:
    # What was confirmed is deleted there: to open it a second time could find nothing.
    link = Link(QUESTION, breaks={"confirm": [LinkDown("cut")]})
    turned(Node(echo), link)
    assert (link.opened, len(link.sent)) == (1, 1)


@pytest.mark.parametrize("where", ["app_hash", "open", "confirm", "send"])
def test_a_question_of_a_run_that_ended_is_let_go(where: str) -> None:
    link, node = Link(QUESTION, breaks={where: [RunOver("ended")]}), Node(echo)
    assert turned(node, link, 2) == [True, False]
    assert not link.sent


class Connection:
    """Connects again and again to one link, as `SuperLink` would."""

    def __init__(self, link: Link, refusals: list[Exception]) -> None:
        self.link, self.refusals, self.count = link, refusals, 0

    def __call__(self) -> "Connection":
        return self

    def __enter__(self) -> Link:
        self.count += 1
        if self.refusals:
            raise self.refusals.pop(0)
        return self.link

    def __exit__(self, *_: object) -> None:
        pass


def served(
    monkeypatch: pytest.MonkeyPatch, folder: Path, link: Link, refusals: list[Exception], until: Callable[[], bool]
) -> int:
    connection, stop = Connection(link, refusals), threading.Event()
    monkeypatch.setattr(node_module, "_connection", lambda settings, seat: connection)
    for name in ("FIRST_RETRY_S", "REFUSED_RETRY_S", "SHORTEST_POLL_S"):
        monkeypatch.setattr(node_module, name, 0.01)
    settings: Any = SimpleNamespace(federation_dir=folder)
    serving = threading.Thread(target=run_node, args=(settings, echo, stop))
    serving.start()
    ends = time.monotonic() + 20
    while not until() and time.monotonic() < ends:
        time.sleep(0.01)
    stop.set()
    serving.join()
    return connection.count


def test_a_node_connects_again_until_it_is_let_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = Link(QUESTION)
    refusals = [LinkDown("The SuperLink is away."), LinkDown("The SuperLink is away."), NotAdmitted("Not registered.")]
    assert served(monkeypatch, tmp_path, link, refusals, lambda: bool(link.sent)) == 4
    told = capsys.readouterr().err
    assert told.count("The SuperLink is away.") == 1  # said once, not at every attempt
    assert "Not registered." in told


def test_a_line_that_is_cut_while_serving_is_taken_up_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    link = Link(QUESTION, breaks={"send": [LinkDown("cut")]})
    assert served(monkeypatch, tmp_path, link, [], lambda: bool(link.sent)) == 2


def test_a_site_without_a_superlink_says_which_setting_is_missing(tmp_path: Path) -> None:
    settings: Any = SimpleNamespace(federation_superlink=None, federation_dir=tmp_path)
    with pytest.raises(SettingsError, match="AGENT_FEDERATION_SUPERLINK"):
        run_node(settings, echo, threading.Event())


def test_a_second_node_on_the_same_folder_does_not_start(tmp_path: Path) -> None:
    settings: Any = SimpleNamespace(federation_superlink="localhost:1", federation_dir=tmp_path)
    with Seat(tmp_path), pytest.raises(SeatTaken):
        run_node(settings, echo, threading.Event())


def test_a_seat_remembers_its_number(tmp_path: Path) -> None:
    for number in (2**64 - 1, 7, 7):
        with Seat(tmp_path) as seat:
            seat.take(number)
            assert seat.admitted
        with Seat(tmp_path) as seat:
            assert (seat.node_id, seat.admitted) == (number, False)


def test_a_node_looks_often_while_a_run_is_under_way_and_seldom_otherwise() -> None:
    assert [node_module.poll_s(since) for since in (0.0, 4.0, 10.0, 40.0, 1e6)] == [0.2, 0.2, 0.5, 2.0, 2.0]
