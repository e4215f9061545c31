"""A real agent and the real centre: reports are taken in, and a change at the site becomes an alert at the centre."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from central_server.database.migrate import migrate
from central_server.database.session import Database
from hospital_agent.reporting.sender import Central
from hospital_agent.store import ledger, outbox
from hospital_agent.store.tables import LedgerRow
from tests.agent_site import Site, SmallCentral, TestClock
from tests.central_world import World, running

DAY_S = 86400
GROWN: dict[str, Any] = {"baseline_patients": 30, "federation_streams": 1000}


class TrueCentral(SmallCentral):
    """The server of the product, reached over its own test transport."""

    world: World
    key: str

    def client(self) -> Central:
        return Central("http://testserver", self.key, transport=self.world.client._transport)


@pytest.fixture
def world(tmp_path: Path) -> Any:
    url = f"sqlite:///{tmp_path / 'central.sqlite'}"
    with running(url, no_scans_after_s=365 * DAY_S, silent_after_s=365 * DAY_S) as world:
        yield world


@pytest.fixture(autouse=True)
def _migrated(tmp_path: Path) -> None:
    from sqlalchemy.engine import make_url

    database = Database(make_url(f"sqlite:///{tmp_path / 'central.sqlite'}"))
    migrate(database)
    database.close()


def site_of(world: World, folder: Path) -> Site:
    central = TrueCentral(TestClock())
    central.world, central.key = world, world.add_site("north", "North Clinic")
    site = Site(folder, clock=TestClock(now=world.clock.now.replace(hour=8)), central=central, **GROWN)
    return site


def live(site: Site, world: World, days: range, **drop: Any) -> None:
    for day in days:
        site.day(10, first=100 * day, **drop)
        world.clock.now = site.clock.now


def test_a_changed_scanner_becomes_an_alert_and_an_unchanged_site_none(world: World, tmp_path: Path) -> None:
    site = site_of(world, tmp_path / "north")
    live(site, world, range(5))
    assert world.alerts() == []
    overview = world.get("/sites/north").json()["overview"]
    assert overview["baseline"]["patient_count"] == 30
    live(site, world, range(5, 7), lesion_hu=180.0)
    (alert, *_) = [a for a in world.alerts() if a["metric"] == "intensity_mode_hu"]
    assert (alert["site"], alert["rule"], alert["state"]) == ("north", "site_detector", "firing")
    assert alert["evidence"]["baseline_n"] == 30
    assert alert["evidence"]["statistic"] >= alert["evidence"]["threshold"]


def test_both_sides_hold_the_same_bytes(world: World, tmp_path: Path) -> None:
    site = site_of(world, tmp_path / "north")
    live(site, world, range(4))
    there = {row["report_id"]: row["sha256"] for row in world.get("/reports", site="north").json()["items"]}
    with site.store.read() as session:
        here = {row.report_id: hashlib.sha256(row.body).hexdigest() for row in ledger.rows(session)}
        assert outbox.counts(session) == {"waiting": 0, "sent": 5, "parked": 0}
        assert all(row.sha256 == here[row.report_id] for row in session.query(LedgerRow))
    assert here == there


def test_a_suppressed_window_is_told_as_such(world: World, tmp_path: Path) -> None:
    site = site_of(world, tmp_path / "north")
    site.drop("p1", 1)
    site.settle()
    site.clock.pass_time(days=9)
    site.worker.round()
    world.clock.now = site.clock.now
    (row,) = world.get("/reports", site="north").json()["items"]
    assert row["status"] == "suppressed"


def test_a_sign_of_life_is_seen(world: World, tmp_path: Path) -> None:
    site = site_of(world, tmp_path / "north")
    site.worker.round()
    assert world.get("/sites/north").json()["overview"]["last_seen_at"] is not None
    assert site.store.fact("sign_of_life_failure") == ""


def test_a_revoked_key_parks_nothing_and_is_visible(world: World, tmp_path: Path) -> None:
    site = site_of(world, tmp_path / "north")
    site.central.key = "0" * 20 + "unknown-key-of-nobody"  # type: ignore[attr-defined]
    site.start()
    live(site, world, range(1))
    with site.store.read() as session:
        assert outbox.counts(session)["waiting"] == 1
        assert outbox.listed(session)[0]["last_code"] == "http_401"
