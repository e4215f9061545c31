"""A run that nobody takes up ends; whoever comes later finds it over."""

from datetime import timedelta

import pytest
from sqlalchemy.engine import make_url

from central_server.database import federated_runs
from central_server.database.session import Database
from central_server.errors import RunIsOver
from central_server.federation.follow import NOT_TAKEN_UP, follow
from central_server.federation.run_log import RunBegan
from central_server.federation.stored import DatabaseRunLog
from tests.central_world import NOON, OwnClock


def test_a_run_that_nobody_takes_up_is_over(sqlite_url: str) -> None:
    database, clock, said = Database(make_url(sqlite_url)), OwnClock(), []
    with database.write() as session:
        run = federated_runs.propose(session, "a_job", {}, NOON, "lead", deadline_s=600).run
    completed = follow(
        database, run, said.append, starts_within=timedelta(minutes=5), clock=clock,
        wait=lambda seconds: clock.forward(minutes=1),
    )  # fmt: skip
    assert not completed
    assert said == [NOT_TAKEN_UP]
    assert clock.now == NOON + timedelta(minutes=6)
    with pytest.raises(RunIsOver):
        DatabaseRunLog(database, run).tell(RunBegan(run, "a_job", {}, ()))
    database.close()
