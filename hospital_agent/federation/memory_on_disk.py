"""What a site keeps over all secure sums, in its store: it outlives the program, so that the rules hold over years."""

from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from hospital_agent.store.database import Store
from hospital_agent.store.tables import FederationReleaseRow, FederationSessionRow
from shared.clock import Clock, utc_now
from shared.secure_sum.cohorts import check_cohort
from shared.secure_sum.errors import SessionReplayed


class MemoryOnDisk:
    """A `SiteMemory` whose every change is synced to disk before the caller goes on.

    Args:
        store: of the agent; its lock lets the agent and the federated node write in turn.
    """

    def __init__(self, store: Store, clock: Clock = utc_now) -> None:
        self._store, self._clock = store, clock

    def open_session(self, session: bytes) -> None:
        """Remember the session.

        Raises:
            SessionReplayed: it is known already, from this program or one before it.
        """
        with self._store.write() as rows:
            if rows.get(FederationSessionRow, session.hex()) is not None:
                raise SessionReplayed("A session with this id was opened before.")
            rows.add(FederationSessionRow(session=session.hex(), opened_at=self._clock()))

    def released(self, quantity: str) -> Iterable[Collection[str]]:
        """The distinct cohorts over which sums of this quantity may have been released, oldest first."""
        with self._store.read() as rows:
            return _released(rows, quantity)

    def record_release(self, quantity: str, cohort: Collection[str]) -> None:
        """Remember that a sum over this cohort may be released from now on.

        Judged once more in the same transaction: two sessions that end in the same moment have each seen a memory
        without the other.

        Raises:
            CohortTooSmall, CohortTooClose: it may not be released beside the earlier ones; nothing was written.
        """
        with self._store.write() as rows:
            earlier = _released(rows, quantity)
            if frozenset(cohort) in earlier:
                return
            check_cohort(earlier, cohort)
            named = " ".join(sorted(set(cohort)))
            rows.add(FederationReleaseRow(quantity=quantity, cohort=named, first_at=self._clock()))


def _released(rows: Session, quantity: str) -> tuple[frozenset[str], ...]:
    found = rows.scalars(
        select(FederationReleaseRow.cohort)
        .where(FederationReleaseRow.quantity == quantity)
        .order_by(FederationReleaseRow.first_at, FederationReleaseRow.cohort)
    )
    return tuple(frozenset(cohort.split()) for cohort in found)
