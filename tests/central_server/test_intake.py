"""What may be stored: the wire model, and values that a database and a chart can hold."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from central_server.errors import NotAllowed, ReportRefused
from central_server.intake import read_report
from shared.report import SiteReport, report_id_for
from tests.report_factory import SiteStory, body_of, reports_of

REPORT = reports_of(SiteStory("north-clinic", windows=12))[-1]


def body(**changes: Any) -> bytes:
    return json.dumps({**json.loads(body_of(REPORT)), **changes}).encode()


def read(given: bytes, report_id: UUID = REPORT.report_id, site: str = "north-clinic") -> SiteReport:
    return read_report(given, report_id, site)


def test_every_report_of_a_site_is_read_back_whole() -> None:
    for report in reports_of(SiteStory("north-clinic", windows=12, strata=("sex=f",), suppressed=frozenset({10}))):
        assert read(body_of(report), report.report_id) == report


def test_another_sites_report_and_another_address_are_refused() -> None:
    with pytest.raises(NotAllowed):
        read(body_of(REPORT), site="south-clinic")
    with pytest.raises(ReportRefused, match="address"):
        read(body_of(REPORT), uuid4())


@pytest.mark.parametrize(
    "given",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"site": "north-clinic"}', body(schema_version=2), body(k=1),
        body(patient_count=4), body(site="DOE^JANE"), body(report_id=str(uuid4())), body(status="released ", kind=7),
    ],
)  # fmt: skip
def test_what_breaks_the_wire_model_is_refused_without_echo(given: bytes) -> None:
    with pytest.raises(ReportRefused) as error:
        read(given)
    assert "DOE" not in error.value.detail


def test_the_rule_that_broke_is_told_in_our_own_words() -> None:
    with pytest.raises(ReportRefused, match="covers at least k distinct patients"):
        read(body(patient_count=4))


def test_names_that_the_sender_made_up_are_not_repeated() -> None:
    with pytest.raises(ReportRefused, match=r"at \? \(extra_forbidden\)"):
        read(body(**{"Jane Doe": 1}))
    funnel = json.loads(body_of(REPORT))["funnel"]
    funnel["refused_by_reason"] = {"JaneDoe": {"low": 0, "high": 0}}
    with pytest.raises(ReportRefused) as error:
        read(body(funnel=funnel))
    assert "Jane" not in error.value.detail


@pytest.mark.parametrize("part", ["metrics", "events", "detectors"])
def test_nothing_is_named_twice(part: str) -> None:
    doubled = json.loads(body_of(REPORT))[part]
    with pytest.raises(ReportRefused, match="twice"):
        read(body(**{part: [*doubled, doubled[0]]}))


def test_numbers_that_no_column_holds_are_refused() -> None:
    with pytest.raises(ReportRefused, match="1e12"):
        read(body(case_count=10**30))
    with pytest.raises(ReportRefused, match="1e12"):
        read(body(late_count={"low": 0, "high": 10**13}))


def test_texts_that_cannot_be_printed_are_refused() -> None:
    metrics = json.loads(body_of(REPORT))["metrics"]
    for label in ("zero\x00byte", "line\nbreak", "\u202eturned"):
        metrics[0]["label"] = label
        with pytest.raises(ReportRefused, match="cannot be printed"):
            read(body(metrics=metrics))


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_times_beyond_any_calendar_are_refused(moment: str) -> None:
    with pytest.raises(ReportRefused, match="before 2000 or after 2199"):
        read(body(created_at=moment))


def test_a_window_at_the_edge_of_what_is_allowed_is_read() -> None:
    window = REPORT.window.model_copy(update={"index": 10**12, "start_at": datetime(2000, 1, 1, tzinfo=UTC)})
    report_id = report_id_for("north-clinic", "window", 10**12, "all", 0, None)
    edge = REPORT.model_copy(update={"window": window, "report_id": report_id})
    assert read(body_of(edge), report_id).window.index == 10**12
