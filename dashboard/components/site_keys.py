"""The keys by which sites are known in federated work, as fingerprints that people compare by telephone."""

from collections.abc import Sequence
from datetime import datetime

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.components.basics import Children, badge, when
from dashboard.components.plain_table import Row, plain_table
from dashboard.components.states import KEY_ENDED, KEY_GOOD
from shared.federation.read_models import FederationKey

COLUMNS = ("Site", "Fingerprint", "State", "Last in a sum", "Registered")


def site_keys(keys: Sequence[FederationKey], now: datetime) -> Component:
    """By site, the good key before those that ended."""
    ordered = sorted(keys, key=lambda key: (key.site, key.revoked_at is not None, key.registered_at))
    return plain_table("Site keys", COLUMNS, [_row(key, now) for key in ordered])


def _row(key: FederationKey, now: datetime) -> Row:
    over = key.revoked_at is not None
    state: list[Component] = [badge(KEY_ENDED if over else KEY_GOOD)]
    if over:
        state.append(html.Span(when(key.revoked_at, now), className="fact-note"))
    registered: list[Component | str] = [when(key.registered_at, now), f" by {key.registered_by}"]
    cells: list[Children] = [
        dcc.Link(key.site, href=f"/sites/{key.site}", className="row-link"),
        html.Code(key.fingerprint, className="fingerprint"),
        state,
        when(key.last_seen_at, now),
        registered,
    ]
    return Row(cells, is_over=over)
