"""What the overview needs of every site, in a handful of queries however many sites there are."""

from sqlalchemy.orm import Session

from central_server.database import alerts, series, sites
from central_server.database.tables import SiteRow
from central_server.views.overview import SiteFacts
from central_server.views.rates import FLAGGED_EVENT


def facts_of_sites(session: Session, only: SiteRow | None = None) -> list[SiteFacts]:
    """The facts of all sites, by name, or of one."""
    site_id = only.id if only else None
    windows = series.latest_of_each_site(session, "window", site_id)
    baselines = series.latest_of_each_site(session, "baseline", site_id)
    flagged = series.events_of_reports(session, (row.id for row in windows.values()), FLAGGED_EVENT)
    arrivals = series.last_arrivals(session, site_id)
    open_alerts = alerts.open_alerts(session, site_id)
    found = []
    for site in [only] if only else sites.all_sites(session):
        window, newest = windows.get(site.id), baselines.get(site.id)
        known = {newest.baseline_version or 0: newest} if newest else {}
        if window and window.baseline_version is not None and window.baseline_version not in known:
            known = series.baselines(session, site.id)  # the site went back to an older model
        found.append(
            SiteFacts(
                site=site,
                window=window,
                flagged=flagged.get(window.id) if window else None,
                baseline=series.in_force(window, known),
                arrived=arrivals.get(site.id),
                alerts=open_alerts.get(site.id, []),
            )
        )
    return found
