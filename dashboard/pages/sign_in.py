"""The sign-in page: plain HTML that needs no script, so that it is there at once and password managers know it."""

from urllib.parse import urlsplit

import flask

from dashboard import session
from dashboard.client import CentralClient
from dashboard.components.shell import DISCLAIMER
from dashboard.errors import CentralUnreachable, DashboardError, SignInNeeded, SignInRefused, UnreadableAnswer
from shared.clock import Clock

PATH = "/sign-in"
SIGN_OUT = "/sign-out"

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Sign in · SegWatch</title>
  <link rel="icon" href="/assets/favicon.svg" type="image/svg+xml"><link rel="stylesheet" href="/assets/style.css">
</head>
<body class="sign-in-page">
  <main class="sign-in">
    <div class="brand"><span class="icon icon-pulse" aria-hidden="true"></span><span>SegWatch</span></div>
    <h1>Sign in</h1>
    <p class="muted">Quality of automatic segmentation across the sites of your federation.</p>
    {% if problem %}
    <div class="notice tone-critical" role="alert">
      <span class="icon icon-info" aria-hidden="true"></span><div>{{ problem }}</div>
    </div>
    {% elif ended %}
    <div class="notice tone-info" role="status">
      <span class="icon icon-info" aria-hidden="true"></span>
      <div>Your session has ended. Please sign in again.</div>
    </div>
    {% endif %}
    <form method="post" action="{{ path }}">
      <input type="hidden" name="next" value="{{ next }}">
      <label for="username">Name</label>
      <input id="username" name="username" autocomplete="username" maxlength="80" value="{{ username }}" required
        {% if not username %}autofocus{% endif %}>
      <label for="password">Password</label>
      <input id="password" name="password" type="password" autocomplete="current-password" maxlength="200" required
        {% if username %}autofocus{% endif %}>
      <button type="submit">Sign in</button>
    </form>
    <p class="sign-in-foot">{{ disclaimer }}</p>
  </main>
</body>
</html>
"""


def safe_next(address: str | None) -> str:
    """Where to go after signing in: a path of this dashboard, or the overview for anything else."""
    if not address or not address.startswith("/") or address.startswith("//"):
        return "/"
    # Browsers drop control characters and read a backslash as a slash, so that /\t/host would lead away.
    if "\\" in address or any(ord(character) <= ord(" ") for character in address):
        return "/"
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or parts.path in (PATH, SIGN_OUT):
        return "/"
    return address


def register(server: flask.Flask, client: CentralClient, clock: Clock) -> None:
    """Add the page, the form's target and the way out."""

    @server.get(PATH)
    def show_sign_in() -> str | flask.typing.ResponseReturnValue:
        onward = safe_next(flask.request.args.get("next"))
        if session.token(clock) is not None:
            return flask.redirect(onward)
        return _page(onward, ended="ended" in flask.request.args)

    @server.post(PATH)
    def sign_in() -> flask.typing.ResponseReturnValue:
        form = flask.request.form
        onward, username = safe_next(form.get("next")), form.get("username", "")
        try:
            session.begin(client.sign_in(username, form.get("password", "")))
        except SignInRefused as error:
            return _page(onward, username=username, problem=str(error)), 401
        except (CentralUnreachable, UnreadableAnswer) as error:
            return _page(onward, username=username, problem=str(error)), 503
        return flask.redirect(onward, 303)

    @server.post(SIGN_OUT)
    def sign_out() -> flask.typing.ResponseReturnValue:
        held = session.token(clock)
        session.end()
        if held is not None:
            _end_at_centre(client, held)
        return flask.redirect(PATH, 303)


def _end_at_centre(client: CentralClient, held: str) -> None:
    try:
        client.sign_out(held)
    except (SignInNeeded, DashboardError):
        # The browser has forgotten the token in any case; at the centre it ends by itself when its time is over.
        return


def _page(onward: str, *, username: str = "", problem: str = "", ended: bool = False) -> str:
    return flask.render_template_string(
        PAGE, path=PATH, next=onward, username=username, problem=problem, ended=ended, disclaimer=DISCLAIMER
    )
