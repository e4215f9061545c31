"""What charts are made of: the windows and baselines of one site, and the summaries that belong to them."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, load_only, undefer

from central_server.database.tables import DetectorRow, EventRow, MetricRow, ReportRow, SiteRow
from central_server.errors import NotFound

MAIN_STRATUM = "all"


def _newest_revisions(rows: Iterable[ReportRow]) -> list[ReportRow]:
    """One row a place: a later revision stands for the earlier ones."""
    places = {
        (row.stratum, row.window_index, row.baseline_version if row.kind == "baseline" else 0): row for row in rows
    }
    return list(places.values())


_PLACE = (
    ReportRow.report_id,
    ReportRow.kind,
    ReportRow.status,
    ReportRow.stratum,
    ReportRow.window_index,
    ReportRow.start_at,
    ReportRow.end_at,
    ReportRow.revision,
    ReportRow.baseline_version,
)
_RATES = (ReportRow.flag_quality, ReportRow.reviews)


def windows(session: Session, site_id: int, *, with_rates: bool = False) -> list[ReportRow]:
    """All windows of the site in every stratum, oldest first, newest revision each; only what charts need of them."""
    wanted = (*_PLACE, *_RATES) if with_rates else _PLACE
    query = (
        select(ReportRow)
        .where(ReportRow.site_id == site_id, ReportRow.kind == "window")
        .order_by(ReportRow.window_index, ReportRow.revision)
        .options(load_only(*wanted, raiseload=True))
    )
    return _newest_revisions(session.scalars(query))


def history(session: Session, site_id: int, latest_index: int, most: int) -> list[ReportRow]:
    """The last windows of the whole site up to a number, oldest first, with the bytes that were received."""
    query = (
        select(ReportRow)
        .where(
            ReportRow.site_id == site_id,
            ReportRow.kind == "window",
            ReportRow.stratum == MAIN_STRATUM,
            ReportRow.window_index <= latest_index,
        )
        .order_by(ReportRow.window_index.desc(), ReportRow.revision.desc())
        .limit(most)
        .options(undefer(ReportRow.body))
    )
    return _newest_revisions(reversed(session.scalars(query).all()))


def pages_before(session: Session, site_id: int, index: int, baseline_version: int | None) -> int:
    """The sum of all pages that the detectors of this baseline had told in the released window before this one."""
    query = (
        select(ReportRow)
        .where(
            ReportRow.site_id == site_id,
            ReportRow.kind == "window",
            ReportRow.stratum == MAIN_STRATUM,
            ReportRow.status == "released",
            ReportRow.baseline_version == baseline_version,
            ReportRow.window_index < index,
        )
        .order_by(ReportRow.window_index.desc(), ReportRow.revision.desc())
        .limit(1)
    )
    before = session.scalar(query)
    return sum(row.state["pages_total"] for row in before.detectors) if before else 0


def baselines(session: Session, site_id: int, stratum: str = MAIN_STRATUM) -> dict[int, ReportRow]:
    """The site's frozen baselines of this stratum by version; each at its newest revision."""
    query = (
        select(ReportRow)
        .where(ReportRow.site_id == site_id, ReportRow.kind == "baseline", ReportRow.stratum == stratum)
        .order_by(ReportRow.baseline_version, ReportRow.revision)
    )
    return {row.baseline_version: row for row in session.scalars(query) if row.baseline_version is not None}


def in_force(window: ReportRow | None, known: Mapping[int, ReportRow]) -> ReportRow | None:
    """The baseline that the latest window is compared with, of those known by version.

    None while the site collects its first, and again under a new model until the next is frozen: an older one is not
    what its windows are compared with. The last windows of a warm-up, which arrive beside the baseline that they made
    up, do not count as such.
    """
    newest = known.get(max(known, default=0))
    if window is None or newest is None:
        return newest
    if window.baseline_version is None:
        return None if window.end_at > newest.end_at else newest
    return known.get(window.baseline_version)


def latest_window(session: Session, site_id: int) -> ReportRow | None:
    """The latest window of the whole site."""
    return latest_of_each_site(session, "window", site_id).get(site_id)


_LATEST_FIRST = (ReportRow.window_index.desc(), ReportRow.revision.desc(), MetricRow.id.desc())
"""By window and not by arrival: a late report of an older definition describes the past."""


def metric_named(session: Session, site_id: int, metric: str) -> MetricRow:
    """The quantity as the site described it in its latest window.

    Raises:
        NotFound: the site never reported this quantity.
    """
    query = (
        select(MetricRow)
        .join(ReportRow, ReportRow.id == MetricRow.report_row_id)
        .where(ReportRow.site_id == site_id, MetricRow.name == metric)
        .order_by(*_LATEST_FIRST)
        .limit(1)
    )
    row = session.scalar(query)
    if row is None:
        raise NotFound("The site has never reported this quantity.")
    return row


def metric_rows(session: Session, site_id: int, stratum: str, metric: str) -> dict[int, MetricRow]:
    """The summaries of one quantity by the row id of their report."""
    query = (
        select(MetricRow)
        .join(ReportRow, ReportRow.id == MetricRow.report_row_id)
        .where(ReportRow.site_id == site_id, ReportRow.stratum == stratum, MetricRow.name == metric)
    )
    return {row.report_row_id: row for row in session.scalars(query)}


def metrics_of_site(session: Session, site_id: int) -> list[MetricRow]:
    """Each quantity that the site has reported, as it described it in its latest window, by name."""
    place = func.row_number().over(partition_by=MetricRow.name, order_by=_LATEST_FIRST).label("place")
    placed = (
        select(MetricRow.id, place)
        .join(ReportRow, ReportRow.id == MetricRow.report_row_id)
        .where(ReportRow.site_id == site_id)
        .subquery()
    )
    newest = select(placed.c.id).where(placed.c.place == 1)
    return list(session.scalars(select(MetricRow).where(MetricRow.id.in_(newest)).order_by(MetricRow.name)))


def event_rows(session: Session, site_id: int, event: str) -> dict[int, EventRow]:
    """How often `event` happened, by the row id of the report, over windows and baselines of the whole site."""
    query = (
        select(EventRow)
        .join(ReportRow, ReportRow.id == EventRow.report_row_id)
        .where(ReportRow.site_id == site_id, ReportRow.stratum == MAIN_STRATUM, EventRow.name == event)
    )
    return {row.report_row_id: row for row in session.scalars(query)}


def detector_rows(session: Session, site_id: int) -> dict[int, list[DetectorRow]]:
    """The detectors' states by the row id of the report."""
    query = (
        select(DetectorRow)
        .join(ReportRow, ReportRow.id == DetectorRow.report_row_id)
        .where(ReportRow.site_id == site_id, ReportRow.stratum == MAIN_STRATUM)
        .order_by(DetectorRow.id)
    )
    found: dict[int, list[DetectorRow]] = {}
    for row in session.scalars(query):
        found.setdefault(row.report_row_id, []).append(row)
    return found


def _newest_of_each_site(kind: str, site_id: int | None) -> Select[tuple[int]]:
    """Walks the index once a site instead of reading all reports."""
    newest = (
        select(ReportRow.id)
        .where(ReportRow.site_id == SiteRow.id, ReportRow.kind == kind, ReportRow.stratum == MAIN_STRATUM)
        .order_by(ReportRow.window_index.desc(), ReportRow.revision.desc(), ReportRow.id.desc())
        .limit(1)
        .correlate(SiteRow)
        .scalar_subquery()
    )
    return _only(select(newest).select_from(SiteRow), site_id)


def _only(query: Select[tuple[int]], site_id: int | None) -> Select[tuple[int]]:
    return query if site_id is None else query.where(SiteRow.id == site_id)


def latest_of_each_site(session: Session, kind: str, site_id: int | None = None) -> dict[int, ReportRow]:
    """The latest window, or the latest baseline, of every site (or of one), by the site's row id."""
    query = select(ReportRow).where(ReportRow.id.in_(_newest_of_each_site(kind, site_id)))
    return {row.site_id: row for row in session.scalars(query)}


def last_arrivals(session: Session, site_id: int | None = None) -> dict[int, ReportRow]:
    """The report that arrived last from every site (or from one), by the site's row id."""
    newest = select(func.max(ReportRow.id)).where(ReportRow.site_id == SiteRow.id).correlate(SiteRow).scalar_subquery()
    ids = _only(select(newest).select_from(SiteRow), site_id)
    return {row.site_id: row for row in session.scalars(select(ReportRow).where(ReportRow.id.in_(ids)))}


def events_of_reports(session: Session, report_row_ids: Iterable[int], event: str) -> dict[int, EventRow]:
    """How often `event` happened in these reports."""
    query = select(EventRow).where(EventRow.report_row_id.in_(list(report_row_ids)), EventRow.name == event)
    return {row.report_row_id: row for row in session.scalars(query)}


def counts_of_reports(session: Session, site_id: int) -> tuple[int, int]:
    """How many reports the site has sent, and how many of them were suppressed."""
    query = select(ReportRow.status, func.count()).where(ReportRow.site_id == site_id).group_by(ReportRow.status)
    counts = {row[0]: row[1] for row in session.execute(query)}
    return sum(counts.values()), counts.get("suppressed", 0)


def newest_row_id(session: Session, site_id: int) -> int:
    """Grows with each report of the site: what a cached answer depends on."""
    return session.scalar(select(func.max(ReportRow.id)).where(ReportRow.site_id == site_id)) or 0
