"""JSON logs in which nothing about a patient can stand: an allow-list of fields, each with the shape of its values.

A record is an event name, fixed in the code, and fields of `FIELDS`. A field that is not listed, or a value that does
not look as its field's values look, is dropped and counted in `dropped`. Messages of libraries (SQLAlchemy, uvicorn,
pydicom) may hold anything, so only their logger's name and level pass; of an exception its class and the places in
our own code pass, never its message. The list is in force from the first record on, also where `configure` was
never called.

Example:
    >>> import io
    >>> stream = io.StringIO()
    >>> configure("info", stream)
    >>> logger("worker").info("case_stored", duration_s=1.5, patient_name="DOE^JANE")
    >>> '"dropped": 1' in stream.getvalue() and "DOE" not in stream.getvalue()
    True
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, cast
from uuid import UUID

import structlog
from structlog.typing import FilteringBoundLogger

from shared.clock import rfc3339, utc_now

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,47}")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}(\.[A-Za-z_][A-Za-z0-9_]{0,40}){0,6}")
_CLASS = re.compile(r"[A-Z][a-z0-9]+([A-Z]{1,4}[a-z0-9]*)*")
_SITE = re.compile(r"[a-z][a-z0-9-]{1,39}")
_HEX = re.compile(r"[0-9a-f]{20,64}")  # longer than any number that a hospital gives to a person or an examination
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}([.+-][a-z0-9]{1,12})?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_METHOD = re.compile(r"GET|PUT|POST|DELETE|HEAD|PATCH|OPTIONS")
_ROUTE = re.compile(r"(/[a-z0-9_.]{1,24}|/\{[a-z_]{1,24}\}){1,8}|/")
_STRATUM = re.compile(r"all|[a-z_]{1,32}=[a-z0-9_.-]{1,32}")
_PLACES = re.compile(r"([a-z_]+\.)*[a-z_]+:\d+( < ([a-z_]+\.)*[a-z_]+:\d+)*")
_HOST = re.compile(r"localhost|127\.0\.0\.1|0\.0\.0\.0|::1|::")

Shape = re.Pattern[str] | type[float]

FIELDS: Mapping[str, Shape] = {
    # who and what: names of fixed catalogues
    "site": _SITE, "kind": _SLUG, "status": _SLUG, "state": _SLUG, "stage": _SLUG, "reason": _SLUG, "rule": _SLUG,
    "metric": _SLUG, "detector": _SLUG, "stratum": _STRATUM, "backend": _SLUG, "device": _SLUG, "setting": _SLUG,
    "database": _SLUG, "signal": _SLUG, "host": _HOST, "action": _SLUG, "permanent": float,
    # ids that were derived with a key or at random, hashes, versions, times of our own doing
    "report_id": _UUID, "alert_id": _UUID, "request_id": _UUID, "case_id": _HEX, "sha256": _HEX,
    "version": _VERSION, "model": _VERSION, "baseline": float, "revision": float, "window_index": float,
    "since": _MOMENT,
    # requests
    "method": _METHOD, "route": _ROUTE, "status_code": float, "port": float,
    # counts, sizes, durations
    "count": float, "attempt": float, "bytes": float, "duration_s": float, "retry_in_s": float, "interval_s": float,
    "waiting_count": float, "finding_count": float, "opened_count": float, "updated_count": float,
    "resolved_count": float, "case_count": float, "skew_s": float, "memory_mb": float,
    # faults: the class of the error and where in our code, never its message
    "error": _CLASS, "where": _PLACES, "library": _DOTTED,
}  # fmt: skip

OUR_PACKAGES = ("shared", "hospital_agent", "central_server", "dashboard")
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class _Sink:
    """Where records go; one a process, so that loggers made before `configure` follow it."""

    def __init__(self) -> None:
        self.level = LEVELS["info"]
        self.stream: TextIO | None = None
        self.dropped = 0

    def msg(self, line: str) -> None:
        stream = self.stream or sys.stderr
        stream.write(line + "\n")
        stream.flush()

    debug = info = warning = error = critical = exception = msg


_sink = _Sink()
Event = MutableMapping[str, Any]


def _written(shape: Shape, value: object) -> str | float | bool | None:
    """The value as it may stand in a log, or None where it does not look as its field's values look."""
    if shape is float:
        return value if isinstance(value, bool | int | float) and abs(value) < 1e12 else None
    if isinstance(value, UUID):
        value = str(value)
    if isinstance(value, datetime):
        value = rfc3339(value)
    matches = isinstance(value, str) and cast(re.Pattern[str], shape).fullmatch(value)
    return cast(str, value) if matches else None


def _below_level(_: object, method: str, event: Event) -> Event:
    if LEVELS.get(method, LEVELS["error"]) < _sink.level:
        raise structlog.DropEvent
    return event


def _places(trace: TracebackType | None) -> str | None:
    """Module and line of each of our frames, innermost first; code places only, no values."""
    found = []
    for frame in traceback.extract_tb(trace):
        parts = Path(frame.filename).with_suffix("").parts
        start = max((i for i, part in enumerate(parts) if part in OUR_PACKAGES), default=None)
        if start is not None:
            found.append(f"{'.'.join(parts[start:])}:{frame.lineno}")
    return " < ".join(reversed(found[-6:])) or None


def _fault(_: object, __: str, event: Event) -> Event:
    """Put the class and the places of an exception into the record instead of its text."""
    fault = event.pop("exc_info", None)
    if fault is True:
        fault = sys.exc_info()[1]
    if isinstance(fault, tuple):
        fault = fault[1]
    if isinstance(fault, BaseException):
        event["error"], event["where"] = type(fault).__name__, _places(fault.__traceback__)
    return event


def _only_allowed(_: object, method: str, event: Event) -> Event:
    """Keep listed fields whose values have the listed shape; count the others."""
    name, source = event.pop("event", None), event.pop("logger", None)
    kept: dict[str, Any] = {"at": rfc3339(utc_now()), "level": method}
    kept["logger"] = source if isinstance(source, str) and _DOTTED.fullmatch(source) else "unnamed"
    named = isinstance(name, str) and _SLUG.fullmatch(name)
    kept["event"] = name if named else "unnamed_event"
    dropped = 0 if named else 1
    for field, value in event.items():
        written = _written(FIELDS[field], value) if field in FIELDS else None
        if written is None:
            dropped += value is not None or field not in FIELDS
        else:
            kept[field] = written
    if dropped:
        kept["dropped"] = dropped
        _sink.dropped += dropped
    return kept


_PROCESSORS = (_below_level, _fault, _only_allowed, structlog.processors.JSONRenderer())


def logger(name: str) -> FilteringBoundLogger:
    """A logger for one part of a program; `name` is fixed in the code, e.g. "worker".

    Its methods (`debug`, `info`, `warning`, `error`, `exception`) take an event name and fields of `FIELDS`.
    """
    every_level = structlog.make_filtering_bound_logger(0)
    bare = structlog.wrap_logger(_sink, processors=_PROCESSORS, wrapper_class=every_level)
    return cast(FilteringBoundLogger, bare.bind(logger=name))


def dropped_count() -> int:
    """How many fields and texts were kept out of the log since the program started."""
    return _sink.dropped


class _LibraryHandler(logging.Handler):
    """Lets a library's record through as its name and level; its text may hold anything and is dropped."""

    def emit(self, record: logging.LogRecord) -> None:
        write = getattr(logger("library"), record.levelname.lower(), logger("library").error)
        write("library_message", library=record.name, exc_info=record.exc_info)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Set the level and the stream (standard error unless given), and take in what libraries log.

    Raises:
        ValueError: there is no such level.
    """
    if level.lower() not in LEVELS:
        raise ValueError(f"There is no log level '{level}'. Known: {', '.join(LEVELS)}.")
    _sink.level, _sink.stream = LEVELS[level.lower()], stream
    logging.root.handlers[:] = [_LibraryHandler()]
    logging.root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
