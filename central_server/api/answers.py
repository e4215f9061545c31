"""Answers that grow with each report only: with an ETag, as JSON or CSV."""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from shared.read_models import Problem

T = TypeVar("T", bound=BaseModel)

Format = Annotated[Literal["json", "csv"] | None, Query(description="CSV instead of JSON; `Accept: text/csv` too.")]


def wants_csv(request: Request, format: Format = None) -> bool:
    """Whether the caller asked for CSV."""
    if format is not None:
        return format == "csv"
    accepted = request.headers.get("accept", "")
    return "text/csv" in accepted and "application/json" not in accepted


WantsCsv = Annotated[bool, Depends(wants_csv)]


def tagged(request: Request, state: object, make: Callable[[], tuple[str, str]]) -> Response:
    """The answer with an ETag of everything it depends on, or 304 where the caller has it already.

    Args:
        state: what the answer depends on besides its address, e.g. the newest report of the site.
        make: gives the media type and the body; called only where needed.
    """
    parts = f"{request.url.path}?{request.url.query}|{request.headers.get('accept', '')}|{state}"
    tag = f'W/"{hashlib.sha256(parts.encode()).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}
    if tag in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    media_type, body = make()
    return Response(body, headers=headers, media_type=media_type)


def as_json(model: BaseModel) -> tuple[str, str]:
    """Media type and body of a model."""
    return "application/json", model.model_dump_json()


def as_csv(text: str) -> tuple[str, str]:
    """Media type and body of a table."""
    return "text/csv; charset=utf-8", text


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for OpenAPI."""
    content = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    meanings = {
        400: "A cursor that this server did not give out", 401: "No good key, token or session",
        403: "Not with this key or token", 404: "No such thing", 409: "Somebody or something else was first",
        413: "Too large", 415: "Not plain JSON", 422: "Not as it should be", 429: "Too many failed attempts",
        503: "Not ready",
    }  # fmt: skip
    return {status: {"description": meanings[status], "content": content} for status in statuses}


CSV_OR_JSON: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
    304: {"description": "The caller has this answer already"},
}
