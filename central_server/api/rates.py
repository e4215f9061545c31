"""The three rates over time."""

from fastapi import APIRouter, Request, Response

from central_server.api.access import CentreNow, Reader
from central_server.api.answers import CSV_OR_JSON, WantsCsv, as_csv, as_json, problems, tagged
from central_server.api.sites import SiteInPath
from central_server.database import series
from central_server.database.sites import site_named
from central_server.views import rates
from central_server.views.tables import rate_csv
from central_server.views.timeline import timeline
from shared.read_models import RateSeries

router = APIRouter(tags=["rates"])


@router.get(
    "/sites/{site}/rates",
    summary="Read the three rates over time",
    response_model=RateSeries,
    responses={**CSV_OR_JSON, **problems(401, 404, 422)},
)
def read_rates(request: Request, site: SiteInPath, centre: CentreNow, _: Reader, csv: WantsCsv) -> Response:
    """Flagged, reviewed and estimated, each under its own name; also as CSV."""
    with centre.database.read() as session:
        row = site_named(session, site)

        def make() -> tuple[str, str]:
            found = rates.series(
                timeline(series.windows(session, row.id, with_rates=True), site, series.MAIN_STRATUM),
                series.event_rows(session, row.id, rates.FLAGGED_EVENT),
                series.in_force(series.latest_window(session, row.id), series.baselines(session, row.id)),
            )
            return as_csv(rate_csv(found)) if csv else as_json(found)

        return tagged(request, (series.newest_row_id(session, row.id), csv), make)
