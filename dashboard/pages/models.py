"""Models: which one each site uses now, and what the federated runs proposed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard.client import CentralClient, CentralForPerson
from dashboard.components.basics import nothing_here, panel, trouble
from dashboard.components.model_table import model_table, summary
from dashboard.components.run_results import run_results, with_result
from dashboard.errors import CentralUnreachable, UnreadableAnswer
from dashboard.pages.parts import ASKING, KEEP, as_of, digest, rests_while_asking, take_back_banner, title_row
from dashboard.session import signed_in
from dashboard.wording import age
from shared.clock import Clock
from shared.federation.read_models import RunOverview
from shared.read_models import SiteOverview

PATH = "/models"
NAME = "Models"
ORDER = 4
TICKERS = ("models",)

DECIDED_THERE = (
    "Whether a proposed version is put to use is decided at each site. What it decided is seen above, once its reports "
    "come from that version."
)


@dataclass(frozen=True)
class Models:
    """What the centre answered; `results` are the newest runs that have one."""

    sites: tuple[SiteOverview, ...]
    results: Sequence[RunOverview]


def layout() -> Component:
    """The frame of the page."""
    return html.Div(
        [
            html.Div(id="models-banner"),
            title_row("Models", "models-as-of"),
            html.Div(ASKING, id="models-body"),
            dcc.Store(id="models-digest"),
        ]
    )


def ask(central: CentralForPerson) -> Models:
    """All sites, and the newest runs."""
    return Models(central.sites(), with_result(central.runs().items))


def body(found: Models, now: datetime) -> list[Component]:
    """The page."""
    return [_in_use(found, now), panel("What the sites computed together", _results(found, now), note=DECIDED_THERE)]


def _in_use(found: Models, now: datetime) -> Component:
    if not found.sites:
        return nothing_here(
            "No site takes part yet.", "With a site's first report, the model that it uses is shown here."
        )
    return panel("In use now", model_table(found.sites, now), note=summary(found.sites))


def _results(found: Models, now: datetime) -> Component:
    if found.results:
        return run_results(found.results, now)
    return html.P("There is no result yet. The page Federation shows what runs and what failed.", className="muted")


def ages(found: Models, now: datetime) -> list[str]:
    """How old the page says that things are: it has to be made anew when this changes."""
    moments = [*(site.last_report_at for site in found.sites), *(run.ended_at for run in found.results)]
    return [age(at, now) for at in moments]


def register(app: Dash, client: CentralClient, clock: Clock, refresh_s: float) -> None:
    """Wire the page to the clock tick."""

    @app.callback(
        Output("models-body", "children"),
        Output("models-digest", "data"),
        Output("models-banner", "children"),
        Output("models-as-of", "children"),
        Input("models-tick", "n_intervals"),
        State("models-digest", "data"),
        **rests_while_asking("models"),
    )
    def refresh(_: object, known: str | None) -> tuple[object, ...]:
        try:
            found = ask(signed_in(client, clock))
        except (CentralUnreachable, UnreadableAnswer) as error:
            return KEEP, KEEP, trouble(str(error), refresh_s), KEEP
        take_back_banner()
        now = clock()
        name = digest([*found.sites, *found.results, *ages(found, now)])
        if name == known:
            return KEEP, KEEP, None, as_of(now)
        return body(found, now), name, None, as_of(now)
