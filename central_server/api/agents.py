"""What an agent asks of the centre. The question itself is the site's sign of life."""

from fastapi import APIRouter

from central_server.api.access import CallingSite, CentreNow
from central_server.api.answers import problems
from central_server.database import reports, sites
from shared.report import AgentView

router = APIRouter(tags=["agents"])


@router.get("/agents/self", summary="Give a sign of life", responses=problems(401))
def agent_self(centre: CentreNow, site: CallingSite) -> AgentView:
    """Note that the site was heard; answers the centre's time, so that the agent can measure its clock's skew."""
    now = centre.clock()
    with centre.database.write() as session:
        sites.note_seen(session, site.row_id, now)
        last = reports.last_report_at(session, site.row_id)
    return AgentView(site=site.name, server_time=now, last_report_at=last)
