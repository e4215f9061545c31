"""The sites' own change detectors over time."""

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from central_server.api.access import CentreNow, Reader
from central_server.api.answers import problems, tagged
from central_server.api.sites import SiteInPath
from central_server.database import series
from central_server.database.sites import site_named
from central_server.views import detectors
from central_server.views.timeline import timeline
from shared.read_models import DetectorSeries

router = APIRouter(tags=["detectors"])

_MANY = TypeAdapter(tuple[DetectorSeries, ...])


@router.get(
    "/sites/{site}/detectors",
    summary="Read a site's detectors over time",
    response_model=list[DetectorSeries],
    responses={304: {"description": "The caller has this answer already"}, **problems(401, 404, 422)},
)
def read_detectors(request: Request, site: SiteInPath, centre: CentreNow, _: Reader) -> Response:
    """One series a detector: its evidence at the end of each window, and the threshold at which it pages."""
    with centre.database.read() as session:
        row = site_named(session, site)

        def make() -> tuple[str, str]:
            main = timeline(series.windows(session, row.id), site, series.MAIN_STRATUM)
            found = detectors.series(main, series.detector_rows(session, row.id))
            return "application/json", _MANY.dump_json(found).decode()

        return tagged(request, series.newest_row_id(session, row.id), make)
