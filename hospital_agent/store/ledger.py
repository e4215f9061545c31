"""The egress ledger: everything that was ever released, in order, chained by hashes, and nothing else.

Row n holds the exact bytes of a report, or, for a message of federated work, JSON of kind "federation" that tells what
it is and the SHA-256 of its bytes (`federation.egress`). With the SHA-256 of that body,

    chain(n) = SHA-256(chain(n-1) || SHA-256(body))        with chain(0) = 32 zero bytes

so that no row can be changed, removed or slipped in without every later chain value changing. Whoever noted the last
chain value can tell that nothing before it was touched.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from hospital_agent.errors import LedgerBroken
from hospital_agent.store.tables import LedgerRow
from shared.clock import rfc3339

FIRST_CHAIN = "0" * 64
FEDERATION = "federation"  # the kind of a row that tells of a federated message


@dataclass(frozen=True)
class LedgerEnd:
    """How many rows a verified ledger has, and its last chain value."""

    count: int
    chain: str


def append(session: Session, report_id: UUID, body: bytes, now: datetime) -> LedgerRow:
    """Add the bytes of a report, or what is told of a federated message under an id of its own."""
    last = session.scalar(select(LedgerRow).order_by(LedgerRow.number.desc()).limit(1))
    digest = hashlib.sha256(body).hexdigest()
    row = LedgerRow(
        number=1 if last is None else last.number + 1,
        report_id=str(report_id),
        written_at=now,
        body=body,
        sha256=digest,
        chain=chained(FIRST_CHAIN if last is None else last.chain, digest),
    )
    session.add(row)
    session.flush()
    return row


def chained(previous: str, digest: str) -> str:
    """The chain value that follows `previous` when a body with this hash is added."""
    return hashlib.sha256(bytes.fromhex(previous) + bytes.fromhex(digest)).hexdigest()


def verify(session: Session) -> LedgerEnd:
    """Compute every hash again.

    Raises:
        LedgerBroken: a row was changed, removed or added by hand; says which is the first that does not fit.
    """
    chain, count = FIRST_CHAIN, 0
    for row in rows(session):
        count += 1
        digest = hashlib.sha256(row.body).hexdigest()
        chain = chained(chain, digest)
        if row.number != count or row.sha256 != digest or row.chain != chain:
            raise LedgerBroken(f"The ledger does not hold from row {count} on: it was changed outside the program.")
    return LedgerEnd(count, chain)


def rows(session: Session) -> Iterator[LedgerRow]:
    """All rows in order, a few at a time."""
    yield from session.scalars(select(LedgerRow).order_by(LedgerRow.number)).yield_per(50)


def body_of(session: Session, report_id: str) -> bytes | None:
    """The bytes of one report, or None."""
    return session.scalar(select(LedgerRow.body).where(LedgerRow.report_id == report_id))


def told_of(body: bytes) -> dict[str, Any]:
    """The object that a body holds, {} where it is none: its `kind` says what left."""
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def line_of(row: LedgerRow) -> dict[str, Any]:
    """One row for people: a report by its kind and id, a federated message with everything that is told of it."""
    told = told_of(row.body)
    federated = told.pop("kind", None) == FEDERATION
    shown = {"kind": FEDERATION, "told": told} if federated else {"kind": "report", "report_id": row.report_id}
    return {
        "number": row.number,
        "written_at": rfc3339(row.written_at),
        **shown,
        "bytes": len(row.body),
        "sha256": row.sha256,
        "chain": row.chain,
    }
