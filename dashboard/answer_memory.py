"""The last answers of the centre, by ETag."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

REMEMBERED_BYTES = 20_000_000


@dataclass(frozen=True)
class _Remembered:
    etag: str
    answer: Any
    size: int


class AnswerMemory:
    """The last answers that carried an ETag, so that an unchanged series is neither sent nor parsed again.

    Answers are kept under the person's token as well as the address: nobody is shown what another one asked for.

    Args:
        capacity: how many bytes of JSON the answers may have been in all; what is remembered is them in parsed form,
            which weighs up to ten times as much.
    """

    def __init__(self, capacity: int = REMEMBERED_BYTES) -> None:
        self._capacity = capacity
        self._size = 0
        self._answers: OrderedDict[str, _Remembered] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> _Remembered | None:
        """The answer last remembered under the key."""
        with self._lock:
            found = self._answers.get(key)
            if found is not None:
                self._answers.move_to_end(key)
            return found

    def put(self, key: str, etag: str, answer: object, size: int) -> None:
        """Remember an answer of so many bytes; those not asked for longest are forgotten when there are too many."""
        with self._lock:
            self._forget(key)
            self._answers[key] = _Remembered(etag, answer, size)
            self._size += size
            while self._size > self._capacity:
                self._forget(next(iter(self._answers)))

    def _forget(self, key: str) -> None:
        if known := self._answers.pop(key, None):
            self._size -= known.size
