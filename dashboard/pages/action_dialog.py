"""Acknowledging and resolving: a dialog that asks for a comment, on every page that shows alerts."""

from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx

from dashboard.client import CentralClient, CentralForPerson
from dashboard.components.alert_cards import ACTION_BUTTON, LABELS
from dashboard.components.basics import notice
from dashboard.errors import CentralRefused, CentralUnreachable, UnreadableAnswer
from dashboard.pages.parts import KEEP
from dashboard.session import signed_in
from shared.clock import Clock
from shared.read_models import AlertView

ACKNOWLEDGE = "You take this alert on. It stays in the list until somebody resolves it."
RESOLVE = {
    "site_detector": "You close this alert. It opens again if the site's detector crosses its alarm line again.",
    "site_silent": "You close this alert. It opens again if the site is heard and then falls silent once more.",
    "suitability": "You close this alert for good: a site is compared with the model once for each of its baselines.",
}


def sentence(action: str, rule: str) -> str:
    """What an action on an alert of this rule means, to be read before it is done."""
    return ACKNOWLEDGE if action == "acknowledge" else RESOLVE.get(rule, "You close this alert.")


def act(central: CentralForPerson, action: str, alert_id: str, comment: str) -> AlertView:
    """Do what the person confirmed; the centre records the person whose token this is."""
    deed = {"acknowledge": central.acknowledge, "resolve": central.resolve}[action]
    return deed(alert_id, comment.strip())


def register(app: Dash, client: CentralClient, clock: Clock) -> None:
    """Wire the buttons of the cards to the dialog, and the dialog to the centre."""

    @app.callback(
        Output("action-dialog", "opened"),
        Output("action-dialog", "title"),
        Output("action-sentence", "children"),
        Output("action-chosen", "data"),
        Output("action-comment", "value"),
        Output("action-problem", "children"),
        Output("action-confirm", "children"),
        Input({"type": ACTION_BUTTON, "action": ALL, "alert": ALL}, "n_clicks"),
        prevent_initial_call=True,
    )
    def open_dialog(_: list[int]) -> tuple[object, ...]:
        chosen = ctx.triggered_id
        # New buttons on the page call this as well, with a count of 0.
        if not chosen or not ctx.triggered or not ctx.triggered[0]["value"]:
            return (KEEP,) * 7
        label = LABELS[chosen["action"]]
        alert = signed_in(client, clock).alert(chosen["alert"])
        title = f"{label}: {alert.title} ({alert.site})"
        return True, title, sentence(chosen["action"], alert.rule), dict(chosen), "", None, label

    @app.callback(
        Output("action-dialog", "opened", allow_duplicate=True),
        Output("action-problem", "children", allow_duplicate=True),
        Output("changed", "data"),
        Input("action-confirm", "n_clicks"),
        State("action-chosen", "data"),
        State("action-comment", "value"),
        State("changed", "data"),
        prevent_initial_call=True,
        running=[(Output("action-confirm", "loading"), True, False)],
    )
    def confirm(_: int, chosen: dict[str, Any] | None, comment: str | None, changes: int) -> tuple[object, ...]:
        if not chosen:
            return KEEP, KEEP, KEEP
        try:
            act(signed_in(client, clock), chosen["action"], chosen["alert"], comment or "")
        except (CentralRefused, CentralUnreachable, UnreadableAnswer) as error:
            return True, notice("critical", str(error)), changes + 1
        return False, None, changes + 1

    @app.callback(
        Output("action-dialog", "opened", allow_duplicate=True),
        Input("action-cancel", "n_clicks"),
        prevent_initial_call=True,
    )
    def cancel(_: int) -> bool:
        return False
