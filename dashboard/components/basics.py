"""Small parts that every page is made of: icons, badges, panels, notices. Pure: values in, components out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components.states import Look
from dashboard.figures.chart import Figure
from dashboard.figures.common import empty
from dashboard.theme import GRAPH_CONFIG, Tone
from dashboard.wording import age, moment

Child = Component | str | None
Children = Child | Sequence[Child]


def aria(**attributes: str) -> Any:
    """`aria-*` attributes, whose names are no Python names, for the keywords of a component."""
    return {f"aria-{name}": value for name, value in attributes.items()}


def icon(name: str) -> Component:
    """A drawing beside a word; screen readers skip it because the word says the same."""
    return html.Span(className=f"icon icon-{name}", **aria(hidden="true"))


def badge(look: Look) -> Component:
    """A state in its word, icon and tone."""
    return html.Span([icon(look.icon), look.word], className=f"badge tone-{look.tone}", title=look.meaning or None)


def when(at: datetime | None, now: datetime, before: str = "") -> Component:
    """An age that tells the full moment when hovered."""
    text = f"{before}{age(at, now)}"
    return html.Span(text, className="when", title=moment(at) if at else None)


def panel(title: str, children: Children, *, note: Children = None, name: str | None = None) -> Component:
    """A titled part of a page."""
    head = html.Div([html.H2(title), html.Div(note, className="panel-note") if note else None], className="panel-head")
    body = list(children) if isinstance(children, (list, tuple)) else [children]
    identity: dict[str, Any] = {"id": name} if name else {}
    return html.Section([head, *body], className="panel", **identity)


def fact(label: str, value: Children, hint: str = "") -> Component:
    """One named value."""
    return html.Div([html.Dt(label, title=hint or None), html.Dd(value)], className="fact")


def facts(items: Sequence[Component]) -> Component:
    """Named values side by side."""
    return html.Dl(list(items), className="facts")


def chart(height: int, *, name: str | None = None, figure: Figure | None = None) -> Component:
    """A place for a figure: as wide as its surroundings, and of a fixed height so that nothing jumps when it comes."""
    given: dict[str, Any] = {"id": name} if name else {}
    return dcc.Graph(
        figure=empty("") if figure is None else figure,
        config=GRAPH_CONFIG,
        style={"height": f"{height}px"},
        responsive=True,
        className="chart",
        **given,
    )


def notice(tone: Tone, title: str, sentence: str = "", icon_name: str = "info") -> Component:
    """A message inside a page; read out at once by screen readers when it appears."""
    text = html.Div([html.Strong(title), f" {sentence}" if sentence else None])
    return html.Div([icon(icon_name), text], className=f"notice tone-{tone}", role="status")


def nothing_here(title: str, sentence: str) -> Component:
    """What an empty list says: why it is empty, and what is awaited."""
    return html.Div([html.P(title, className="nothing-title"), html.P(sentence)], className="nothing")


def trouble(sentence: str, refresh_s: float) -> Component:
    """The banner for a centre that does not answer: what is on the page stays, and the page tries again."""
    again = f"The page keeps what it last showed and tries again every {refresh_s:g} seconds."
    return notice("critical", sentence, again, "unplugged")
