"""A line that can be cut: what passes, what ends, and what passes again."""

import socket
import threading
from collections.abc import Iterator

import pytest

from demo.relay import Line


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says everything twice."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                one, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(one,), daemon=True).start()

    def answer(one: socket.socket) -> None:
        with one:
            while data := one.recv(1000):
                one.sendall(2 * data)

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.fixture
def line(echo: int) -> Iterator[Line]:
    made = Line(echo)
    yield made
    made.close()


def ask(line: Line, words: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", line.port), timeout=5) as one:
        one.sendall(words)
        return one.recv(1000)


def test_what_is_said_passes_both_ways(line: Line) -> None:
    assert ask(line, b"ab") == b"abab"


def test_a_cut_ends_what_was_open_and_refuses_what_is_new(line: Line) -> None:
    with socket.create_connection(("127.0.0.1", line.port), timeout=5) as one:
        one.sendall(b"a")
        assert one.recv(10) == b"aa"
        line.cut()
        assert one.recv(10) == b""
    try:
        answer = ask(line, b"b")
    except OSError:
        answer = b""
    assert answer == b""


def test_a_mended_line_passes_again(line: Line) -> None:
    line.cut()
    line.mend()
    assert ask(line, b"c") == b"cc"
