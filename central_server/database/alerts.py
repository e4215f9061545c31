"""Alerts: opened, told more, and moved from state to state by compare-and-set."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload

from central_server.alerts.findings import Finding
from central_server.alerts.lifecycle import Deed, Known, state_after
from central_server.database.audit import record
from central_server.database.tables import AlertRow, SiteRow, TransitionRow
from central_server.errors import AlertConflict, NotFound
from shared.read_models import AlertState, Evidence

SYSTEM = "system"
OPEN_STATES = ("firing", "acknowledged")


def newest_of_cause(session: Session, cause: str) -> tuple[AlertRow, Known] | None:
    """The newest alert of a cause, and what the lifecycle asks of it."""
    row = session.scalar(select(AlertRow).where(AlertRow.cause == cause).order_by(AlertRow.id.desc()).limit(1))
    return None if row is None else (row, Known(_state(row.state), row.told_until, row.resolved_at))


def _state(text: str) -> AlertState:
    return "firing" if text == "firing" else "acknowledged" if text == "acknowledged" else "resolved"


def open_alert(session: Session, site_id: int, finding: Finding, now: datetime) -> AlertRow:
    """A new alert, firing."""
    row = AlertRow(
        alert_id=uuid4(),
        cause=finding.cause,
        site_id=site_id,
        rule=finding.rule,
        metric=finding.metric,
        stratum=finding.stratum,
        state="firing",
        opened_at=now,
    )
    _tell(row, finding, now)
    row.transitions.append(TransitionRow(at=now, actor=SYSTEM, from_state=None, to_state="firing", comment=""))
    session.add(row)
    session.flush()
    return row


def _tell(row: AlertRow, finding: Finding, now: datetime) -> None:
    row.severity, row.title = finding.severity, finding.title[:240]
    row.evidence = finding.evidence.model_dump(mode="json")
    row.next_step, row.told_until, row.updated_at = finding.next_step, finding.observed_at, now


def add_evidence(session: Session, row: AlertRow, finding: Finding, now: datetime) -> None:
    """The cause has shown itself again; the alert stays in its state."""
    _tell(row, finding, now)
    session.flush()


def reopen(session: Session, row: AlertRow, finding: Finding, now: datetime) -> None:
    """The cause came back soon after its alert was resolved: the same alert fires again."""
    if _move(session, row, "firing", SYSTEM, now, comment="Came back soon after it was resolved."):
        _tell(row, finding, now)
        session.flush()


def resolve_by_itself(session: Session, row: AlertRow, now: datetime) -> bool:
    """The condition no longer holds; False where a person resolved it in between."""
    return _move(session, row, "resolved", SYSTEM, now, comment="The condition no longer holds.")


def _move(session: Session, row: AlertRow, target: AlertState, actor: str, now: datetime, *, comment: str) -> bool:
    """Compare and set: the state changes only if it still is what was read."""
    before = row.state
    changed = session.execute(
        update(AlertRow)
        .where(AlertRow.id == row.id, AlertRow.state == before)
        .values(state=target, updated_at=now, resolved_at=now if target == "resolved" else None)
        .returning(AlertRow.id)
    ).all()
    if not changed:
        return False
    session.add(
        TransitionRow(alert_row_id=row.id, at=now, actor=actor, from_state=before, to_state=target, comment=comment)
    )
    session.flush()
    session.refresh(row)
    return True


def act(session: Session, alert_id: UUID, deed: Deed, actor: str, now: datetime, *, comment: str) -> AlertRow:
    """A person acknowledges or resolves; who acknowledges becomes the owner.

    Raises:
        NotFound: there is no such alert.
        AlertConflict: somebody else was there first; says who and when.
    """
    row = alert(session, alert_id)
    try:
        target = state_after(deed, _state(row.state))
    except AlertConflict:
        raise AlertConflict(_who_was_first(row)) from None
    if not _move(session, row, target, actor, now, comment=comment):
        session.refresh(row)
        raise AlertConflict(_who_was_first(row))
    if row.owner is None:
        row.owner = actor
    record(session, now, actor, f"alert_{target}", str(alert_id))
    session.flush()
    return row


def _who_was_first(row: AlertRow) -> str:
    last = row.transitions[-1]
    return f"The alert was already {row.state} by {last.actor} at {last.at:%Y-%m-%d %H:%M:%S} UTC."


def alert(session: Session, alert_id: UUID) -> AlertRow:
    """The alert of this id.

    Raises:
        NotFound: there is none.
    """
    row = session.scalar(select(AlertRow).where(AlertRow.alert_id == alert_id))
    if row is None:
        raise NotFound("There is no alert of this id.")
    return row


def alert_rows(
    session: Session, states: tuple[str, ...] | None, site: str | None, before_id: int | None, limit: int
) -> list[AlertRow]:
    """Alerts with their site and transitions, newest first."""
    query = (
        select(AlertRow)
        .options(selectinload(AlertRow.transitions), selectinload(AlertRow.site))
        .order_by(AlertRow.id.desc())
        .limit(limit)
    )
    if states is not None:
        query = query.where(AlertRow.state.in_(states))
    if site is not None:
        query = query.join(SiteRow, SiteRow.id == AlertRow.site_id).where(SiteRow.name == site)
    if before_id is not None:
        query = query.where(AlertRow.id < before_id)
    return list(session.scalars(query))


def open_of_rule(session: Session, rule: str) -> list[AlertRow]:
    """Open alerts of one rule."""
    query = select(AlertRow).where(AlertRow.rule == rule, AlertRow.state.in_(OPEN_STATES))
    return list(session.scalars(query))


def open_since(session: Session, site_id: int) -> dict[str, datetime]:
    """Of each open cause of the site, since when its evidence says that it has been going on."""
    query = select(AlertRow).where(AlertRow.site_id == site_id, AlertRow.state.in_(OPEN_STATES))
    told = {row.cause: Evidence.model_validate(row.evidence).since for row in session.scalars(query)}
    return {cause: since for cause, since in told.items() if since is not None}


def open_alerts(session: Session, site_id: int | None = None) -> dict[int, list[AlertRow]]:
    """All open alerts (or those of one site), newest first, by the site's row id."""
    query = select(AlertRow).where(AlertRow.state.in_(OPEN_STATES)).order_by(AlertRow.id.desc())
    found: dict[int, list[AlertRow]] = {}
    for row in session.scalars(query if site_id is None else query.where(AlertRow.site_id == site_id)):
        found.setdefault(row.site_id, []).append(row)
    return found
