"""Examples for the OpenAPI document: a report as an agent sends it, and an answer of each operation.

They were taken from a running server and shortened; a test holds each of them to its model.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("examples.json")


@cache
def _all() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return loaded


def report() -> dict[str, Any]:
    """A report of one window with one quantity, one event and one detector."""
    example: dict[str, Any] = _all()["report"]
    return example


def answers() -> dict[str, Any]:
    """An answer by the operation's id."""
    found: dict[str, Any] = _all()["answers"]
    return found
