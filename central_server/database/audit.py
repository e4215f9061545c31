"""The audit: who did what, when, to what. Lines are only ever added; a trigger holds that."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from central_server.database.tables import AuditRow


def record(session: Session, now: datetime, actor: str, action: str, subject: str) -> None:
    """Add a line, in the transaction of the deed that it tells."""
    session.add(AuditRow(at=now, actor=actor, action=action, subject=subject))


def lines(session: Session, before_id: int | None, limit: int) -> list[AuditRow]:
    """Lines, newest first."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    return list(session.scalars(query if before_id is None else query.where(AuditRow.id < before_id)))
