"""Windows and a clock that jumps: nothing is closed by a time that nobody else believes."""

from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from hospital_agent.store import windows
from hospital_agent.store.overview import overview
from tests.agent_site import Site, SmallCentral, TestClock, quick_toolkit


@pytest.fixture
def true_clock() -> TestClock:
    return TestClock()


@pytest.fixture
def site(tmp_path: Path, true_clock: TestClock) -> Site:
    """A site whose centre has a clock of its own."""
    return Site(tmp_path, central=SmallCentral(true_clock))


def test_a_clock_that_was_ahead_for_a_while_closes_nothing(site: Site, true_clock: TestClock) -> None:
    site.worker.round()
    site.clock.now += timedelta(days=5 * 365)
    for _ in range(3):
        site.clock.pass_time(minutes=10)
        site.worker.round()
    assert site.central.reports() == []
    site.clock.now -= timedelta(days=5 * 365)
    true_clock.now = site.clock.now
    site.worker.round()
    site.day(6, first=0)
    (report,) = site.central.reports()
    assert (report.status, report.patient_count) == ("released", 6)


def test_a_case_that_came_while_the_clock_was_ahead_does_not_hold_its_window_open(
    site: Site, true_clock: TestClock
) -> None:
    site.worker.round()
    site.clock.now += timedelta(days=400)
    site.drop("p90", 90)
    site.settle()
    site.clock.now -= timedelta(days=400)
    true_clock.now = site.clock.now
    site.worker.round()
    site.day(6, first=0)
    (report,) = site.central.reports()
    assert report.patient_count == 7


def test_a_jump_that_the_centre_confirms_is_believed_at_once(site: Site, true_clock: TestClock) -> None:
    site.worker.round()
    site.clock.now += timedelta(days=8)
    true_clock.now = site.clock.now
    site.worker.round()
    assert site.central.reports() == []
    site.clock.pass_time(seconds=1)
    site.worker.round()
    assert [report.status for report in site.central.reports()] == ["suppressed"]


@pytest.mark.parametrize(("hours", "closed"), [(23, 0), (25, 1)])
def test_without_the_centre_a_clock_is_believed_after_a_day(site: Site, hours: int, closed: int) -> None:
    site.central.instead = lambda request: httpx2.Response(503)
    site.worker.round()
    site.clock.now += timedelta(days=8)
    site.worker.round()
    for _ in range(hours):
        site.clock.pass_time(hours=1)
        site.worker.round()
    assert overview(site.store)["outbox"]["waiting"] == closed


def test_another_model_may_come_while_the_open_window_begins_in_the_future(site: Site) -> None:
    with site.store.write() as session:
        window = windows.open_window(session)
        assert window is not None
        window.start_at += timedelta(days=30)
    assert overview(site.store, site.clock)["window"]["starts_in_the_future"]
    site.toolkit = quick_toolkit(model_version="8.0", model_hash="c" * 64)
    site.start()
    site.worker.round()
    assert [report.status for report in site.central.reports()] == ["suppressed"]
