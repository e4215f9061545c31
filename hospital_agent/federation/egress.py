"""The egress ledger of federated work: each message is told there, durably, before it leaves.

A row of a report holds the report. A masked vector is noise of up to a hundred megabytes, so its row tells what can be
read of it - run, job, quantity, round, cohort, how many numbers, how many bytes - and the SHA-256 of exactly the bytes
that leave. The same chain runs through both kinds of rows.
"""

from uuid import uuid4

from hospital_agent.store import ledger
from hospital_agent.store.database import Store
from shared.clock import Clock, utc_now


class LedgerLog:
    """The site's `EgressLog`.

    Args:
        store: of the agent; committed and synced to disk before `record` returns.
    """

    def __init__(self, store: Store, clock: Clock = utc_now) -> None:
        self._store, self._clock = store, clock

    def record(self, told: bytes) -> None:
        """Write what is about to leave.

        Raises:
            ValueError: it is not told as the ledger shows it (`ledger.told_of`).
        """
        if ledger.told_of(told).get("kind") != ledger.FEDERATION:
            raise ValueError("A federated message is told as a JSON object of kind 'federation'.")
        with self._store.write() as session:
            ledger.append(session, uuid4(), told, self._clock())
