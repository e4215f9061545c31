"""The head of a site's page: its state, the next step, how fresh it is, and what its numbers were made with."""

from datetime import datetime

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components.basics import badge, fact, facts, notice, when
from dashboard.components.states import SITE_STATES
from dashboard.wording import count, moment, plural, span
from shared.read_models import SiteDetail, SiteOverview
from shared.report import Funnel


def head(detail: SiteDetail, now: datetime) -> Component:
    """Name, state, next step and the facts that the numbers below depend on."""
    site = detail.overview
    look = SITE_STATES[site.state]
    return html.Div(
        [
            html.Div([dcc.Link("All sites", href="/", className="crumb"), html.Span("/", className="crumb")]),
            html.Div(
                [
                    html.H1(site.title),
                    badge(look),
                    html.Code(site.site, className="slug") if site.title != site.site else None,
                ],
                className="site-title",
            ),
            html.P([html.Strong("What to do: "), site.action], className=f"site-action edge-{look.tone}"),
            facts(_facts(detail, now)),
        ],
        className="site-head",
    )


def _facts(detail: SiteDetail, now: datetime) -> list[Component]:
    site = detail.overview
    baseline, versions = site.baseline, site.versions
    return [
        fact("Last sign of life", when(site.last_seen_at, now)),
        fact("Last report", when(site.last_report_at, now)),
        fact("Latest window", span(site.latest_window) if site.latest_window else "none yet"),
        fact("Patients in it", _patients(site)),
        fact("Site baseline", "not frozen yet" if baseline is None else _baseline(site)),
        fact("Model", "not known" if versions is None else f"{versions.backend} {versions.model}"),
        fact("Agent", "not known" if versions is None else versions.agent),
        fact("Reports", f"{detail.report_count:,}, of these {detail.suppressed_count:,} suppressed"),
        fact(
            "Privacy rule", "not known" if detail.privacy is None else f"at least {detail.privacy.k} patients a window"
        ),
    ]


def _patients(site: SiteOverview) -> str:
    if site.latest_patient_count is not None:
        return f"{site.latest_patient_count:,}"
    return "suppressed: too few patients" if site.latest_window else "none yet"


def _baseline(site: SiteOverview) -> list[Component | str]:
    baseline = site.baseline
    if baseline is None:
        return []
    text = f"v{baseline.version}, {plural(baseline.patient_count, 'patient')}"
    return [text, html.Span(f"frozen {moment(baseline.window.end_at)}", className="fact-note")]


def awaiting(site: SiteOverview) -> Component | None:
    """What is being waited for at a site that cannot be judged yet."""
    if site.state == "never_seen":
        return notice(
            "silent",
            "This site is registered, but its agent has not called yet.",
            "Awaited: the first sign of life. Check with the site that the agent runs and holds its site key.",
            "unplugged",
        )
    if site.baseline is None:
        return notice(
            "info",
            "This site is warming up.",
            "Awaited: enough distinct patients for its baseline, which the site then freezes. How many it already "
            "has is known to the site alone. Until then nothing is compared and no detector runs.",
            "hourglass",
        )
    return None


def funnel(found: Funnel | None) -> Component:
    """What became of the series that arrived in the latest window."""
    if found is None:
        return html.P("The latest window does not say how many series arrived.", className="muted")
    steps = (
        ("Received", found.received),
        ("Refused", found.refused),
        ("Failed", found.failed),
        ("Scored", found.scored),
    )
    reasons = [
        html.Li(f"{reason.replace('_', ' ')}: {count(number)}")
        for reason, number in sorted(found.refused_by_reason.items())
    ]
    return html.Div(
        [
            facts([fact(label, count(number)) for label, number in steps]),
            html.Div([html.P("Refused because:", className="muted"), html.Ul(reasons)]) if reasons else None,
        ],
        className="funnel",
    )
