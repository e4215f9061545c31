"""The web application: routers, refusals, logs, and the monitoring that runs beside them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central_server.api import (
    agents,
    alerts,
    audit,
    bodies,
    detectors,
    drift,
    federation,
    health,
    metrics,
    problems,
    rates,
    reports,
    session,
    sites,
)
from central_server.centre import Centre, assemble
from central_server.openapi import document
from central_server.scheduler import started
from central_server.settings import Settings
from shared.clock import Clock, utc_now
from shared.logs import logger

log = logger("http")

NOUNS = (session, agents, reports, sites, metrics, drift, rates, detectors, alerts, federation, audit)


def create_app(settings: Settings, clock: Clock = utc_now) -> FastAPI:
    """A server on a migrated database, ready to be run by uvicorn or a test client.

    Raises:
        SettingsError: a secret is missing or a placeholder.
    """
    centre = assemble(settings, clock)
    app = FastAPI(
        title="SegWatch central server",
        version="1.0.0",
        lifespan=_lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its pages load scripts from elsewhere; nothing here calls home
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.centre = centre
    for noun in NOUNS:
        app.include_router(noun.router, prefix="/api/v1")
    app.include_router(health.router)
    problems.install(app)
    app.add_middleware(bodies.SmallBodies)
    app.add_middleware(GZipMiddleware, minimum_size=4096, compresslevel=3)
    app.add_middleware(_Watched)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    centre: Centre = app.state.centre
    try:
        async with started(centre):
            yield
    finally:
        await asyncio.to_thread(centre.database.close)


class _Watched:
    """Logs each request by its route's template, numbers it, forbids caching, and answers for faults of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, began, answer = str(uuid4()), time.perf_counter(), {"status": 0}

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                message["headers"] = [*message["headers"], *_headers(message, request_id)]
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except Exception:  # the caller learns that it was recorded; the log learns its class and place
            log.exception("request_failed", request_id=request_id, method=scope["method"], route=_template(scope))
            if answer["status"] == 0:
                await problems.internal_error()(scope, receive, watched_send)
        write = log.debug if scope["path"] in ("/healthz", "/readyz") else log.info
        write(
            "request_done",
            request_id=request_id,
            method=scope["method"],
            route=_template(scope),
            status_code=answer["status"],
            duration_s=round(time.perf_counter() - began, 4),
        )


def _headers(message: Message, request_id: str) -> list[tuple[bytes, bytes]]:
    added = [(b"x-request-id", request_id.encode()), (b"x-content-type-options", b"nosniff")]
    if not any(name.lower() == b"cache-control" for name, _ in message["headers"]):
        added.append((b"cache-control", b"no-store"))
    return added


def _template(scope: Scope) -> str | None:
    """The route as written in the code; never the path as sent."""
    route: Any = scope.get("route")
    return getattr(route, "path", None)
