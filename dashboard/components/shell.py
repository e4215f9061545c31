"""What surrounds every page: the bar on top with the ways to go, the disclaimer below, and the dialog for actions."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components.basics import aria, icon, notice
from dashboard.theme import MANTINE_THEME

DISCLAIMER = "A quality-monitoring aid, not for diagnosis."


def shell(
    actor: str, pages: Sequence[tuple[str, str]], tickers: Sequence[str], refresh_s: float, patience_s: float
) -> Component:
    """The frame, in which the page's content changes.

    Args:
        actor: the signed-in person.
        pages: path and name of the pages in the bar, in their order.
        tickers: names of the clocks at which parts of pages ask the centre anew; see `pages.parts`.
        refresh_s: seconds between two ticks.
        patience_s: after how many seconds an open page no longer waits for an answer of the dashboard.
    """
    links = [dcc.Link(name, href=path, className="nav-link", id={"type": "nav", "path": path}) for path, name in pages]
    frame: Component = dmc.MantineProvider(
        [
            dcc.Location(id="url", refresh="callback-nav"),
            dcc.Store(id="leave"),
            *(dcc.Interval(id=f"{name}-tick", interval=int(refresh_s * 1000)) for name in tickers),
            dcc.Store(id="changed", data=0),
            html.Div(id="title-sink", hidden=True),
            html.A("Skip to the content", href="#content", className="skip"),
            html.Header([_brand(), html.Nav(links, **aria(label="Pages")), _person(actor)], className="bar"),
            html.Main([html.Div(id="banner"), html.Div(id="content", tabIndex=-1)], className="page"),
            html.Footer([html.Span(DISCLAIMER), html.Span("All times are UTC.")], className="foot"),
            action_dialog(),
            _silence(refresh_s, patience_s),
        ],
        theme=MANTINE_THEME,
        forceColorScheme="light",
    )
    return frame


def _brand() -> Component:
    return html.Div([icon("pulse"), html.Span("SegWatch")], className="brand")


def _person(actor: str) -> Component:
    sign_out = html.Form(
        html.Button("Sign out", type="submit", className="sign-out"),
        action="/sign-out",
        method="POST",
        className="inline",
    )
    return html.Div(
        [html.Span([icon("person"), actor], className="actor"), sign_out],
        className="account",
    )


def _silence(refresh_s: float, patience_s: float) -> Component:
    """Shown by `assets/answers.js` while the dashboard itself does not answer; it reads its two times from here."""
    sentence = "It is tried again; until then the page keeps what it last showed. If this lasts, reload the page."
    times: dict[str, Any] = {"data-patience-ms": int(patience_s * 1000), "data-pause-ms": int(refresh_s * 1000)}
    words = notice("critical", "The dashboard does not answer.", sentence, "unplugged")
    return html.Div(words, id="silence", hidden=True, className="silence no-print", **times)


def action_dialog() -> Component:
    """The dialog in which a person acknowledges or resolves; outside the page, so that a refresh leaves it alone."""
    dialog: Component = dmc.Modal(
        id="action-dialog",
        opened=False,
        title="",
        centered=True,
        children=[
            dcc.Store(id="action-chosen"),
            html.P(id="action-sentence", className="dialog-sentence"),
            dmc.Textarea(
                id="action-comment", label="Comment", description="Kept with the alert, with your name and the time.",
                autosize=True, minRows=3, value="",
                attributes={"input": {"maxLength": 1000}},
            ),
            html.Div(id="action-problem"),
            html.Div(
                [
                    dmc.Button("Cancel", id="action-cancel", variant="default", n_clicks=0),
                    dmc.Button("Confirm", id="action-confirm", n_clicks=0),
                ],
                className="dialog-buttons",
            ),
        ],
    )  # fmt: skip
    return dialog
