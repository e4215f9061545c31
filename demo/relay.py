"""A line between two programs that can be cut and mended: bytes in, bytes out, and what they mean is not looked at."""

import socket
import threading
from contextlib import suppress

from demo.programs import free_port

_CHUNK = 65536


class Line:
    """Listens on a port of its own and passes everything on to another port of this machine.

    Args:
        target: the port of the program that is dialled.
    """

    def __init__(self, target: int) -> None:
        self.port, self.target = free_port(), target
        self._lock = threading.Lock()
        self._whole = True
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection, and refuse new ones until `mend`."""
        with self._lock:
            self._whole = False
            ended, self._open = self._open, set()
        for one in ended:
            _close(one)

    def mend(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._whole = True

    def close(self) -> None:
        """End it for good."""
        self.cut()
        _close(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                whole = self._whole
            if not whole:
                _close(near)
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=10)
                far.settimeout(None)
            except OSError:
                _close(near)
                continue
            with self._lock:
                self._open |= {near, far}
            for source, goal in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, goal), daemon=True).start()

    def _pass_on(self, source: socket.socket, goal: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                goal.sendall(data)
        for one in (source, goal):
            with self._lock:
                self._open.discard(one)
            _close(one)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
