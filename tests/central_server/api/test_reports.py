"""Reports arrive once, whole, and byte for byte."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from central_server.database.tables import (
    AuditRow,
    DetectorRow,
    EventRow,
    MetricRow,
    PendingReportRow,
    ReportRow,
)
from shared.report import SiteReport
from tests.central_world import World
from tests.report_factory import SiteStory, body_of, reports_of

STORY = SiteStory("north-clinic", windows=7, warm_up=4)
REPORTS = reports_of(STORY)
FIRST, LAST = REPORTS[0], REPORTS[-1]


def count(world: World, table: type) -> int:
    with world.centre.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_the_first_delivery_answers_201_with_the_hash_of_the_received_bytes(world: World) -> None:
    world.add_site("north-clinic")
    answer = world.put(LAST)
    assert answer.status_code == 201
    assert answer.json()["sha256"] == hashlib.sha256(body_of(LAST)).hexdigest()
    assert answer.json()["report_id"] == str(LAST.report_id)


def test_the_hash_is_that_of_the_bytes_and_not_of_their_meaning(world: World) -> None:
    world.add_site("north-clinic")
    body = json.dumps(json.loads(body_of(LAST)), indent=2).encode()
    assert world.put(LAST, body).json()["sha256"] == hashlib.sha256(body).hexdigest()
    with world.centre.database.read() as session:
        assert session.scalar(select(ReportRow.body)) == body


def test_the_same_bytes_again_answer_200_with_the_first_receipt_and_change_nothing(world: World) -> None:
    world.add_site("north-clinic")
    first = world.put(LAST).json()
    world.clock.forward(hours=3)
    again = world.put(LAST)
    assert (again.status_code, again.json()) == (200, first)
    assert count(world, ReportRow) == 1


def test_another_body_under_the_same_id_answers_409_and_the_stored_one_stays(world: World) -> None:
    world.add_site("north-clinic")
    first = world.put(LAST).json()
    other = LAST.model_copy(update={"case_count": (LAST.case_count or 0) + 1})
    answer = world.put(other)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert world.put(LAST).json() == first
    with world.centre.database.read() as session:
        assert session.scalar(select(func.count()).where(AuditRow.action == "report_conflict")) == 1


def test_report_and_summaries_are_stored_together(world: World) -> None:
    world.add_site("north-clinic")
    world.put(LAST)
    assert count(world, MetricRow) == len(LAST.metrics)
    assert count(world, EventRow) == len(LAST.events)
    assert count(world, DetectorRow) == len(LAST.detectors)


def test_a_fault_in_the_middle_of_storing_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note for monitoring is written last; a fault there takes back the report and its summaries too."""
    from central_server.database import reports

    world.add_site("north-clinic")

    def broken(**_: object) -> None:
        raise RuntimeError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(reports, "PendingReportRow", broken)
        answer = world.put(LAST)
    assert answer.status_code == 500
    assert "disk" not in answer.text
    assert count(world, ReportRow) == count(world, MetricRow) == 0
    assert world.put(LAST).status_code == 201


def test_many_deliveries_at_once_store_one_report(world: World) -> None:
    world.add_site("north-clinic")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.put(LAST), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert count(world, ReportRow) == 1


def test_reports_are_settled_by_the_pass_that_follows(world: World) -> None:
    world.add_site("north-clinic")
    world.put(LAST)
    assert count(world, PendingReportRow) == 0


def test_a_site_sends_its_own_reports_only(world: World) -> None:
    world.add_site("north-clinic")
    world.add_site("south-clinic")
    answer = world.client.put(
        f"/api/v1/reports/{LAST.report_id}",
        content=body_of(LAST),
        headers={"Content-Type": "application/json", **world.as_site("south-clinic")},
    )
    assert answer.status_code == 403
    assert count(world, ReportRow) == 0


def test_the_id_in_the_address_is_the_one_in_the_body(small_world: World) -> None:
    small_world.add_site("north-clinic")
    answer = small_world.client.put(
        f"/api/v1/reports/{uuid4()}",
        content=body_of(LAST),
        headers={"Content-Type": "application/json", **small_world.as_site("north-clinic")},
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("key", ["", "Bearer ", "Bearer nonsense", "Basic abc"])
def test_without_a_good_key_nothing_is_read(small_world: World, key: str) -> None:
    small_world.add_site("north-clinic")
    answer = small_world.put(LAST, Authorization=key)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_persons_token_is_no_site_key(small_world: World) -> None:
    small_world.add_site("north-clinic")
    assert small_world.put(LAST, **small_world.as_lead()).status_code == 401


@pytest.mark.parametrize("declare", [True, False])
def test_a_body_over_the_limit_answers_413(small_world: World, declare: bool) -> None:
    small_world.add_site("north-clinic")
    too_much = b" " * (small_world.centre.settings.max_report_bytes + 1)
    body = too_much if declare else iter([too_much[:1000], too_much[1000:]])
    assert small_world.put(LAST, body).status_code == 413


def test_a_compressed_or_foreign_body_answers_415(small_world: World) -> None:
    small_world.add_site("north-clinic")
    assert small_world.put(LAST, **{"Content-Encoding": "gzip"}).status_code == 415
    assert small_world.put(LAST, **{"Content-Type": "text/plain"}).status_code == 415


def test_an_unknown_field_is_refused_and_not_echoed(small_world: World) -> None:
    small_world.add_site("north-clinic")
    body = json.loads(body_of(LAST)) | {"DOE^JANE": "1.2.840.113619"}
    answer = small_world.put(LAST, json.dumps(body).encode())
    assert answer.status_code == 422
    assert "DOE" not in answer.text
    assert "1.2.840" not in answer.text
    assert "extra_forbidden" in answer.json()["detail"]


def test_suppressed_windows_are_stored_without_numbers(world: World) -> None:
    told = world.tell(SiteStory("north-clinic", windows=3, suppressed=frozenset({2})))
    assert told[-1].status == "suppressed"
    with world.centre.database.read() as session:
        row = session.scalars(select(ReportRow).where(ReportRow.status == "suppressed")).one()
        assert (row.case_count, row.patient_count, row.funnel, row.metrics) == (None, None, None, [])


def test_the_list_pages_backwards_without_gap_or_repeat(world: World) -> None:
    told = world.tell(STORY)
    seen: list[str] = []
    cursor = None
    while True:
        page = world.get("/reports", limit=5, **({"cursor": cursor} if cursor else {})).json()
        seen += [item["report_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(report.report_id) for report in reversed(told)]


def test_the_list_can_be_kept_to_one_site(world: World) -> None:
    world.tell(SiteStory("north-clinic", windows=2))
    world.tell(SiteStory("south-clinic", windows=3))
    items = world.get("/reports", site="south-clinic").json()["items"]
    assert [item["site"] for item in items] == ["south-clinic"] * 3
    assert world.get("/reports", site="nowhere").json()["items"] == []


@pytest.mark.parametrize("cursor", ["!", "AAAA", "bm9wZQ", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_a_made_up_cursor_answers_400(small_world: World, cursor: str) -> None:
    answer = small_world.get("/reports", cursor=cursor)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:segwatch:problem:bad-cursor"


def test_what_was_stored_is_what_was_sent(world: World) -> None:
    told = world.tell(STORY)
    with world.centre.database.read() as session:
        bodies = session.scalars(select(ReportRow.body).order_by(ReportRow.id)).all()
    assert [SiteReport.model_validate_json(body) for body in bodies] == told
