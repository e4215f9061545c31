"""Monitoring beside the requests: a pass at every tick, and the server's own sign of life."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from central_server.centre import Centre
from central_server.database.listening import begin_listening, note_alive
from central_server.database.sites import follow_list
from shared.logs import logger

log = logger("scheduler")


@asynccontextmanager
async def started(centre: Centre) -> AsyncIterator[None]:
    """Begin to listen, tick until the end, and stop without leaving a pass half done."""
    await asyncio.to_thread(_begin, centre)
    ticking = asyncio.create_task(_tick(centre))
    try:
        yield
    finally:
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking


def _begin(centre: Centre) -> None:
    listed = centre.settings.listed_site_keys()
    with centre.database.write() as session:
        begin_listening(session, centre.clock())
        if listed is not None:
            follow_list(session, listed, centre.clock())


async def _tick(centre: Centre) -> None:
    while True:
        # A pass that has begun is waited for, also when the server is told to stop meanwhile.
        await asyncio.shield(asyncio.to_thread(_once, centre))
        await asyncio.sleep(centre.settings.pass_interval_s)


def _once(centre: Centre) -> None:
    try:
        with centre.database.write() as session:
            note_alive(session, centre.clock(), centre.policy.deaf_after)
    except Exception:  # a database that is away for a moment ends no server; /readyz shows it
        log.exception("tick_failed")
        return
    centre.monitor.nudge()
