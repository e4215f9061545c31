"""Who is signed in: the person's token in a signed cookie that no script of the page can read.

The cookie is http-only and SameSite=Lax: another site can lead a person here, but cannot act in their name, because
whatever changes something is a POST and `security` refuses a POST that began elsewhere.
"""

from datetime import datetime

import flask

from dashboard.client import CentralClient, CentralForPerson
from dashboard.errors import SignInNeeded
from dashboard.settings import Settings
from shared.clock import Clock, rfc3339
from shared.read_models import SessionToken

COOKIE = "segwatch_session"


def configure(server: flask.Flask, settings: Settings) -> None:
    """Set up the signed cookie."""
    server.secret_key = settings.signing_key()
    server.config.update(
        SESSION_COOKIE_NAME=COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookie,
    )


def begin(session: SessionToken) -> None:
    """Remember the person in the answer's cookie."""
    flask.session.clear()
    flask.session.update(token=session.token, actor=session.actor, expires_at=rfc3339(session.expires_at))


def end() -> None:
    """Forget the person."""
    flask.session.clear()


def token(clock: Clock) -> str | None:
    """The signed-in person's token; None where nobody is signed in or the session has run out."""
    held, expires_at = flask.session.get("token"), flask.session.get("expires_at")
    if not held or not expires_at or datetime.fromisoformat(expires_at) <= clock():
        return None
    return str(held)


def actor() -> str:
    """The name of the signed-in person, for the page's head; empty where nobody is signed in."""
    return str(flask.session.get("actor", ""))


def signed_in(client: CentralClient, clock: Clock) -> CentralForPerson:
    """The client in the name of the person who asks.

    Raises:
        SignInNeeded: nobody is signed in.
    """
    held = token(clock)
    if held is None:
        raise SignInNeeded("Your session has ended. Please sign in again.")
    return client.for_person(held)
