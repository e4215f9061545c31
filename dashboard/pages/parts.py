"""What the pages' callbacks share: "leave it as it is", the time of the last look, and whether anything is new."""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from dash import ClientsideFunction, Output, html, no_update, set_props
from dash.development.base_component import Component
from pydantic import BaseModel

KEEP: Any = no_update
ASKING = html.P("Asking the central server …", className="muted")
"""Where a page's body comes with the first answer."""


def as_of(now: datetime) -> str:
    """When the page last looked at the centre."""
    return f"as of {now.astimezone(UTC).strftime('%H:%M:%S')} UTC"


def title_row(title: str, as_of_id: str) -> Component:
    """A page's title, and beside it how fresh the page is."""
    return html.Div([html.H1(title), html.Span(id=as_of_id, className="as-of")], className="title-row")


def take_back_banner() -> None:
    """Clear what the banner says of a callback that failed: a page opened, or looked at the centre with success."""
    set_props("banner", {"children": None})


def rests_while_asking(name: str) -> dict[str, Any]:
    """For a callback that a ticker drives: the ticker (one for each part of a page, in the shell) rests while it runs.

    A page ignores the answer to a question that it has asked again meanwhile, so that with a centre slower than the
    ticker nothing would ever be shown. `assets/answers.js` sees to it that every question ends, and so every rest.
    """
    return {"running": [(Output(f"{name}-tick", "disabled"), True, False)]}


def digest(models: Iterable[BaseModel | str | None]) -> str:
    """A short name for exactly these answers: charts are drawn again only when it changes."""
    seen = sha256()
    for model in models:
        seen.update(model.model_dump_json().encode() if isinstance(model, BaseModel) else str(model).encode())
        seen.update(b"\0")
    return seen.hexdigest()[:16]


def in_browser(app: Any, function: str, *wiring: Any) -> None:
    """Wire a function of `assets/behaviour.js`, which runs in the browser without a request."""
    app.clientside_callback(ClientsideFunction("segwatch", function), *wiring)
