"""Whole runs among sites in this process, led and kept the way that a real one is."""

from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy.engine import make_url

from central_server.database import federated_runs, federation_keys, sites
from central_server.database.session import Database
from central_server.federation.conductor import Conductor, RunRules
from central_server.federation.run_log import RunEnded
from central_server.federation.stored import (
    DatabaseRunLog,
    StoredCohorts,
    run_to_do,
    stored_site_keys,
    stored_totals,
)
from tests.central_world import NOON, OwnClock
from tests.federations import Federation, InProcess, own_jobs, step_of


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opened = Database(make_url(sqlite_url))
    yield opened
    opened.close()


@pytest.fixture
def federation(monkeypatch: pytest.MonkeyPatch, database: Database) -> Federation:
    made = Federation(5, own_jobs(monkeypatch))
    with database.write() as session:
        for name, public in made.public.items():
            federation_keys.give_key(session, sites.register(session, name, None, NOON, "lead"), public, NOON, "lead")
    return made


def conducted(database: Database, exchange: InProcess, only: tuple[str, ...] | None = None) -> tuple[str, RunEnded]:
    """A run as the program that leads it does it, from the database alone."""
    with database.write() as session:
        run = federated_runs.propose(session, "gaussian", {}, NOON, "lead", deadline_s=5, sites=only).run
    with DatabaseRunLog(database, run, OwnClock()) as log:
        with database.read() as session:
            todo, keys = run_to_do(session, run), stored_site_keys(session)
        rules = RunRules(deadline_s=todo.deadline_s, sites=todo.sites, tries=1, gather_s=0)
        conductor = Conductor(exchange, keys, StoredCohorts(database), log, rules)
        return run, conductor.conduct(run, todo.job, todo.options)


def test_a_run_and_its_totals_are_kept_as_the_sites_saw_them(database: Database, federation: Federation) -> None:
    run, ended = conducted(database, InProcess(federation))
    assert ended.completed
    with database.read() as session:
        row = federated_runs.run_row(session, run)
        assert (row.state, tuple(row.contributors or ())) == ("completed", federation.names)
        assert [one.number for one in row.rounds] == [1, 2]
        assert row.told == {"sites": 5, "rows": len(federation.pooled())}
        kept = stored_totals(session, run)
    assert [total.tobytes() for total in kept] == [total.tobytes() for total in ended.totals]
    # The first total holds the sum of all sites' rows somewhere; the centre kept what the sites computed with.
    assert any(np.isclose(value, len(federation.pooled())) for value in kept[0])


def test_the_next_program_refuses_what_would_give_a_site_away(database: Database, federation: Federation) -> None:
    conducted(database, InProcess(federation))
    without = federation.names[1:]
    run, ended = conducted(database, InProcess(federation), only=without)
    assert not ended.completed
    assert federation.names[0] in ended.sentence
    with database.read() as session:
        row = federated_runs.run_row(session, run)
        assert (row.state, row.sentence, row.rounds) == ("failed", ended.sentence, [])
        assert federated_runs.total_bytes(session, run) == []


def test_a_cohort_is_written_down_before_anybody_is_asked_to_unmask(database: Database, federation: Federation) -> None:
    known: list[int] = []

    def look(site: str, packet: object, number: int) -> bool:
        if step_of(packet) == "unmask":  # type: ignore[arg-type]
            with database.read() as session:
                known.append(len(federation_keys.cohorts(session, "gaussian/test")))
        return False

    conducted(database, InProcess(federation, look))
    assert known
    assert set(known) == {1}
