"""The place of this site's node at the SuperLink: held by one process, and remembered by the next.

The SuperLink counts a node that was killed as there until its signs of life have been missing for 20 s, and lets it in
only then. Questions that the killed one had fetched would meanwhile be waited for. A node that knows its number signs
off what was there before it, and the centre asks again at once.
"""

import fcntl
from pathlib import Path
from types import TracebackType
from typing import Self

from hospital_agent.federation.flower.errors import SeatTaken

FILE_NAME = "node"


class Seat:
    """A place, as a context: inside, no other process has it.

    Args:
        folder: of the site's federated work.

    Raises:
        SeatTaken: another process has it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / FILE_NAME).open("a+", encoding="ascii")
        self.admitted = False
        """Whether this process was let in before."""

    def __enter__(self) -> Self:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise SeatTaken("Another node runs on this data folder.") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self._file.close()

    @property
    def node_id(self) -> int | None:
        """The number under which the SuperLink last let the node in."""
        self._file.seek(0)
        text = self._file.read(32).strip()
        return int(text) if text.isdecimal() else None

    def take(self, node_id: int) -> None:
        """Remember that the node was let in."""
        self.admitted = True
        if node_id != self.node_id:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(f"{node_id}\n")
            self._file.flush()
