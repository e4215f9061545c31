"""The overview: every site, sorted by who needs a person soonest."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from dash import Dash, Input, Output, html
from dash.development.base_component import Component

from dashboard.client import CentralClient, CentralForPerson
from dashboard.components import headline, overview_table
from dashboard.components.basics import nothing_here, trouble
from dashboard.errors import CentralUnreachable, UnreadableAnswer
from dashboard.pages.parts import KEEP, as_of, rests_while_asking, take_back_banner, title_row
from dashboard.session import signed_in
from shared.clock import Clock

PATH = "/"
NAME = "Overview"
ORDER = 1
TICKERS = ("overview",)


@dataclass(frozen=True)
class Overview:
    """What the page shows."""

    strip: Component
    rows: list[overview_table.Row]
    nothing: Component | None


def layout() -> Component:
    """The frame of the page; numbers come with the first look at the centre."""
    return html.Div(
        [
            html.Div(id="overview-banner"),
            title_row("Sites", "overview-as-of"),
            html.Div(id="overview-strip", className="strip-holder"),
            overview_table.table(),
            html.Div(id="overview-nothing"),
        ]
    )


def look(central: CentralForPerson, now: datetime, group: str | None) -> Overview:
    """Ask the centre for all sites and say what the page shows of them."""
    sites = central.sites()
    chosen = headline.in_group(sites, group)
    return Overview(headline.strip(sites, group), overview_table.rows(chosen, now), _nothing(len(sites), len(chosen)))


def group_of(search: str | None) -> str | None:
    """Which group of the headline strip the address asks for."""
    return parse_qs((search or "").lstrip("?")).get("show", [None])[0]


def _nothing(all_sites: int, shown: int) -> Component | None:
    if all_sites == 0:
        return nothing_here(
            "No site takes part yet.",
            "Awaited: the first site. Register it at the central server with “central-server sites add NAME”, give the "
            "hospital its key, and it appears here with its agent's first call.",
        )
    return None if shown else nothing_here("No site is in this state.", "Choose “All sites” to see the others.")


def register(app: Dash, client: CentralClient, clock: Clock, refresh_s: float) -> None:
    """Wire the page to the clock tick, to actions, and to the chosen group."""

    @app.callback(
        Output("overview-strip", "children"),
        Output(overview_table.TABLE_ID, "rowData"),
        Output("overview-nothing", "children"),
        Output(overview_table.TABLE_ID, "className"),
        Output("overview-banner", "children"),
        Output("overview-as-of", "children"),
        Input("overview-tick", "n_intervals"),
        Input("url", "search"),
        **rests_while_asking("overview"),
    )
    def refresh(_: int | None, search: str | None) -> tuple[object, ...]:
        try:
            found = look(signed_in(client, clock), clock(), group_of(search))
        except (CentralUnreachable, UnreadableAnswer) as error:
            return (*(KEEP,) * 4, trouble(str(error), refresh_s), KEEP)
        take_back_banner()
        look_of_table = overview_table.class_of(len(found.rows))
        return found.strip, found.rows, found.nothing, look_of_table, None, as_of(clock())
