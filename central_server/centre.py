"""What one running server consists of, wired once and handed to every request."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from central_server.credentials import ApiToken, LeadAccount
from central_server.database.session import Database
from central_server.errors import TooManyAttempts
from central_server.monitoring import run_pass
from central_server.policy import Policy
from central_server.settings import Settings
from shared.clock import Clock
from shared.logs import logger

log = logger("centre")


class AttemptLimit:
    """At most so many failed sign-ins a minute from one address.

    An attempt counts as failed from its beginning, so that many at the same moment do not pass together, and is given
    back when it proves right: a person who signs in rightly is never held up by their own use.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._failures: dict[str, list[datetime]] = {}
        self._lock = threading.Lock()

    def reserve(self, address: str) -> datetime:
        """Let an attempt pass; returns its moment, to give it back by.

        Raises:
            TooManyAttempts: the address failed too often within the last minute.
        """
        with self._lock:
            recent, now = self._recent(address), self._clock()
            if len(recent) >= self._per_minute:
                wait = 60 - (now - recent[0]).total_seconds()
                raise TooManyAttempts("Too many failed sign-ins; wait a moment.", max(1, int(wait + 1)))
            self._failures[address] = [*recent, now]
            for other in [other for other in self._failures if not self._recent(other)]:
                del self._failures[other]
            return now

    def give_back(self, address: str, reserved_at: datetime) -> None:
        """The attempt was right and does not count."""
        with self._lock, suppress(ValueError):
            self._failures.get(address, []).remove(reserved_at)

    def _recent(self, address: str) -> list[datetime]:
        oldest = self._clock() - timedelta(minutes=1)
        return [moment for moment in self._failures.get(address, []) if moment > oldest]


class Monitor:
    """Runs monitoring passes, one at a time; a nudge during a pass makes one more follow it."""

    def __init__(self, database: Database, clock: Clock, policy: Policy) -> None:
        self._database, self._clock, self._policy = database, clock, policy
        self._running = threading.Lock()
        self._wanted = False
        self.last_success_at: datetime | None = None

    def nudge(self) -> None:
        """Run a pass now, or leave it to the thread that runs one and will run another."""
        self._wanted = True
        while self._wanted and self._running.acquire(blocking=False):
            try:
                self._wanted = False
                self._one()
            finally:
                self._running.release()

    def _one(self) -> None:
        try:
            with self._database.write() as session:
                result = run_pass(session, self._clock, self._policy)
        except Exception:  # a pass that fails is told, shown by /readyz, and tried again at the next tick
            log.exception("pass_failed")
            return
        self._wanted = self._wanted or result.remaining
        self.last_success_at = self._clock()


@dataclass
class Centre:
    """Everything that requests need: made by `app.create_app`, closed with it."""

    settings: Settings
    database: Database
    clock: Clock
    policy: Policy
    lead: LeadAccount
    tokens: dict[str, ApiToken]
    limit: AttemptLimit
    monitor: Monitor
    started_at: datetime


def assemble(settings: Settings, clock: Clock) -> Centre:
    """Wire a server from its settings; nothing is read from or written to the database yet."""
    database = Database(settings.database())
    policy = settings.policy()
    return Centre(
        settings=settings,
        database=database,
        clock=clock,
        policy=policy,
        lead=settings.lead(),
        tokens={token.token_hash: token for token in settings.tokens()},
        limit=AttemptLimit(settings.failed_sign_ins_per_minute, clock),
        monitor=Monitor(database, clock, policy),
        started_at=clock(),
    )
