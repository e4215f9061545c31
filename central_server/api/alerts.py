"""Alerts: listed, read, acknowledged, resolved."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Query

from central_server.alerts.lifecycle import Deed
from central_server.api.access import Asker, CentreNow, Reader, Writer
from central_server.api.answers import problems
from central_server.api.paging import Cursor, Limit, cut, row_id
from central_server.centre import Centre
from central_server.database import alerts
from central_server.views.alerts import alert_view
from shared.read_models import AlertAction, AlertView, Page

router = APIRouter(tags=["alerts"])

NO_COMMENT = AlertAction()
ACTED = problems(401, 403, 404, 409, 413, 422)
StateFilter = Literal["firing", "acknowledged", "resolved", "open"]
Comment = Annotated[AlertAction, Body(examples=[{"comment": "New kernel since Tuesday; protocol has been asked."}])]


@router.get("/alerts", summary="List alerts", responses=problems(400, 401, 422))
def list_alerts(
    centre: CentreNow,
    _: Reader,
    state: Annotated[StateFilter | None, Query(description="`open` is firing or acknowledged.")] = None,
    site: Annotated[str | None, Query(max_length=40)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[AlertView]:
    """Newest first, each with its evidence and history."""
    before = row_id(cursor)
    states = alerts.OPEN_STATES if state == "open" else (state,) if state else None
    with centre.database.read() as session:
        found = alerts.alert_rows(session, states, site or None, before, limit + 1)
        rows, following = cut(found, limit, lambda row: str(row.id))
        return Page(items=tuple(alert_view(row) for row in rows), next_cursor=following)


@router.get("/alerts/{alert_id}", summary="Read one alert", responses=problems(401, 404, 422))
def read_alert(alert_id: UUID, centre: CentreNow, _: Reader) -> AlertView:
    """The alert with its evidence and history."""
    with centre.database.read() as session:
        return alert_view(alerts.alert(session, alert_id))


@router.post(
    "/alerts/{alert_id}/acknowledge", summary="Take an alert on", responses=problems(401, 403, 404, 409, 413, 422)
)
def acknowledge_alert(alert_id: UUID, centre: CentreNow, asker: Writer, action: Comment = NO_COMMENT) -> AlertView:
    """From firing to acknowledged; whoever does it owns the alert."""
    return _act(centre, alert_id, "acknowledge", asker, action)


@router.post("/alerts/{alert_id}/resolve", summary="Close an alert", responses=ACTED)
def resolve_alert(alert_id: UUID, centre: CentreNow, asker: Writer, action: Comment = NO_COMMENT) -> AlertView:
    """From firing or acknowledged to resolved."""
    return _act(centre, alert_id, "resolve", asker, action)


def _act(centre: Centre, alert_id: UUID, deed: Deed, asker: Asker, action: AlertAction) -> AlertView:
    with centre.database.write() as session:
        row = alerts.act(session, alert_id, deed, asker.actor, centre.clock(), comment=action.comment)
        return alert_view(row)
