"""Quantities over time."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from central_server.api.access import CentreNow, Reader
from central_server.api.answers import CSV_OR_JSON, WantsCsv, as_csv, as_json, problems, tagged
from central_server.api.sites import SiteInPath
from central_server.database import series
from central_server.database.sites import site_named
from central_server.views import metrics
from central_server.views.tables import metric_csv
from central_server.views.timeline import timeline
from shared.read_models import MetricInfo, MetricSeries

router = APIRouter(tags=["metrics"])

MetricInPath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="Name of the quantity.")]
StratumQuery = Annotated[
    str, Query(pattern=r"^(all|[a-z_]{1,32}=[a-z0-9_.-]{1,32})$", description="`all`, or one attribute and its value.")
]


@router.get("/sites/{site}/metrics", summary="List a site's quantities", responses=problems(401, 404, 422))
def list_metrics(site: SiteInPath, centre: CentreNow, _: Reader) -> list[MetricInfo]:
    """Every quantity that the site has reported, as it describes it."""
    with centre.database.read() as session:
        row = site_named(session, site)
        return [metrics.info(metric) for metric in series.metrics_of_site(session, row.id)]


@router.get(
    "/sites/{site}/metrics/{metric}",
    summary="Read a quantity over time",
    response_model=MetricSeries,
    responses={**CSV_OR_JSON, **problems(401, 404, 422)},
)
def read_metric(
    request: Request,
    site: SiteInPath,
    metric: MetricInPath,
    centre: CentreNow,
    _: Reader,
    csv: WantsCsv,
    stratum: StratumQuery = "all",
) -> Response:
    """All windows with their histogram and percentiles, beside the site's own baseline; also as CSV."""
    with centre.database.read() as session:
        row = site_named(session, site)

        def make() -> tuple[str, str]:
            about = series.metric_named(session, row.id, metric)
            baselines = series.baselines(session, row.id, stratum)
            found = metrics.series(
                metrics.info(about),
                timeline(series.windows(session, row.id), site, stratum),
                series.metric_rows(session, row.id, stratum, metric),
                baselines,
                series.in_force(series.latest_window(session, row.id), baselines),
            )
            return as_csv(metric_csv(found)) if csv else as_json(found)

        return tagged(request, (series.newest_row_id(session, row.id), csv), make)
