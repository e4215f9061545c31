"""How much a caller may send before anything is known of who it is."""

from collections import deque

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central_server.api import problems
from central_server.errors import BodyTooLarge

LARGEST_BODY = 16 * 1024
"""Bytes; a sign-in and the longest comment on an alert fit in."""
_REPORTS = "/api/v1/reports/"


class SmallBodies:
    """Refuses a body beyond `LARGEST_BODY`, by its header or while it arrives, before a route reads it into memory.

    The framework reads a JSON body whole before a route can ask who sends it. Only the route of reports reads its
    body by itself, after the site's key and up to a limit of its own; it is left alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_REPORTS):
            await self.app(scope, receive, send)
            return
        read = None if _declared(scope) > LARGEST_BODY else await _read(receive)
        if read is None:
            refusal = BodyTooLarge(f"A request has at most {LARGEST_BODY} bytes here.")
            await problems.refused(refusal)(scope, receive, send)
            return

        async def again() -> Message:
            return read.popleft() if read else await receive()

        await self.app(scope, again, send)


def _declared(scope: Scope) -> int:
    """The length that the header tells; 0 where it tells none, and then only what arrives counts."""
    told = dict(scope["headers"]).get(b"content-length", b"")
    return int(told) if told.isdigit() and len(told) < 20 else 0


async def _read(receive: Receive) -> deque[Message] | None:
    """All that arrives until the body ends or the caller goes away; None as soon as it is too large."""
    read: deque[Message] = deque()
    size, more = 0, True
    while more:
        message = await receive()
        read.append(message)
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
        if size > LARGEST_BODY:
            return None
    return read
