"""One site: its state, its alerts, its rates, the evidence of change, and every quantity over time.

The parts are refreshed by themselves, so that a slow or failing one leaves the others standing. What the address names
(`?quantity=`, `?window=`, `?stratum=`) is chosen when the page opens, and the address follows what a person chooses.
"""

from dataclasses import dataclass
from datetime import datetime

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard.client import CentralClient, CentralForPerson
from dashboard.components import quantities, rates_panel, site_head
from dashboard.components.alert_cards import ages, cards, sorted_by_need
from dashboard.components.basics import chart, nothing_here, panel, trouble
from dashboard.errors import CentralUnreachable, NotFound, UnreadableAnswer
from dashboard.figures import evidence, rates
from dashboard.figures.chart import Figure
from dashboard.figures.common import marks_of
from dashboard.pages import site_quantities
from dashboard.pages.parts import KEEP, as_of, digest, rests_while_asking, take_back_banner
from dashboard.session import signed_in
from dashboard.wording import plural
from shared.clock import Clock
from shared.read_models import AlertView, DetectorSeries, RateSeries, SiteDetail

PATH = "/sites/<site>"
NAME = "Site"
ORDER = 10
TICKERS = ("site", *site_quantities.TICKERS)


@dataclass(frozen=True)
class SiteAnswers:
    """What the centre answered about a site, quantities left out."""

    detail: SiteDetail
    alerts: tuple[AlertView, ...]
    rates: RateSeries
    detectors: tuple[DetectorSeries, ...]

    def name(self, now: datetime) -> str:
        """Changes exactly when a chart or a card has to be drawn again."""
        told = [*self.alerts, self.rates, *self.detectors, *self.detail.rates, self.detail.funnel]
        return digest([*told, *ages(self.alerts, now)])


def ask(central: CentralForPerson, site: str) -> SiteAnswers:
    """Four questions about one site.

    Raises:
        NotFound: there is no such site.
    """
    return SiteAnswers(central.site(site), central.alerts(site=site), central.rates(site), central.detectors(site))


def layout(site: str, quantity: str | None = None, window: str | None = None, stratum: str = "all") -> Component:
    """The frame of the page with the choices that the address names."""
    return html.Div(
        [
            dcc.Store(id="site-name", data=site),
            dcc.Store(id="site-digest"),
            html.Div(id="site-banner"),
            html.Div(id="site-head"),
            html.Div(id="site-alerts"),
            panel(
                "Three rates, three names",
                [
                    html.Div(id="site-rate-cards"),
                    html.H3("Flagged rate over time"),
                    chart(rates.HEIGHT, name="site-rates"),
                ],
                note="Latest window. A predicted failure is no failure yet: read the rate with the trust beside it.",
            ),
            panel(
                "Evidence of change",
                html.Div(id="site-evidence"),
                note="One line a detector; each adds up, case by case, what speaks against “as in the baseline”.",
            ),
            *site_quantities.layout(quantity, window, stratum),
            html.Div(id="site-funnel"),
        ],
        id="site-page",
        className="waiting",
    )


def head(found: SiteAnswers, now: datetime) -> list[Component | None]:
    """The head, with the time of this look, and what is awaited."""
    fresh = html.Span(as_of(now), className="as-of")
    return [fresh, site_head.head(found.detail, now), site_head.awaiting(found.detail.overview)]


def alert_section(alerts: tuple[AlertView, ...], now: datetime) -> Component:
    """Unresolved alerts as cards; the resolved ones folded away."""
    ordered = sorted_by_need(alerts)
    unresolved = [alert for alert in ordered if alert.state != "resolved"]
    resolved = [alert for alert in ordered if alert.state == "resolved"]
    shown: list[Component] = [cards(unresolved, now, names_site=False)] if unresolved else []
    if resolved:
        title = html.Summary(plural(len(resolved), "resolved alert"))
        shown.append(html.Details([title, cards(resolved, now, names_site=False)], className="older"))
    return panel("Alerts", shown, note=None if unresolved else "None is open at this site.", name="alerts")


def rate_cards(found: SiteAnswers) -> Component:
    """The three rates of the latest window and how well the flag works."""
    return rates_panel.rates_and_trust(found.detail.rates)


def rates_figure(found: SiteAnswers) -> Figure:
    """The flagged rate, with the alerts that concern it."""
    return rates.flagged_over_time(found.rates, marks_of(found.alerts, "flagged"))


def evidence_section(found: SiteAnswers) -> Component:
    """All detectors, with every alert that a quantity has raised, and what the alarm line promises."""
    thresholds = sorted({series.log_threshold for series in found.detectors})
    meaning = " ".join(evidence.meaning_of(threshold) for threshold in thresholds)
    return quantities.evidence_panel(found.detectors, found.alerts, evidence.HEIGHT, meaning)


def processing(found: SiteAnswers) -> Component:
    """What became of the series that arrived."""
    return panel("Processing in the latest window", site_head.funnel(found.detail.funnel))


def register(app: Dash, client: CentralClient, clock: Clock, refresh_s: float) -> None:
    """Wire the page to the clock tick and to actions."""
    site_quantities.register(app, client, clock)

    @app.callback(
        Output("site-banner", "children"),
        Output("site-head", "children"),
        Output("site-alerts", "children"),
        Output("site-rates", "figure"),
        Output("site-rate-cards", "children"),
        Output("site-evidence", "children"),
        Output("site-funnel", "children"),
        Output("site-digest", "data"),
        Output("site-page", "className"),
        Input("site-tick", "n_intervals"),
        Input("changed", "data"),
        State("site-name", "data"),
        State("site-digest", "data"),
        **rests_while_asking("site"),
    )
    def refresh(_: object, __: object, site: str, known: str | None) -> tuple[object, ...]:
        try:
            found = ask(signed_in(client, clock), site)
        except NotFound:
            words = nothing_here("There is no such site.", "The address may be mistyped; the overview lists all sites.")
            return (None, words, *(KEEP,) * 6, "only-head")
        except (CentralUnreachable, UnreadableAnswer) as error:
            return (trouble(str(error), refresh_s), *(KEEP,) * 8)
        take_back_banner()
        now = clock()
        name = found.name(now)
        if name == known:
            return (None, head(found, now), *(KEEP,) * 7)
        return (
            None,
            head(found, now),
            alert_section(found.alerts, now),
            rates_figure(found),
            rate_cards(found),
            evidence_section(found),
            processing(found),
            name,
            "only-head" if found.detail.report_count == 0 else "",
        )
