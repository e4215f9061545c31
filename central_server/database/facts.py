"""What the overview needs of every site, in a handful of queries however many sites there are."""

from sqlalchemy.orm import Session

from central_server.database import alerts, series, sites
from central_server.views.overview import SiteFacts
from central_server.views.rates import FLAGGED_EVENT


def facts_of_sites(session: Session) -> list[SiteFacts]:
    """The facts of all sites, by name."""
    windows = series.latest_of_each_site(session, "window")
    baselines = series.latest_of_each_site(session, "baseline")
    flagged = series.events_of_reports(session, (row.id for row in windows.values()), FLAGGED_EVENT)
    arrivals = series.last_arrivals(session)
    open_alerts = alerts.open_alerts(session)
    found = []
    for site in sites.all_sites(session):
        window = windows.get(site.id)
        found.append(
            SiteFacts(
                site=site,
                window=window,
                flagged=flagged.get(window.id) if window else None,
                baseline=baselines.get(site.id),
                last_report_at=arrivals.get(site.id),
                alerts=open_alerts.get(site.id, []),
            )
        )
    return found
