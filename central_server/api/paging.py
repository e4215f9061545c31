"""Cursor paging: a cursor says after which row to go on, and stays right while rows are added."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from central_server.errors import BadCursor

T = TypeVar("T")

Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="At most so many items.")]


def encode(position: str) -> str:
    """A cursor for this position; opaque to callers."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode(cursor: str | None) -> str | None:
    """The position of a cursor; None at the beginning. An empty cursor is the beginning too.

    Raises:
        BadCursor: not one of ours.
    """
    if not cursor:
        return None
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise BadCursor("This cursor was not given out by this server.") from None


def row_id(cursor: str | None) -> int | None:
    """The row id in a cursor of a list that is ordered by row id.

    Raises:
        BadCursor: not one of ours.
    """
    position = decode(cursor)
    if position is None:
        return None
    if not position.isdecimal() or len(position) > 18:
        raise BadCursor("This cursor was not given out by this server.")
    return int(position)


def cut(rows: Sequence[T], limit: int, position: Callable[[T], str]) -> tuple[Sequence[T], str | None]:
    """The first `limit` of `limit + 1` fetched rows, and the cursor to the rest if there is one."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode(position(rows[limit - 1]))
