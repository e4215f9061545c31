"""From received bytes to a report that may be stored: the wire model, and what a database and a chart can hold.

A refusal says where the contract is broken and which rule broke; it never repeats what was sent.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from central_server.errors import NotAllowed, ReportRefused
from shared.report import SiteReport

LARGEST_NUMBER = 1e12
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_PLACES_TOLD = 3


def read_report(body: bytes, report_id: UUID, site: str) -> SiteReport:
    """The report in `body`, sent by `site` to the path of `report_id`.

    Raises:
        ReportRefused: not a report of wire model v1, not the one of this path, or with values no report can have.
        NotAllowed: it is the report of another site.
    """
    try:
        report = SiteReport.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise ReportRefused(
            f"The report breaks the wire model {broken_rules(problems, names_in(SiteReport))}."
        ) from None
    if report.site != site:
        raise NotAllowed("A site's key sends that site's reports and no other's.")
    if report.report_id != report_id:
        raise ReportRefused("The report's id is not the one of the address it was sent to.")
    _refuse_repeats("quantity", (metric.name for metric in report.metrics))
    _refuse_repeats("event", (event.name for event in report.events))
    _refuse_repeats("detector", ((d.metric, d.kind, d.alternative) for d in report.detectors))
    for value in _leaves(report):
        _refuse_extreme(value)
    return report


def broken_rules(problems: Sequence[Mapping[str, Any]], known: Container[str]) -> str:
    """Where and how input broke a model, e.g. "at metrics.0.unit (string_too_long)"; without any of the input.

    Args:
        problems: as pydantic lists them.
        known: names that may be told; others in a location were made up by the sender and become "?".

    The sentence of a validator of ours is constant and is told; other messages may quote the input and are not.
    """
    told = []
    for problem in problems[:_PLACES_TOLD]:
        steps = (str(step) if isinstance(step, int) or step in known else "?" for step in problem["loc"])
        ours = problem["type"] == "value_error"
        rule = problem["msg"].removeprefix("Value error, ").rstrip(".") if ours else problem["type"]
        told.append(f"at {'.'.join(steps) or 'the top'} ({rule})")
    more = len(problems) - len(told)
    return ", ".join(told) + (f" and in {more} more places" if more else "")


@cache
def names_in(model: type[BaseModel]) -> frozenset[str]:
    """All field names of a model and of the models inside it."""
    schema = model.model_json_schema()
    definitions = (schema, *schema.get("$defs", {}).values())
    return frozenset(name for definition in definitions for name in definition.get("properties", {}))


def _refuse_repeats(kind: str, names: Iterable[object]) -> None:
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise ReportRefused(f"The report names one {kind} twice.")
        seen.add(name)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _leaves(getattr(value, name))
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _refuse_extreme(value: Any) -> None:
    """A database column, a chart and JSON must be able to hold every value."""
    if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
        raise ReportRefused("The report holds a number beyond 1e12.")
    if isinstance(value, str) and not value.isprintable():
        raise ReportRefused("The report holds a text with characters that cannot be printed.")
    if isinstance(value, datetime) and not EARLIEST <= value < LATEST:
        raise ReportRefused("The report holds a time before 2000 or after 2199.")
