"""The centre's own sign of life: one row."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from central_server.database.tables import ListeningRow
from central_server.policy import Listening


def listening(session: Session) -> Listening | None:
    """Since when the centre listens; None where it never did."""
    row = session.get(ListeningRow, 1)
    return None if row is None else Listening(row.since, row.last_alive_at)


def begin_listening(session: Session, now: datetime) -> None:
    """The server has just started."""
    session.merge(ListeningRow(id=1, since=now, last_alive_at=now))


def note_alive(session: Session, now: datetime, deaf_after: timedelta) -> None:
    """The server is still there, or again: after a gap (its machine paused, its database away) it begins anew."""
    row = session.get(ListeningRow, 1)
    if row is not None:
        if now - row.last_alive_at >= deaf_after:
            row.since = now
        row.last_alive_at = now
