"""Signing in and out."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from central_server.api.access import CentreNow, Reader
from central_server.api.answers import problems
from central_server.credentials import new_key
from central_server.database import people
from central_server.database.audit import record
from central_server.errors import NotAllowed, NotSignedIn
from shared.read_models import SessionToken, SignIn

router = APIRouter(tags=["session"])

EXAMPLE = {"username": "lead", "password": "correct horse battery staple"}


@router.post("/session", status_code=201, summary="Sign in", responses=problems(401, 413, 422, 429))
def sign_in(request: Request, centre: CentreNow, given: Annotated[SignIn, Body(examples=[EXAMPLE])]) -> SessionToken:
    """Exchange name and password for a token. Failures are counted by address and slowed down."""
    address, now = request.client.host if request.client else "unknown", centre.clock()
    reserved_at = centre.limit.reserve(address)
    if not centre.lead.admits(given.username, given.password):
        with centre.database.write() as session:
            record(session, now, "unknown", "sign_in_failed", "session")
        raise NotSignedIn("Name and password do not fit.")
    centre.limit.give_back(address, reserved_at)
    token, actor = new_key(), centre.lead.name
    expires_at = now + timedelta(hours=centre.settings.session_hours)
    with centre.database.write() as session:
        people.begin_session(session, centre.lead.session_hash(token), actor, now, expires_at)
        record(session, now, actor, "signed_in", "session")
    return SessionToken(token=token, actor=actor, expires_at=expires_at)


@router.delete("/session", status_code=204, summary="Sign out", responses=problems(401, 403))
def sign_out(centre: CentreNow, asker: Reader) -> Response:
    """End the session whose token is sent; a program's token is ended by taking it out of the secret file."""
    if asker.session_hash is None:
        raise NotAllowed("A program's token has no session to end.")
    with centre.database.write() as session:
        people.end_session(session, asker.session_hash, centre.clock())
        record(session, centre.clock(), asker.actor, "signed_out", "session")
    return Response(status_code=204)
