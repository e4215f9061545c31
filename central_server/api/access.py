"""Who asks: a site by its key, a person by a session, a program by its token. All come as `Authorization: Bearer`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from central_server.centre import Centre
from central_server.credentials import key_hash
from central_server.database import people, sites
from central_server.errors import NotAllowed, NotSignedIn

_site_key = HTTPBearer(auto_error=False, scheme_name="siteKey", description="The key of one site, for its agent.")
_person = HTTPBearer(
    auto_error=False, scheme_name="person", description="A session's token from POST /session, or a program's token."
)
Bearer = HTTPAuthorizationCredentials | None


def centre_of(request: Request) -> Centre:
    """The server that this request came to."""
    centre: Centre = request.app.state.centre
    return centre


CentreNow = Annotated[Centre, Depends(centre_of)]


@dataclass(frozen=True)
class Site:
    """The site that sends."""

    row_id: int
    name: str


@dataclass(frozen=True)
class Asker:
    """A person or a program that may read; `session_hash` is set for a person's session."""

    actor: str
    may_write: bool
    session_hash: str | None = None


def site_of(centre: CentreNow, bearer: Annotated[Bearer, Depends(_site_key)]) -> Site:
    """The site whose key was sent.

    Raises:
        NotSignedIn: no key, or one that is not good.
    """
    if bearer is not None:
        with centre.database.read() as session:
            site = sites.site_with_key(session, key_hash("site", bearer.credentials))
            if site is not None:
                return Site(site.id, site.name)
    raise NotSignedIn("A good site key is needed here.")


def asker_of(centre: CentreNow, bearer: Annotated[Bearer, Depends(_person)]) -> Asker:
    """The person or program whose token was sent.

    Raises:
        NotSignedIn: no token, or one that is unknown, expired or ended.
    """
    if bearer is not None:
        token = centre.tokens.get(key_hash("api", bearer.credentials))
        if token is not None:
            return Asker(f"api:{token.name}", token.may_write)
        hashed = centre.lead.session_hash(bearer.credentials)
        with centre.database.read() as session:
            actor = people.actor_of_session(session, hashed, centre.clock())
        if actor is not None:
            return Asker(actor, True, hashed)
    raise NotSignedIn("Sign in first, or send a program's token.")


def writer_of(asker: Annotated[Asker, Depends(asker_of)]) -> Asker:
    """Somebody who may change alerts.

    Raises:
        NotAllowed: a program's token that only reads.
    """
    if not asker.may_write:
        raise NotAllowed("This token may read and not change anything.")
    return asker


CallingSite = Annotated[Site, Depends(site_of)]
Reader = Annotated[Asker, Depends(asker_of)]
Writer = Annotated[Asker, Depends(writer_of)]
