"""Who did what, when."""

from fastapi import APIRouter

from central_server.api.access import CentreNow, Reader
from central_server.api.answers import problems
from central_server.api.paging import Cursor, Limit, cut, row_id
from central_server.database import audit
from shared.read_models import AuditLine, Page

router = APIRouter(tags=["audit"])


@router.get("/audit", summary="Read the audit", responses=problems(400, 401, 422))
def read_audit(centre: CentreNow, _: Reader, cursor: Cursor = None, limit: Limit = 100) -> Page[AuditLine]:
    """Newest first. Lines are only ever added."""
    before = row_id(cursor)
    with centre.database.read() as session:
        rows, following = cut(audit.lines(session, before, limit + 1), limit, lambda row: str(row.id))
        items = tuple(AuditLine(at=row.at, actor=row.actor, action=row.action, subject=row.subject) for row in rows)
    return Page(items=items, next_cursor=following)
