"""Times keep their zone on both databases, and a time without one is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, StatementError

from central_server.database.session import Database
from central_server.database.tables import AlertRow, SiteRow, UtcDateTime


def test_times_come_back_as_aware_utc(database_url: str) -> None:
    database = Database(make_url(database_url))
    berlin = timezone(timedelta(hours=2))
    with database.write() as session:
        session.add(SiteRow(name="a-site", title="", registered_at=datetime(2026, 7, 1, 14, 30, 0, 123456, berlin)))
    with database.read() as session:
        stored = session.scalars(select(SiteRow.registered_at)).one()
    assert stored == datetime(2026, 7, 1, 12, 30, 0, 123456, UTC)
    assert stored.utcoffset() == timedelta(0)
    database.close()


def test_a_time_without_a_zone_is_refused(database_url: str) -> None:
    database = Database(make_url(database_url))
    with pytest.raises(StatementError, match="without a time zone"), database.write() as session:
        session.add(SiteRow(name="a-site", title="", registered_at=datetime(2026, 7, 1)))  # noqa: DTZ001
    database.close()


def test_no_time_stays_no_time() -> None:
    assert UtcDateTime().process_bind_param(None, None) is None  # type: ignore[arg-type]
    assert UtcDateTime().process_result_value(None, None) is None  # type: ignore[arg-type]


def test_the_database_itself_allows_one_open_alert_a_cause(database_url: str) -> None:
    database = Database(make_url(database_url))
    now = datetime(2026, 7, 1, tzinfo=UTC)

    def alert(number: int, state: str) -> AlertRow:
        from uuid import UUID

        return AlertRow(
            alert_id=UUID(int=number), cause="one", site_id=1, rule="r", severity="info", title="", stratum="all",
            state=state, opened_at=now, updated_at=now, told_until=now, evidence={}, next_step="",
        )  # fmt: skip

    with database.write() as session:
        session.add(SiteRow(id=1, name="a-site", title="", registered_at=now))
        session.flush()
        session.add_all([alert(1, "resolved"), alert(2, "resolved"), alert(3, "firing")])
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(alert(4, "acknowledged"))
    database.close()
