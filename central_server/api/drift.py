"""Drift of a quantity against the site's own baseline: shown with its null bands, never paging."""

from fastapi import APIRouter, Request, Response

from central_server.api.access import CentreNow, Reader
from central_server.api.answers import as_json, problems, tagged
from central_server.api.metrics import MetricInPath, StratumQuery
from central_server.api.sites import SiteInPath
from central_server.database import series
from central_server.database.sites import site_named
from central_server.views import drift, metrics
from central_server.views.timeline import timeline
from shared.read_models import DriftSeries

router = APIRouter(tags=["drift"])


@router.get(
    "/sites/{site}/drift/{metric}",
    summary="Read a quantity's drift over time",
    response_model=DriftSeries,
    responses={304: {"description": "The caller has this answer already"}, **problems(401, 404, 422)},
)
def read_drift(
    request: Request,
    site: SiteInPath,
    metric: MetricInPath,
    centre: CentreNow,
    _: Reader,
    stratum: StratumQuery = "all",
) -> Response:
    """Each window against the baseline in force at its time, each distance with where it lies by chance alone."""
    with centre.database.read() as session:
        row = site_named(session, site)

        def make() -> tuple[str, str]:
            found = drift.series(
                metrics.info(series.metric_named(session, row.id, metric)),
                timeline(series.windows(session, row.id), site, stratum),
                series.metric_rows(session, row.id, stratum, metric),
                series.baselines(session, row.id, stratum),
            )
            return as_json(found)

        return tagged(request, series.newest_row_id(session, row.id), make)
