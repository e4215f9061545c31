"""Sessions of people who signed in."""

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from central_server.database.tables import SessionRow


def begin_session(session: Session, hashed: str, actor: str, now: datetime, expires_at: datetime) -> None:
    """Keep a new session; those that expired are removed on the way."""
    session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
    session.add(SessionRow(token_hash=hashed, actor=actor, created_at=now, expires_at=expires_at))


def actor_of_session(session: Session, hashed: str, now: datetime) -> str | None:
    """Who this session belongs to, while it is good."""
    return session.scalar(
        select(SessionRow.actor).where(
            SessionRow.token_hash == hashed, SessionRow.ended_at.is_(None), SessionRow.expires_at > now
        )
    )


def end_session(session: Session, hashed: str, now: datetime) -> None:
    """Sign out."""
    session.execute(update(SessionRow).where(SessionRow.token_hash == hashed).values(ended_at=now))
