"""Federated work: the runs with their rounds, and the keys by which the sites are known. Totals are not handed out."""

from typing import Annotated

from fastapi import APIRouter, Path

from central_server.api.access import CentreNow, Reader
from central_server.api.answers import problems
from central_server.api.paging import Cursor, Limit, cut, decode, row_id
from central_server.database import federated_runs, federation_keys
from central_server.database.federated_runs import NO_ROUNDS
from central_server.errors import BadCursor
from central_server.views.federation import key_view, run_detail, run_overview
from shared.federation.read_models import FederationKey, RunDetail, RunOverview
from shared.read_models import Page

router = APIRouter(prefix="/federation", tags=["federation"])

RunInPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Id of the run.")]


@router.get("/runs", summary="List federated runs", responses=problems(400, 401, 422))
def list_federated_runs(centre: CentreNow, _: Reader, cursor: Cursor = None, limit: Limit = 100) -> Page[RunOverview]:
    """Newest first, each with who took part, who is missing and why, and what the sites made of the totals."""
    before = row_id(cursor)
    with centre.database.read() as session:
        found = federated_runs.run_rows(session, before, limit + 1)
        rows, following = cut(found, limit, lambda row: str(row.id))
        so_far = federated_runs.rounds_so_far(session, [row.id for row in rows])
        items = tuple(run_overview(row, so_far.get(row.id, NO_ROUNDS), centre.clock()) for row in rows)
    return Page(items=items, next_cursor=following)


@router.get("/runs/{run}", summary="Read one federated run", responses=problems(401, 404, 422))
def read_federated_run(run: RunInPath, centre: CentreNow, _: Reader) -> RunDetail:
    """The run with its rounds, oldest first."""
    with centre.database.read() as session:
        row = federated_runs.run_row(session, run)
        so_far = federated_runs.rounds_so_far(session, [row.id]).get(row.id, NO_ROUNDS)
        return run_detail(row, so_far, centre.clock())


@router.get("/sites", summary="List the sites' federation keys", responses=problems(400, 401, 422))
def list_federation_keys(
    centre: CentreNow, _: Reader, cursor: Cursor = None, limit: Limit = 500
) -> Page[FederationKey]:
    """By site, those that ended too. A site's own program shows the same fingerprint; compare them by telephone."""
    after = _position(decode(cursor))
    with centre.database.read() as session:
        found = federation_keys.key_rows(session, after, limit + 1)
        rows, following = cut(found, limit, lambda row: f"{row.site.name}:{row.id}")
        return Page(items=tuple(key_view(row) for row in rows), next_cursor=following)


def _position(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    site, colon, number = text.partition(":")
    if not colon or not number.isdecimal() or len(number) > 18:
        raise BadCursor("This cursor was not given out by this server.")
    return site, int(number)
