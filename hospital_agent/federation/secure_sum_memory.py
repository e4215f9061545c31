"""What a site keeps over all secure sums: which sessions it has seen and over which cohorts it helped to unmask."""

from collections.abc import Collection, Iterable
from typing import Protocol

from shared.secure_sum.errors import SessionReplayed


class SiteMemory(Protocol):
    """What a site keeps over all sessions; in a real agent on disk, written before the message leaves."""

    def open_session(self, session: bytes) -> None:
        """Remember the session; raises SessionReplayed if it is known already."""

    def released(self, quantity: str) -> Iterable[Collection[str]]:
        """The cohorts over which sums of this quantity may have been released."""

    def record_release(self, quantity: str, cohort: Collection[str]) -> None:
        """Remember that a sum over this cohort may be released from now on."""


class VolatileMemory:
    """A memory that ends with the program: for tests and trials, never for a hospital."""

    def __init__(self) -> None:
        self._sessions: set[bytes] = set()
        self._released: dict[str, list[frozenset[str]]] = {}

    def open_session(self, session: bytes) -> None:
        """Remember the session; raises SessionReplayed if it is known already."""
        if session in self._sessions:
            raise SessionReplayed("A session with this id was opened before.")
        self._sessions.add(session)

    def released(self, quantity: str) -> Iterable[Collection[str]]:
        """The cohorts over which sums of this quantity may have been released."""
        return tuple(self._released.get(quantity, ()))

    def record_release(self, quantity: str, cohort: Collection[str]) -> None:
        """Remember that a sum over this cohort may be released from now on."""
        self._released.setdefault(quantity, []).append(frozenset(cohort))
