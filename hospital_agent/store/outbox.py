"""Reports that wait to be sent: a row is written with its ledger row and its window's closing, or not at all."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from hospital_agent.store import ledger
from hospital_agent.store.tables import LedgerRow, OutboxRow
from shared.clock import rfc3339
from shared.report import SiteReport

LONGEST_WAIT = timedelta(days=1)
"""No report waits longer for its next try: a time further ahead was written while the clock was ahead."""


@dataclass(frozen=True)
class Letter:
    """One report on its way: the very bytes of the ledger."""

    row: int
    report_id: str
    body: bytes
    sha256: str
    attempts: int


def put(session: Session, report: SiteReport, now: datetime) -> None:
    """Write a report to the ledger and queue it, in the caller's transaction."""
    entry = ledger.append(session, report.report_id, report.model_dump_json().encode(), now)
    session.add(
        OutboxRow(
            report_id=entry.report_id,
            ledger_number=entry.number,
            state="waiting",
            attempts=0,
            created_at=now,
            next_try_at=now,
        )
    )


def due(session: Session, now: datetime) -> Letter | None:
    """The oldest report whose time to be tried has come, or lies so far ahead that the clock must have been wrong."""
    found = session.execute(
        select(OutboxRow, LedgerRow)
        .join(LedgerRow, LedgerRow.number == OutboxRow.ledger_number)
        .where(OutboxRow.state == "waiting", _is_due(now))
        .order_by(OutboxRow.id)
        .limit(1)
    ).first()
    if found is None:
        return None
    row, entry = found
    return Letter(row.id, row.report_id, entry.body, entry.sha256, row.attempts)


def mark_sent(session: Session, letter: Letter, now: datetime) -> None:
    """The centre has it."""
    row = _row(session, letter)
    row.state, row.sent_at, row.last_code = "sent", now, None
    row.attempts += 1


def put_off(session: Session, letter: Letter, code: str, now: datetime, wait_s: float) -> None:
    """It did not work this time; every waiting report waits as long, because the centre is the same for all."""
    row = _row(session, letter)
    row.attempts += 1
    row.last_code = code
    later = now + timedelta(seconds=wait_s)
    for waiting in session.scalars(select(OutboxRow).where(OutboxRow.state == "waiting")):
        kept = waiting.next_try_at if waiting.next_try_at <= now + LONGEST_WAIT else now
        waiting.next_try_at = max(kept, later)


def park(session: Session, letter: Letter, code: str) -> None:
    """Repeating cannot help: keep it aside, visible, until a person looks."""
    row = _row(session, letter)
    row.state, row.last_code = "parked", code
    row.attempts += 1


def release_parked(session: Session, now: datetime) -> int:
    """Try every parked report again; returns how many there were."""
    parked = list(session.scalars(select(OutboxRow).where(OutboxRow.state == "parked")))
    for row in parked:
        row.state, row.attempts, row.next_try_at = "waiting", 0, now
    return len(parked)


def counts(session: Session) -> dict[str, int]:
    """How many reports are in each state."""
    found = session.execute(select(OutboxRow.state, func.count()).group_by(OutboxRow.state)).all()
    return {"waiting": 0, "sent": 0, "parked": 0, **{str(state): int(count) for state, count in found}}


def listed(session: Session) -> list[dict[str, object]]:
    """Every report with its state, newest first; what a person looks at when something is parked."""
    found = session.scalars(select(OutboxRow).order_by(OutboxRow.id.desc()))
    return [
        {
            "report_id": row.report_id,
            "state": row.state,
            "attempts": row.attempts,
            "last_code": row.last_code,
            "created_at": rfc3339(row.created_at),
            "sent_at": None if row.sent_at is None else rfc3339(row.sent_at),
        }
        for row in found
    ]


def _is_due(now: datetime) -> ColumnElement[bool]:
    return or_(OutboxRow.next_try_at <= now, OutboxRow.next_try_at > now + LONGEST_WAIT)


def _row(session: Session, letter: Letter) -> OutboxRow:
    return session.get_one(OutboxRow, letter.row)
