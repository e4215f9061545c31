"""The audit can be read and nobody can rewrite it."""

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DatabaseError

from central_server.database.tables import AuditRow, TransitionRow
from tests.central_world import World


def test_lines_come_newest_first_and_in_pages(world: World) -> None:
    for name in ("a-site", "b-site", "c-site"):
        world.add_site(name)
        world.clock.forward(minutes=1)
    world.as_lead()
    first = world.get("/audit", limit=3).json()
    rest = world.get("/audit", cursor=first["next_cursor"]).json()
    subjects = [line["subject"] for line in first["items"] + rest["items"]]
    assert subjects == ["session", "c-site", "c-site", "b-site", "b-site", "a-site", "a-site"]


@pytest.mark.parametrize("table", [AuditRow, TransitionRow])
def test_the_database_itself_refuses_to_change_or_delete_lines(world: World, table: type[AuditRow]) -> None:
    world.add_site("north-clinic")
    with world.centre.database.write() as session:
        row = AuditRow if table is AuditRow else TransitionRow
        if row is TransitionRow:
            _an_alert(world, session)
    for statement in (update(table).values(actor="somebody"), delete(table)):
        with pytest.raises(DatabaseError, match="append-only"), world.centre.database.write() as session:
            session.execute(statement)


def _an_alert(world: World, session: object) -> None:
    from central_server.alerts.findings import Finding
    from central_server.database.alerts import open_alert
    from central_server.database.sites import site_named
    from shared.read_models import Evidence

    evidence = Evidence(
        n=None, baseline_n=None, effect=None, statistic_name="", statistic=None, threshold=None, since=None, sentence=""
    )
    finding = Finding(
        "site_silent", "north-clinic", "cause", "warning", "title", None, "all", world.clock(), evidence, "do"
    )
    open_alert(session, site_named(session, "north-clinic").id, finding, world.clock())  # type: ignore[arg-type]
