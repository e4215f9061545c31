"""Federated runs: the newest or the chosen one with its rounds, all of them, and the keys of the sites."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard.client import CentralClient, CentralForPerson
from dashboard.components.basics import nothing_here, panel, trouble
from dashboard.components.run_panel import run_panel
from dashboard.components.run_table import run_table
from dashboard.components.site_keys import site_keys
from dashboard.errors import CentralUnreachable, NotFound, UnreadableAnswer
from dashboard.pages.parts import ASKING, KEEP, as_of, digest, rests_while_asking, take_back_banner, title_row
from dashboard.session import signed_in
from dashboard.wording import age
from shared.clock import Clock
from shared.federation.read_models import FederationKey, RunDetail, RunOverview
from shared.read_models import Page

PATH = "/federation"
NAME = "Federation"
ORDER = 3
TICKERS = ("federation",)

COMPARE = (
    "A site's own program shows the same fingerprint (hospital-agent federation key). Compare them by telephone before "
    "a key is relied on."
)


@dataclass(frozen=True)
class Federation:
    """What the centre answered.

    Args:
        shown: the run that the address names, or the newest; None where there is none such.
    """

    runs: Page[RunOverview]
    shown: RunDetail | None
    keys: tuple[FederationKey, ...]


def layout() -> Component:
    """The frame of the page."""
    return html.Div(
        [
            html.Div(id="federation-banner"),
            title_row("Federation", "federation-as-of"),
            html.Div(ASKING, id="federation-body"),
            dcc.Store(id="federation-digest"),
        ]
    )


def ask(central: CentralForPerson, wanted: str | None) -> Federation:
    """The newest runs, the keys, and one run with its rounds."""
    runs = central.runs()
    run = wanted or (runs.items[0].run if runs.items else None)
    try:
        shown = central.run(run) if run else None
    except NotFound:
        shown = None
    return Federation(runs, shown, central.federation_keys())


def asked_by(search: str | None) -> str | None:
    """The run that the address names."""
    return parse_qs((search or "").lstrip("?")).get("run", [None])[0]


def body(found: Federation, wanted: str | None, now: datetime) -> list[Component]:
    """The page."""
    return [*_run(found, wanted, now), *_runs(found, now), panel("Site keys", _keys(found, now), note=COMPARE)]


def _run(found: Federation, wanted: str | None, now: datetime) -> list[Component]:
    if found.shown is not None:
        return [run_panel(found.shown, now)]
    if wanted is not None:
        return [nothing_here("There is no such run.", "The address may be mistyped; choose a run below.")]
    sentence = (
        "Once at least three sites have a key below and run “hospital-agent federate”, start a job at the central "
        "server with “central-server federate JOB”. Its rounds appear here as they come."
    )
    return [nothing_here("The sites have not computed anything together yet.", sentence)]


def _runs(found: Federation, now: datetime) -> list[Component]:
    if not found.runs.items:
        return []
    chosen = found.shown.overview.run if found.shown else None
    note = f"The newest {len(found.runs.items)}." if found.runs.next_cursor else None
    return [panel("All runs", run_table(found.runs.items, chosen, now), note=note)]


def _keys(found: Federation, now: datetime) -> Component:
    if found.keys:
        return site_keys(found.keys, now)
    return html.P(
        "No site has one yet: “central-server federation add-site NAME PUBLIC_KEY” registers what the site made.",
        className="muted",
    )


def ages(found: Federation, now: datetime) -> list[str]:
    """How old the page says that things are: it has to be made anew when this changes."""
    seen = [moment for key in found.keys for moment in (key.last_seen_at, key.registered_at, key.revoked_at)]
    return [age(at, now) for at in [*(run.created_at for run in found.runs.items), *seen]]


def register(app: Dash, client: CentralClient, clock: Clock, refresh_s: float) -> None:
    """Wire the page to the clock tick and to the chosen run."""

    @app.callback(
        Output("federation-body", "children"),
        Output("federation-digest", "data"),
        Output("federation-banner", "children"),
        Output("federation-as-of", "children"),
        Input("federation-tick", "n_intervals"),
        Input("url", "search"),
        State("federation-digest", "data"),
        **rests_while_asking("federation"),
    )
    def refresh(_: object, search: str | None, known: str | None) -> tuple[object, ...]:
        wanted = asked_by(search)
        try:
            found = ask(signed_in(client, clock), wanted)
        except (CentralUnreachable, UnreadableAnswer) as error:
            return KEEP, KEEP, trouble(str(error), refresh_s), KEEP
        take_back_banner()
        now = clock()
        name = digest([wanted, found.runs, found.shown, *found.keys, *ages(found, now)])
        if name == known:
            return KEEP, KEEP, None, as_of(now)
        return body(found, wanted, now), name, None, as_of(now)
