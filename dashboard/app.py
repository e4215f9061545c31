"""The dashboard, wired once: pages in their order, sign-in, security headers, what happens when something fails."""

from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import flask
from dash import Dash, Input, Output, State, html, set_props
from dash.development.base_component import Component

from dashboard import security, session
from dashboard.client import CentralClient
from dashboard.components.basics import nothing_here, notice
from dashboard.components.shell import shell
from dashboard.errors import DashboardError, SignInNeeded
from dashboard.pages import action_dialog, alerts, federation, models, overview, sign_in, site
from dashboard.pages.parts import in_browser, take_back_banner
from dashboard.settings import Settings
from shared.clock import Clock, utc_now
from shared.logs import logger

PAGES: Sequence[ModuleType] = sorted((overview, alerts, federation, models, site), key=lambda page: page.ORDER)
OPEN_TO_ALL = ("/assets/", "/_dash-component-suites/", "/_favicon.ico")
HEALTH = "/healthz"
LOG = logger("dashboard")


def create_app(settings: Settings, client: CentralClient, clock: Clock = utc_now) -> Dash:
    """The whole dashboard; `app.server` is the WSGI application to serve."""
    server = flask.Flask("dashboard", static_folder=None)
    session.configure(server, settings)
    app = Dash(
        "dashboard",
        server=server,  # type: ignore[arg-type]  # Dash takes a Flask server; its annotation does not say so
        assets_folder=str(Path(__file__).parent / "assets"),
        use_pages=False,
        pages_folder="",
        serve_locally=True,
        title="SegWatch",
        update_title="",
        enable_mcp=False,
        on_error=_failed,
    )
    in_bar = [(page.PATH, page.NAME) for page in PAGES if "<" not in page.PATH]
    tickers = [name for page in PAGES for name in page.TICKERS]

    def frame() -> Component:
        actor = session.actor() if flask.has_request_context() else ""
        return shell(actor, in_bar, tickers, settings.refresh_s, settings.patience_s)

    # Pages come and go, so that Dash is told of all parts that can ever be on the page.
    every_part = html.Div([frame(), *(page.layout(*_example(page)) for page in PAGES)])
    app.validation_layout = every_part  # type: ignore[assignment]
    app.layout = frame
    _register_router(app)
    for page in PAGES:
        page.register(app, client, clock, settings.refresh_s)
    action_dialog.register(app, client, clock)
    sign_in.register(server, client, clock)
    _require_sign_in(server, clock)
    security.guard(server, security.content_security_policy(app.csp_hashes()))
    return app


def find_page(path: str, search: str | None = None) -> Component:
    """The page under an address, with what the address names; a friendly word where there is none."""
    query = dict(parse_qsl((search or "").lstrip("?")))
    for page in PAGES:
        named = match(page.PATH, path)
        if named is None:
            continue
        choices = _choices(page.layout) - set(named)
        wanted = {key: value for key, value in query.items() if key in choices}
        found: Component = page.layout(**named, **wanted)
        return found
    return nothing_here("There is no such page.", "The overview lists all sites.")


def match(pattern: str, path: str) -> dict[str, str] | None:
    """The names in an address that fits a pattern such as `/sites/<site>`; None where it does not fit."""
    wanted, given = pattern.strip("/").split("/"), path.strip("/").split("/")
    if len(wanted) != len(given):
        return None
    named = {}
    for part, value in zip(wanted, given, strict=True):
        if part.startswith("<") and value:
            named[part.strip("<>")] = unquote(value)
        elif part != value:
            return None
    return named


def _choices(layout: Callable[..., Component]) -> set[str]:
    return set(signature(layout).parameters)


def _example(page: ModuleType) -> list[str]:
    return ["example"] if "<" in page.PATH else []


def _register_router(app: Dash) -> None:
    @app.callback(Output("content", "children"), Input("url", "pathname"), State("url", "search"))
    def route(path: str, search: str | None) -> Component:
        take_back_banner()
        return find_page(path, search)

    in_browser(app, "leave", Output("title-sink", "title"), Input("leave", "data"))
    in_browser(app, "arrive", Output("title-sink", "children"), Input("url", "pathname"), Input("content", "children"))


def _require_sign_in(server: flask.Flask, clock: Clock) -> None:
    @server.get(HEALTH)
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @server.before_request
    def require_sign_in() -> flask.typing.ResponseReturnValue | None:
        path = flask.request.path
        if path in (sign_in.PATH, sign_in.SIGN_OUT, HEALTH) or path.startswith(OPEN_TO_ALL):
            return None
        # A callback answers by itself that a sign-in is needed, so that the open page can lead there.
        if session.token(clock) is not None or path == "/_dash-update-component":
            return None
        if path.startswith("/_"):
            return "Please sign in.", 401
        onward = flask.request.full_path.rstrip("?")
        return flask.redirect(f"{sign_in.PATH}?next={quote(onward, safe='')}")


def _failed(error: Exception) -> None:
    """What an open page does when a callback failed: sign in again, or say what is wrong, and keep what it shows."""
    if isinstance(error, SignInNeeded):
        session.end()
        here = urlsplit(flask.request.headers.get("Referer", ""))
        onward = here.path + (f"?{here.query}" if here.query else "")
        set_props("leave", {"data": f"{sign_in.PATH}?next={quote(onward or '/', safe='')}&ended"})
    elif isinstance(error, DashboardError):
        set_props("banner", {"children": notice("critical", str(error))})
    else:
        LOG.error("callback_failed", exc_info=error)
        sentence = "What failed is in the dashboard's log. Reload the page to start afresh."
        set_props("banner", {"children": notice("critical", "The dashboard met an error it did not expect.", sentence)})
