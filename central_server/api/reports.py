"""Reports: sent by agents, listed for people."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Request, Response

from central_server.api.access import CallingSite, CentreNow, Reader
from central_server.api.answers import problems
from central_server.api.paging import Cursor, Limit, cut, row_id
from central_server.database import reports, tables
from central_server.errors import ReportConflict, ReportTooLarge, UnsupportedBody
from central_server.intake import read_report
from central_server.views.timeline import window_of
from shared.logs import logger
from shared.read_models import Page, ReportRow
from shared.report import ReportReceipt

router = APIRouter(tags=["reports"])
log = logger("reports")

REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/SiteReport"}}},
    }
}


async def body_of(request: Request, centre: CentreNow, _: CallingSite) -> bytes:
    """The exact bytes of the body; read only after the site's key was found good.

    Raises:
        UnsupportedBody: compressed, or not declared as JSON.
        ReportTooLarge: longer than a report may be, by its header or while reading.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedBody("A report is sent uncompressed, so that its hash is that of the site's ledger.")
    if request.headers.get("content-type", "application/json").split(";")[0].strip().lower() != "application/json":
        raise UnsupportedBody("A report is sent as application/json.")
    most = centre.settings.max_report_bytes
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise ReportTooLarge(f"A report has at most {most} bytes.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise ReportTooLarge(f"A report has at most {most} bytes.")
    return bytes(body)


@router.put(
    "/reports/{report_id}",
    status_code=201,
    summary="Deliver a report",
    openapi_extra=REQUEST_BODY,
    responses={
        200: {"model": ReportReceipt, "description": "The same bytes were stored before"},
        **problems(401, 403, 409, 413, 415, 422),
    },
)
def put_report(
    report_id: UUID,
    centre: CentreNow,
    site: CallingSite,
    body: Annotated[bytes, Depends(body_of)],
    background: BackgroundTasks,
    response: Response,
) -> ReportReceipt:
    """Store a report once. Sending the same bytes again is harmless; other bytes under the same id are refused."""
    report = read_report(body, report_id, site.name)
    outcome = reports.accept(centre.database, site.row_id, report, body, centre.clock())
    log.info("report_arrived", site=site.name, report_id=report_id, kind=report.kind, status=outcome.kind)
    if outcome.kind == "conflict":
        raise ReportConflict("Another report is stored under this id; it stays, and this one was not taken.")
    if outcome.kind == "repeated":
        response.status_code = 200
    background.add_task(centre.monitor.nudge)
    return outcome.receipt


@router.get("/reports", summary="List stored reports", responses=problems(400, 401, 422))
def list_reports(
    centre: CentreNow,
    _: Reader,
    site: Annotated[str | None, Query(max_length=40)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ReportRow]:
    """Newest first by arrival, with the hash to hold against the site's own ledger."""
    before = row_id(cursor)
    with centre.database.read() as session:
        found = reports.report_rows(session, site or None, before, limit + 1)
        rows, following = cut(found, limit, lambda pair: str(pair[0].id))
    return Page(items=tuple(_view(row, name) for row, name in rows), next_cursor=following)


def _view(row: tables.ReportRow, site: str) -> ReportRow:
    return ReportRow.model_validate(
        {
            "report_id": row.report_id,
            "site": site,
            "kind": row.kind,
            "status": row.status,
            "stratum": row.stratum,
            "window": window_of(row),
            "revision": row.revision,
            "received_at": row.received_at,
            "sha256": row.sha256,
        }
    )
