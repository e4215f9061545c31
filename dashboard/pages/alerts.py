"""The alerts of all sites, with their evidence and history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard.client import CentralClient, CentralForPerson
from dashboard.components.alert_cards import ages, cards, sorted_by_need
from dashboard.components.basics import aria, nothing_here, trouble
from dashboard.errors import CentralUnreachable, NotFound, UnreadableAnswer
from dashboard.pages.parts import KEEP, as_of, digest, rests_while_asking, take_back_banner, title_row
from dashboard.session import signed_in
from dashboard.wording import plural
from shared.clock import Clock
from shared.read_models import AlertState, AlertView

PATH = "/alerts"
NAME = "Alerts"
ORDER = 2
TICKERS = ("alerts",)

FILTERS: dict[str, tuple[str, tuple[AlertState, ...]]] = {
    "unresolved": ("Unresolved", ("firing", "acknowledged")),
    "firing": ("Open", ("firing",)),
    "acknowledged": ("Acknowledged", ("acknowledged",)),
    "resolved": ("Resolved", ("resolved",)),
}
DEFAULT = "unresolved"


@dataclass(frozen=True)
class Asked:
    """What the address asks for: one alert, or the alerts in some states."""

    shown: str
    alert_id: str | None


def asked_by(search: str | None) -> Asked:
    """Read the address; an unknown filter means the default one."""
    query = parse_qs((search or "").lstrip("?"))
    shown = query.get("state", [DEFAULT])[0]
    return Asked(shown if shown in FILTERS else DEFAULT, query.get("alert", [None])[0])


def layout() -> Component:
    """The frame of the page."""
    return html.Div(
        [
            html.Div(id="alerts-banner"),
            title_row("Alerts", "alerts-as-of"),
            html.Div(id="alerts-filters"),
            html.Div(id="alerts-list"),
            dcc.Store(id="alerts-digest"),
        ]
    )


def ask(central: CentralForPerson, asked: Asked) -> list[AlertView]:
    """The alerts that the address asks for; none where it names one that does not exist."""
    if asked.alert_id is not None:
        try:
            return [central.alert(asked.alert_id)]
        except NotFound:
            return []
    return sorted_by_need([alert for state in FILTERS[asked.shown][1] for alert in central.alerts(state=state)])


def filters(asked: Asked) -> Component:
    """Links that choose which alerts are listed."""
    chosen = None if asked.alert_id else asked.shown
    links = [
        dcc.Link(
            word,
            href=f"{PATH}?state={key}",
            className="filter filter-chosen" if key == chosen else "filter",
        )
        for key, (word, _) in FILTERS.items()
    ]
    only = [html.Span("one alert", className="filter filter-chosen")] if asked.alert_id else []
    return html.Nav([*links, *only], className="filters", **aria(label="Which alerts"))


def listing(alerts: Sequence[AlertView], now: datetime, asked: Asked) -> Component:
    """The cards, or in words why there is none."""
    if alerts:
        number = html.P(plural(len(alerts), "alert"), className="muted list-count")
        return html.Div([number, cards(alerts, now, names_site=True)])
    if asked.alert_id:
        return nothing_here("There is no such alert.", "The address may be mistyped; choose a list above.")
    if asked.shown in (DEFAULT, "firing"):
        return nothing_here(
            "No alert is open.",
            "An alert opens when a site's detector crosses its alarm line, or when a site falls silent. The overview "
            "says which sites cannot raise one yet because they are still warming up.",
        )
    return nothing_here(f"No alert is {FILTERS[asked.shown][0].lower()}.", "Choose another list above.")


def register(app: Dash, client: CentralClient, clock: Clock, refresh_s: float) -> None:
    """Wire the page to the clock tick, to actions, and to the chosen list."""

    @app.callback(
        Output("alerts-filters", "children"),
        Output("alerts-list", "children"),
        Output("alerts-digest", "data"),
        Output("alerts-banner", "children"),
        Output("alerts-as-of", "children"),
        Input("alerts-tick", "n_intervals"),
        Input("changed", "data"),
        Input("url", "search"),
        State("alerts-digest", "data"),
        **rests_while_asking("alerts"),
    )
    def refresh(_: object, __: object, search: str | None, known: str | None) -> tuple[object, ...]:
        asked = asked_by(search)
        try:
            alerts = ask(signed_in(client, clock), asked)
        except (CentralUnreachable, UnreadableAnswer) as error:
            return KEEP, KEEP, KEEP, trouble(str(error), refresh_s), KEEP
        take_back_banner()
        now = clock()
        name = digest([search or "", *alerts, *ages(alerts, now)])
        if name == known:
            return KEEP, KEEP, KEEP, None, as_of(now)
        return filters(asked), listing(alerts, now, asked), name, None, as_of(now)
