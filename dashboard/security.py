"""What every answer of the dashboard carries and what every request must fulfil."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import flask

LARGEST_BODY = 1 << 20
"""Bytes of the largest request that is read; the dashboard's own stay far below."""

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def content_security_policy(script_hashes: Sequence[str]) -> str:
    """A policy under which nothing is fetched from or sent to another host.

    Scripts come from the dashboard itself, and the two inline ones that Dash writes are named by their hash. Styles
    may be inline, because Mantine, AG Grid and Plotly set them on elements.
    """
    rules = {
        "default-src": "'self'",
        "script-src": " ".join(["'self'", *script_hashes]),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def guard(server: flask.Flask, policy: str) -> None:
    """Refuse requests that another site began or that are too large, and set the security headers."""
    server.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY

    @server.before_request
    def refuse_foreign_posts() -> tuple[str, int] | None:
        if flask.request.method in CHANGING and began_elsewhere(flask.request):
            return "This request began on another site and was refused.", 403
        return None

    @server.after_request
    def add_headers(response: flask.Response) -> flask.Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        if "Cache-Control" not in response.headers or response.mimetype in ("text/html", "application/json"):
            response.headers["Cache-Control"] = "no-store"
        return response


def began_elsewhere(request: flask.Request) -> bool:
    """Whether a browser says that the request comes from another origin.

    Browsers always send one of the two headers with a POST; a program without a browser's cookie sends neither and has
    no session that could be abused. `Sec-Fetch-Site` comes first because a proxy does not change its meaning.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host
