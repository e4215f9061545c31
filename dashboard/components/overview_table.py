"""The table of sites: one row a site, sorted by who needs a person soonest. Cells are drawn by `assets/grid.js`."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import dash_ag_grid as dag

from dashboard.components.states import SITE_STATES
from dashboard.wording import age, count, moment, percent, plural, range_of, rate, span
from shared.read_models import RateView, SiteOverview

TABLE_ID = "sites-table"
ROWS_A_PAGE = 50
Row = dict[str, Any]

THEME = (
    "themeQuartz.withParams({fontFamily: 'inherit', fontSize: 13, headerFontSize: 12, headerFontWeight: 600, "
    "foregroundColor: '#1B2733', headerTextColor: '#5A6877', headerBackgroundColor: '#FFFFFF', borderColor: '#E1E7ED', "
    "rowHoverColor: '#F3F7FB', accentColor: '#0B5CAD', wrapperBorder: false, cellHorizontalPadding: 10, "
    "columnBorder: false})"
)


def sorted_by_need(sites: Iterable[SiteOverview]) -> list[SiteOverview]:
    """Who needs a person soonest comes first; equal needs by title."""
    return sorted(sites, key=lambda site: (site.action_rank, -site.open_alert_count, site.title.lower(), site.site))


def rows(sites: Iterable[SiteOverview], now: datetime) -> list[Row]:
    """The table's rows: words made here, so that the browser only draws them."""
    return [_row(place, site, now) for place, site in enumerate(sorted_by_need(sites))]


def _row(place: int, site: SiteOverview, now: datetime) -> Row:
    look = SITE_STATES[site.state]
    return {
        "site": site.site,
        "title": site.title,
        "href": f"/sites/{site.site}",
        "place": place,
        "slug": site.site if site.title != site.site else "",
        "state": look.word,
        "icon": look.icon,
        "tone": look.tone,
        "meaning": look.meaning,
        "action": site.action,
        "alerts": site.open_alert_count,
        "alerts_text": plural(site.open_alert_count, "open alert") if site.open_alert_count else "none",
        **_freshness(site, now),
        **_window(site),
        **_flagged(site.flagged_rate),
        **_made_with(site),
    }


def _freshness(site: SiteOverview, now: datetime) -> Row:
    seen = site.last_seen_at
    return {
        "seen_s": None if seen is None else max(0.0, (now - seen).total_seconds()),
        "seen": age(seen, now),
        "seen_tone": "silent" if site.state in ("silent", "never_seen") else "quiet",
        "report": f"report {age(site.last_report_at, now)}" if site.last_report_at else "no report yet",
        "seen_hint": f"Last sign of life: {moment(seen) if seen else 'never'}",
    }


def _window(site: SiteOverview) -> Row:
    patients = site.latest_patient_count
    suppressed = site.latest_window is not None and patients is None
    return {
        "n": patients,
        "n_text": "too few" if suppressed else "none yet" if patients is None else f"{patients:,}",
        "n_hint": span(site.latest_window) if site.latest_window else "No window has been reported yet.",
    }


def _flagged(view: RateView) -> Row:
    if view.answer != "ok" or view.interval is None:
        words = "insufficient data" if view.answer == "ok" else rate(view)
        return {"flagged": None, "flagged_text": words, "flagged_range": "", "flagged_low": None, "flagged_high": None}
    of = "" if view.out_of is None else f"{count(view.count)} of {view.out_of:,} cases; "
    return {
        "flagged": view.interval.estimate,
        "flagged_text": percent(view.interval.estimate),
        "flagged_range": range_of(view.interval),
        "flagged_low": view.interval.low,
        "flagged_high": view.interval.high,
        "flagged_hint": f"{of}95 % interval of sampling alone ({view.interval.method})",
    }


def _made_with(site: SiteOverview) -> Row:
    baseline, versions = site.baseline, site.versions
    return {
        "baseline": "not frozen yet"
        if baseline is None
        else f"v{baseline.version}, {plural(baseline.patient_count, 'patient')}",
        "baseline_hint": "" if baseline is None else f"{baseline.case_count:,} cases, {span(baseline.window)}",
        "versions": "" if versions is None else f"model {versions.model}, agent {versions.agent}",
    }


def _columns() -> list[Row]:
    return [
        {"field": "title", "headerName": "Site", "cellRenderer": "SiteCell", "flex": 16, "minWidth": 124},
        {"field": "state", "headerName": "State", "cellRenderer": "StateCell", "width": 138,
         "comparator": {"function": "byPlace(valueA, valueB, nodeA, nodeB)"}},
        {"field": "action", "headerName": "What to do", "cellRenderer": "ActionCell", "flex": 22, "minWidth": 130,
         "sortable": False},
        {"field": "alerts", "headerName": "Alerts", "cellRenderer": "AlertsCell", "width": 80,
         "headerTooltip": "Alerts that nobody has resolved"},
        {"field": "seen_s", "headerName": "Last seen", "cellRenderer": "SeenCell", "width": 130},
        {"field": "n", "headerName": "Patients", "cellRenderer": "PatientsCell", "width": 80,
         "headerTooltip": "Distinct patients in the latest window"},
        {"field": "flagged", "headerName": "Flagged rate", "cellRenderer": "FlaggedCell", "flex": 14, "minWidth": 150,
         "maxWidth": 210, "headerTooltip": "Latest window; predicted failures, 95 % interval of sampling alone"},
        {"field": "baseline", "headerName": "Baseline", "cellRenderer": "MadeWithCell", "flex": 14, "minWidth": 130},
    ]  # fmt: skip


def class_of(row_count: int) -> str:
    """How the table looks: hidden while it is empty, without a pager while all rows fit on one page."""
    if row_count == 0:
        return "sites-table no-rows"
    return "sites-table one-page" if row_count <= ROWS_A_PAGE else "sites-table"


def table() -> dag.AgGrid:
    """The empty table; its rows come with the first look at the centre."""
    return dag.AgGrid(
        id=TABLE_ID,
        columnDefs=_columns(),
        rowData=[],
        getRowId="params.data.site",
        className=class_of(0),
        defaultColDef={"resizable": True, "sortable": True, "suppressMovable": True, "autoHeaderHeight": True},
        dashGridOptions={
            "domLayout": "autoHeight",
            "rowHeight": 52,
            "headerHeight": 38,
            "suppressCellFocus": False,
            "enableCellTextSelection": True,
            "tooltipShowDelay": 300,
            "suppressNoRowsOverlay": True,
            "theme": {"function": THEME},
            "animateRows": False,
            "pagination": True,
            "paginationPageSize": ROWS_A_PAGE,
            "paginationPageSizeSelector": False,
        },
        style={"height": None, "width": "100%"},
    )
