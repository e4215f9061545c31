"""Windows in order, with those that never came in their place."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central_server.database.tables import ReportRow
from central_server.views.timeline import LONGEST_GAP, timeline
from shared.report import report_id_for

START = datetime(2026, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def row(index: int, stratum: str = "all", length: timedelta = DAY, start: datetime | None = None) -> ReportRow:
    begins = start or START + index * DAY
    return ReportRow(
        report_id=report_id_for("a-site", "window", index, stratum, 0, None),
        stratum=stratum,
        window_index=index,
        start_at=begins,
        end_at=begins + length,
    )


def test_without_windows_it_is_empty() -> None:
    assert timeline([], "a-site", "all").slots == ()


def test_a_skipped_number_is_a_window_without_a_report_at_its_time() -> None:
    slots = timeline([row(0), row(3)], "a-site", "all").slots
    assert [slot.window.index for slot in slots] == [0, 1, 2, 3]
    assert [slot.report is None for slot in slots] == [False, True, True, False]
    assert slots[1].window.start_at == START + DAY
    assert slots[2].window.end_at == START + 3 * DAY
    assert slots[1].report_id == report_id_for("a-site", "window", 1, "all", 0, None)


def test_a_window_of_another_stratum_only_is_missing_in_this_one() -> None:
    slots = timeline([row(0), row(1), row(0, "sex=f")], "a-site", "sex=f").slots
    assert [slot.report is None for slot in slots] == [False, True]


def test_a_site_that_began_to_count_anew_makes_no_thousand_windows() -> None:
    slots = timeline([row(0), row(LONGEST_GAP + 10)], "a-site", "all").slots
    assert len(slots) == 2


def test_windows_that_overlap_leave_no_room_for_missing_ones() -> None:
    slots = timeline([row(0, length=5 * DAY), row(3, start=START + 2 * DAY)], "a-site", "all").slots
    assert len(slots) == 2


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_order_of_arrival_is_no_matter(order: list[int]) -> None:
    assert [slot.window.index for slot in timeline([row(i) for i in order], "a-site", "all").slots] == [0, 1, 2]


@given(st.sets(st.integers(0, 60), min_size=1))
def test_every_report_is_there_once_and_numbers_run_without_gap(indices: set[int]) -> None:
    slots = timeline([row(i) for i in indices], "a-site", "all").slots
    assert [slot.window.index for slot in slots] == list(range(min(indices), max(indices) + 1))
    assert {slot.window.index for slot in slots if slot.report is not None} == indices
    assert all(a.window.end_at <= b.window.start_at for a, b in pairwise(slots))
