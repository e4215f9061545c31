"""Federated runs in the centre's database: what is to be done, what happened, and which cohorts' sums are out.

Everything here commits before it returns: what is told is kept, also if the program dies at the next line. Needs the
`federation` extra.
"""

import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import numpy as np
from sqlalchemy.orm import Session

from central_server.database import federated_runs, federation_keys
from central_server.database.session import Database
from central_server.errors import RunIsOver
from central_server.federation.cohorts import ReleasedCohorts
from central_server.federation.run_log import RoundEnded, RunBegan, RunEnded
from central_server.federation.states import PULSE_S
from shared.clock import Clock, utc_now
from shared.federation.messages import Options, Total
from shared.logs import logger
from shared.secure_sum.cohorts import check_cohort

log = logger("federation")
_STORED = np.dtype("<f8")


@dataclass(frozen=True)
class RunToDo:
    """What a person asked for.

    Args:
        deadline_s: how long sites have for one answer.
        sites: ask these alone; None asks all that can be reached.
    """

    job: str
    options: Options
    deadline_s: float
    sites: tuple[str, ...] | None


def run_to_do(session: Session, run: str) -> RunToDo:
    """What the stored run asks for.

    Raises:
        NotFound: there is no such run.
        RunIsOver: it ended before.
    """
    row = federated_runs.run_row(session, run)
    if row.state in ("completed", "failed"):
        raise RunIsOver(f"This run is over: it {row.state}.")
    sites = None if row.asked_sites is None else tuple(row.asked_sites)
    return RunToDo(row.job, dict(row.options), row.deadline_s, sites)


def stored_site_keys(session: Session) -> dict[str, bytes]:
    """The Ed25519 public key of every site that has a good one, by the site's name."""
    return federation_keys.good_keys(session)


def stored_totals(session: Session, run: str) -> tuple[Total, ...]:
    """The totals of all rounds of a completed run; none of another."""
    found = federated_runs.total_bytes(session, run)
    return tuple(np.frombuffer(one, dtype=_STORED).astype(np.float64) for one in found)


class DatabaseRunLog:
    """The RunLog that the centre keeps.

    Between the first event and the last a thread notes that the run is still led, so that one whose program died is
    shown as interrupted. With a `with` statement around the run, an error that leaves the block ends the run as
    failed; being told to stop (KeyboardInterrupt, SystemExit) does not.

    Args:
        sessions: the centre's database.
        run: the id of a stored run.
    """

    def __init__(self, sessions: Database, run: str, clock: Clock = utc_now, pulse_s: float = PULSE_S) -> None:
        self._sessions, self._run, self._clock = sessions, run, clock
        self._pulse_s = pulse_s
        self._over = threading.Event()
        self._pulse: threading.Thread | None = None

    def tell(self, event: RunBegan | RoundEnded | RunEnded) -> None:
        """Keep one more event.

        Raises:
            RunIsOver: the run ended before.
        """
        match event:
            case RunBegan():
                self._begin(event)
            case RoundEnded():
                self._add(event)
            case RunEnded():
                self._end(event)

    def _begin(self, event: RunBegan) -> None:
        if event.run != self._run:
            raise ValueError("This log keeps another run.")
        with self._sessions.write() as session:
            federated_runs.begin(session, self._run, event.invited, self._clock())
        if self._pulse is None:
            self._pulse = threading.Thread(target=self._keep_alive, name="federated-run-pulse", daemon=True)
            self._pulse.start()

    def _add(self, event: RoundEnded) -> None:
        with self._sessions.write() as session:
            federated_runs.add_round(
                session, self._run, self._clock(), attempt=event.attempt, number=event.number,
                contributors=event.contributors, missing=event.missing, seconds=event.seconds,
                bytes_per_site=event.bytes_per_site,
            )  # fmt: skip

    def _end(self, event: RunEnded) -> None:
        self.close()
        with self._sessions.write() as session:
            federated_runs.end(
                session, self._run, self._clock(), completed=event.completed, sentence=event.sentence,
                contributors=event.contributors, missing=event.missing, told=event.told,
                totals=[np.ascontiguousarray(total, dtype=_STORED).data.cast("B") for total in event.totals],
            )  # fmt: skip

    def _keep_alive(self) -> None:
        while not self._over.wait(self._pulse_s):
            try:
                with self._sessions.write() as session:
                    federated_runs.note_alive(session, self._run, self._clock())
            except Exception:  # a database that is away for a moment ends no run
                log.exception("pulse_failed")

    def close(self) -> None:
        """Give no further signs of life."""
        self._over.set()
        if self._pulse is not None:
            self._pulse.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self.close()
        if kind is None or not issubclass(kind, Exception):
            return  # a program that is told to stop has not failed: the run is taken up again, or shows as interrupted
        try:
            sentence = f"The run ended by an error of the centre ({kind.__name__}); there is no result."
            self.tell(RunEnded(completed=False, sentence=sentence))
        except RunIsOver:
            pass  # it had ended already, and that stands


class StoredCohorts(ReleasedCohorts):
    """The cohorts of all released sums, read and written in the database, also those that other programs wrote.

    `record` returns once the cohort is committed, so that no request to unmask can leave before it.

    Args:
        sessions: the centre's database.
    """

    def __init__(self, sessions: Database, clock: Clock = utc_now) -> None:
        super().__init__()
        self._sessions, self._clock = sessions, clock

    def check(self, quantity: str, cohort: Collection[str]) -> None:
        """See that a sum over this cohort may be released; raises CohortTooSmall or CohortTooClose."""
        with self._sessions.read() as session:
            check_cohort(federation_keys.cohorts(session, quantity), cohort)

    def record(self, quantity: str, cohort: Collection[str]) -> None:
        """Check, and remember for good; raises CohortTooSmall or CohortTooClose, and then nothing is remembered."""
        with self._sessions.write() as session:
            federation_keys.hold_cohorts(session)
            check_cohort(federation_keys.cohorts(session, quantity), cohort)
            federation_keys.add_cohort(session, quantity, cohort, self._clock())
