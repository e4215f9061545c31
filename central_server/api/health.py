"""Is the program alive, and is it ready? Two questions: a server without its database is alive and not ready."""

from datetime import timedelta

from fastapi import APIRouter
from pydantic import BaseModel

from central_server.api.access import CentreNow
from central_server.api.answers import problems
from central_server.database.migrate import require_newest
from central_server.errors import CentralError

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A one-word answer for a container's health check."""

    status: str


class NotReady(CentralError):
    """The server cannot do its work now."""

    status, slug, title = 503, "not-ready", "Not ready"


@router.get("/healthz", summary="Is the program alive?")
def healthz() -> Health:
    """Answers as long as the program runs."""
    return Health(status="alive")


@router.get("/readyz", summary="Is it ready to work?", responses=problems(503))
def readyz(centre: CentreNow) -> Health:
    """The database answers, is migrated, and monitoring passes succeed."""
    try:
        require_newest(centre.database)
    except CentralError:
        raise
    except Exception:
        raise NotReady("The database does not answer.") from None
    allowed = timedelta(seconds=max(60.0, 5 * centre.settings.pass_interval_s))
    if centre.clock() - (centre.monitor.last_success_at or centre.started_at) > allowed:
        raise NotReady("No monitoring pass has succeeded for some time.")
    return Health(status="ready")
