"""Federated runs in the database: what is told is there for the next program, whatever happens to this one."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic, sleep

import numpy as np
import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from central_server.database import federated_runs, federation_keys, sites
from central_server.database.federation_tables import FederationKeyRow, ReleasedCohortRow
from central_server.database.session import Database
from central_server.errors import NotFound, RunIsOver, SiteKeyTaken
from central_server.federation.run_log import RoundEnded, RunBegan, RunEnded
from central_server.federation.states import INTERRUPTED_AFTER, state_of
from central_server.federation.stored import (
    DatabaseRunLog,
    RunToDo,
    StoredCohorts,
    run_to_do,
    stored_site_keys,
    stored_totals,
)
from shared.secure_sum.errors import CohortTooClose, CohortTooSmall
from tests.central_world import NOON, OwnClock

SITES = ("hill-hospital", "north-clinic", "south-clinic")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(make_url(database_url))
    yield opened
    opened.close()


@pytest.fixture
def quick(sqlite_url: str) -> Iterator[Database]:
    """For what does not depend on the database."""
    opened = Database(make_url(sqlite_url))
    yield opened
    opened.close()


def proposed(database: Database, **options: object) -> str:
    with database.write() as session:
        return federated_runs.propose(session, "gaussian", options, NOON, "lead", deadline_s=600).run


def began(run: str) -> RunBegan:
    return RunBegan(run, "gaussian", {}, SITES)


def test_what_a_person_asked_for_reaches_whoever_leads(database: Database) -> None:
    options = {"rank": 64, "exact": True, "shrinkage": 0.25, "layer": "bottleneck"}
    with database.write() as session:
        named = federated_runs.propose(
            session, "gaussian", options, NOON, "lead", deadline_s=90.5, sites=SITES[::-1]
        ).run
    with database.read() as session:
        assert run_to_do(session, named) == RunToDo("gaussian", options, 90.5, SITES)
        with pytest.raises(NotFound):
            run_to_do(session, "0" * 32)
    with database.read() as session:
        assert run_to_do(session, proposed(database)).sites is None


def test_events_are_kept_as_they_come(database: Database) -> None:
    run, clock = proposed(database), OwnClock()
    log = DatabaseRunLog(database, run, clock)
    log.tell(began(run))
    clock.forward(seconds=30)
    log.tell(RoundEnded(1, 1, SITES[:2], {"south-clinic": "silent"}, 12.5, 1_048_576))
    with database.read() as session:
        row = federated_runs.run_row(session, run)
        assert (row.state, row.invited, row.started_at) == ("running", list(SITES), NOON)
        (told,) = row.rounds
        assert (told.contributors, told.missing) == (list(SITES[:2]), {"south-clinic": "silent"})
        assert (told.seconds, told.bytes_per_site, told.ended_at) == (12.5, 1_048_576, clock.now)
    log.tell(RunEnded(True, "Done.", SITES[:2], {"south-clinic": "silent"}, (), {"distance_error": 1e-9}))
    with database.read() as session:
        row = federated_runs.run_row(session, run)
        assert (row.state, row.sentence, row.told) == ("completed", "Done.", {"distance_error": 1e-9})
        assert (row.contributors, row.missing) == (list(SITES[:2]), {"south-clinic": "silent"})
        with pytest.raises(RunIsOver, match="completed"):
            run_to_do(session, run)


def test_totals_come_back_bit_by_bit_also_beyond_one_piece(database: Database) -> None:
    run = proposed(database)
    totals = (np.array([3.0, -0.0, 1e-300]), np.random.default_rng(1).normal(size=federated_runs.PIECE_BYTES // 8 + 5))
    with DatabaseRunLog(database, run) as log:
        log.tell(began(run))
        log.tell(RunEnded(True, "Done.", SITES, {}, totals, {}))
    with database.read() as session:
        first, second = stored_totals(session, run)
    assert first.tobytes() == totals[0].tobytes()
    assert second.tobytes() == totals[1].tobytes()


def test_of_a_job_the_newest_totals_are_kept_and_the_runs_all(quick: Database) -> None:
    runs = [proposed(quick) for _ in range(federated_runs.KEPT_TOTALS + 2)]
    for number, run in enumerate(runs):
        DatabaseRunLog(quick, run).tell(RunEnded(True, "Done.", SITES, {}, (np.array([float(number)]),), {}))
    with quick.write() as session:
        other = federated_runs.propose(session, "other_job", {}, NOON, "lead", deadline_s=1).run
    DatabaseRunLog(quick, other).tell(RunEnded(True, "Done.", SITES, {}, (np.array([9.0]),), {}))
    with quick.read() as session:
        kept = [[total.tolist() for total in stored_totals(session, run)] for run in runs]
        assert kept == [[], [], [[2.0]], [[3.0]], [[4.0]]]
        assert len(federated_runs.run_rows(session, None, 100)) == len(runs) + 1
        assert len(stored_totals(session, other)) == 1


def test_a_run_that_is_over_takes_nothing_in(quick: Database) -> None:
    run = proposed(quick)
    log = DatabaseRunLog(quick, run)
    log.tell(RunEnded(False, "Nobody was there."))
    for event in (began(run), RoundEnded(1, 1, SITES, {}, 1.0, 1), RunEnded(True, "Done.")):
        with pytest.raises(RunIsOver, match="failed"):
            log.tell(event)
    log.close()


def test_a_run_whose_leader_was_restarted_begins_again(quick: Database) -> None:
    run, clock = proposed(quick), OwnClock()
    first = DatabaseRunLog(quick, run, clock)
    first.tell(began(run))
    first.close()
    clock.forward(minutes=10)
    with DatabaseRunLog(quick, run, clock) as second:
        second.tell(began(run))
        with quick.read() as session:
            row = federated_runs.run_row(session, run)
            assert (row.started_at, state_of(row, clock.now)) == (NOON, "running")


def test_a_run_without_a_sign_of_life_is_interrupted_and_an_event_heals_it(quick: Database) -> None:
    run, clock = proposed(quick), OwnClock()
    log = DatabaseRunLog(quick, run, clock, pulse_s=3600)

    def state(after: timedelta) -> str:
        with quick.read() as session:
            return state_of(federated_runs.run_row(session, run), clock.now + after)

    assert state(timedelta(days=1)) == "proposed"
    log.tell(began(run))
    assert state(INTERRUPTED_AFTER - timedelta(seconds=1)) == "running"
    assert state(INTERRUPTED_AFTER) == "interrupted"
    clock.forward(hours=1)
    log.tell(RoundEnded(1, 1, SITES, {}, 1.0, 1))
    assert state(timedelta(0)) == "running"
    log.tell(RunEnded(False, "Too few sites."))
    assert state(timedelta(days=1)) == "failed"


def test_signs_of_life_come_by_themselves_until_the_end(quick: Database) -> None:
    run, clock = proposed(quick), OwnClock()
    log = DatabaseRunLog(quick, run, clock, pulse_s=0.01)
    log.tell(began(run))
    clock.forward(minutes=5)

    def alive_at() -> object:
        with quick.read() as session:
            return federated_runs.run_row(session, run).alive_at

    until = monotonic() + 20
    while alive_at() != clock.now and monotonic() < until:
        sleep(0.01)
    assert alive_at() == clock.now
    log.tell(RunEnded(True, "Done.", SITES))
    assert "federated-run-pulse" not in {thread.name for thread in threading.enumerate()}


def test_an_error_of_the_leader_ends_the_run_as_failed(quick: Database) -> None:
    run = proposed(quick)

    def lead() -> None:
        with DatabaseRunLog(quick, run) as log:
            log.tell(began(run))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lead()
    with quick.read() as session:
        row = federated_runs.run_row(session, run)
    assert row.state == "failed"
    assert "ZeroDivisionError" in (row.sentence or "")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_leader_that_is_told_to_stop_leaves_the_run_to_be_taken_up_again(
    quick: Database, stop: type[BaseException]
) -> None:
    run, clock = proposed(quick), OwnClock()

    def lead() -> None:
        with DatabaseRunLog(quick, run, clock) as log:
            log.tell(began(run))
            raise stop

    with pytest.raises(stop):
        lead()
    assert "federated-run-pulse" not in {thread.name for thread in threading.enumerate()}
    with quick.read() as session:
        assert state_of(federated_runs.run_row(session, run), clock.now) == "running"
        assert run_to_do(session, run).job == "gaussian"


def test_a_log_keeps_its_own_run_only(quick: Database) -> None:
    with pytest.raises(ValueError, match="another run"):
        DatabaseRunLog(quick, proposed(quick)).tell(began("f" * 32))


def test_a_changed_key_is_a_new_row_and_audited(database: Database) -> None:
    with database.write() as session:
        site = sites.register(session, "north-clinic", None, NOON, "lead")
        assert federation_keys.give_key(session, site, b"a" * 32, NOON, "lead")
        assert not federation_keys.give_key(session, site, b"a" * 32, NOON, "lead")
    later = NOON + timedelta(days=1)
    with database.write() as session:
        federation_keys.give_key(session, sites.site_named(session, "north-clinic"), b"b" * 32, later, "lead")
    with database.read() as session:
        assert stored_site_keys(session) == {"north-clinic": b"b" * 32}
        rows = session.scalars(select(FederationKeyRow).order_by(FederationKeyRow.id)).all()
        assert [(row.public_key, row.revoked_at) for row in rows] == [(b"a" * 32, later), (b"b" * 32, None)]


def test_a_revoked_key_is_not_known_and_may_come_back(quick: Database) -> None:
    with quick.write() as session:
        site = sites.register(session, "north-clinic", None, NOON, "lead")
        federation_keys.give_key(session, site, b"a" * 32, NOON, "lead")
        federation_keys.revoke(session, site, NOON, "lead")
        assert stored_site_keys(session) == {}
        with pytest.raises(NotFound):
            federation_keys.revoke(session, site, NOON, "lead")
        assert federation_keys.give_key(session, site, b"a" * 32, NOON, "lead")
        assert stored_site_keys(session) == {"north-clinic": b"a" * 32}


def test_one_key_speaks_for_one_site(quick: Database) -> None:
    with quick.write() as session:
        federation_keys.give_key(session, sites.register(session, "a-site", None, NOON, "l"), b"a" * 32, NOON, "l")
        other = sites.register(session, "b-site", None, NOON, "l")
        with pytest.raises(SiteKeyTaken, match="a-site"):
            federation_keys.give_key(session, other, b"a" * 32, NOON, "l")


def test_a_sum_is_seen_on_the_key_that_is_good_now(database: Database) -> None:
    with database.write() as session:
        for name, key in (("north-clinic", b"a"), ("south-clinic", b"b")):
            site = sites.register(session, name, None, NOON, "lead")
            federation_keys.give_key(session, site, key * 32, NOON, "lead")
    run, clock = proposed(database), OwnClock()
    clock.forward(hours=2)
    with DatabaseRunLog(database, run, clock) as log:
        log.tell(began(run))
        log.tell(RoundEnded(1, 1, ("hill-hospital", "north-clinic"), {}, 1.0, 1))
    with database.read() as session:
        seen = {row.site.name: row.last_seen_at for row in federation_keys.key_rows(session, None, 10)}
    assert seen == {"north-clinic": clock.now, "south-clinic": None}


def test_cohorts_outlive_the_program(database: Database) -> None:
    StoredCohorts(database).record("moments", {"a", "b", "c", "d"})
    after = StoredCohorts(database)
    after.check("moments", {"a", "b", "c", "d"})
    after.check("other", {"a", "b", "c"})
    for ask in (after.check, after.record):
        with pytest.raises(CohortTooClose):
            ask("moments", {"a", "b", "c"})
        with pytest.raises(CohortTooSmall):
            ask("moments", {"a", "b"})
    with database.read() as session:
        assert federation_keys.cohorts(session, "moments") == [frozenset("abcd")]


def test_of_two_programs_that_release_at_once_one_is_refused(database: Database) -> None:
    """Each of the two cohorts alone is fine; both together would give `d` away."""
    start, ended = threading.Barrier(2), []

    def release(cohort: set[str]) -> None:
        own = Database(database.url)
        start.wait()
        try:
            StoredCohorts(own).record("moments", cohort)
            ended.append("released")
        except CohortTooClose:
            ended.append("refused")
        finally:
            own.close()

    threads = [threading.Thread(target=release, args=({"a", "b", "c", *more},)) for more in ("", "d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["refused", "released"]


def test_the_database_itself_refuses_to_forget_a_cohort(database: Database) -> None:
    StoredCohorts(database).record("moments", {"a", "b", "c"})
    for statement in (update(ReleasedCohortRow).values(cohort=["x"]), delete(ReleasedCohortRow)):
        with pytest.raises(DatabaseError, match="append-only"), database.write() as session:
            session.execute(statement)
