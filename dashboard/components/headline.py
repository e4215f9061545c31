"""The strip above the table of sites: how many sites are in which state, each a filter of the table."""

from collections.abc import Sequence

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components.basics import aria, icon
from dashboard.components.states import HEADLINE
from dashboard.theme import Tone
from shared.read_models import SiteOverview

TONES: dict[str, tuple[Tone, str]] = {
    "alerting": ("critical", "triangle"),
    "silent": ("silent", "unplugged"),
    "attention": ("warning", "inbox"),
    "warming_up": ("info", "hourglass"),
    "fine": ("fine", "check"),
}


def counts(sites: Sequence[SiteOverview]) -> dict[str, int]:
    """How many sites each group of the strip holds; every site is in exactly one."""
    return {key: sum(site.state in states for site in sites) for key, _, states in HEADLINE}


def in_group(sites: Sequence[SiteOverview], group: str | None) -> list[SiteOverview]:
    """The sites of one group; all of them where the group is unknown or not given."""
    states = next((states for key, _, states in HEADLINE if key == group), None)
    return [site for site in sites if states is None or site.state in states]


def strip(sites: Sequence[SiteOverview], group: str | None) -> Component:
    """One tile a group, as links so that a filtered view can be bookmarked and reached by keyboard."""
    found = counts(sites)
    tiles = [_tile("", "All sites", len(sites), "quiet", "grid", chosen=group not in found)]
    for key, word, _ in HEADLINE:
        tone, drawing = TONES[key]
        tiles.append(_tile(key, word, found[key], tone, drawing, chosen=group == key))
    return html.Nav(tiles, className="headline", **aria(label="Sites by state"))


def _tile(key: str, word: str, number: int, tone: Tone, drawing: str, *, chosen: bool) -> Component:
    state = "tile" + (" tile-chosen" if chosen else "") + ("" if number else " tile-empty")
    content = [
        html.Span([icon(drawing), word], className="tile-word"),
        html.Span(f"{number:,}", className="tile-number"),
    ]
    return dcc.Link(content, href=f"/?show={key}" if key else "/", className=f"{state} tone-{tone}")
