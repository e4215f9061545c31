"""Examples for the OpenAPI document: one small report as an agent sends it."""

from typing import Any

REPORT_EXAMPLE: dict[str, Any] = {}
