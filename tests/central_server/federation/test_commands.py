"""`central-server federation` and `central-server federate`, as a person at the centre uses them."""

import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from central_server.cli import app
from central_server.database import audit, federated_runs, federation_keys, sites
from central_server.database.session import Database
from central_server.errors import FederationMissing, NotFound, SiteKeyTaken
from central_server.federation import commands, states
from central_server.federation.run_log import RoundEnded, RunBegan, RunEnded
from central_server.federation.stored import DatabaseRunLog, RunToDo, run_to_do
from shared.errors import MonitoringError, SettingsError
from shared.federation.errors import BrokenSiteKey
from shared.federation.site_keys import fingerprint, key_as_text
from tests.central_world import CHEAP_HASH, NOON

SITES = ("hill-hospital", "north-clinic", "south-clinic")
Lead = Callable[[DatabaseRunLog, RunToDo, str], None]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture
def database(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("CENTRAL_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("CENTRAL_LEAD_PASSWORD", CHEAP_HASH)
    opened = Database(make_url(sqlite_url))
    yield opened
    opened.close()


@pytest.fixture
def three_sites(database: Database) -> Database:
    with database.write() as session:
        for number, name in enumerate(SITES):
            site = sites.register(session, name, None, NOON, "lead")
            federation_keys.give_key(session, site, bytes([number]) * 32, NOON, "lead")
    return database


@pytest.fixture
def led_by(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[Lead], None]:
    """Has a run led by a function in a thread of its own, instead of by Flower."""

    def install(lead: Lead) -> None:
        def submit(settings: object, run: str) -> None:
            with database.read() as session:
                todo = run_to_do(session, run)
            threading.Thread(target=lead, args=(DatabaseRunLog(database, run), todo, run)).start()

        _stand_in(monkeypatch, submit)

    return install


def _stand_in(monkeypatch: pytest.MonkeyPatch, submit: Callable[..., None]) -> None:
    module = ModuleType("submit")
    module.submit = submit  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "central_server.federation.flower.submit", module)


def test_a_site_gets_a_key_changes_it_and_loses_it(database: Database) -> None:
    first, second = bytes(32), bytes([7]) * 32
    run("sites", "add", "north-clinic")
    assert (
        run("federation", "add-site", "north-clinic", key_as_text(first))[1] == f"north-clinic\t{fingerprint(first)}\n"
    )
    assert run("federation", "add-site", "north-clinic", first.hex())[1].endswith("\tknown already\n")
    run("federation", "add-site", "north-clinic", key_as_text(second))
    old, new = run("federation", "sites")[1].splitlines()
    assert old.startswith(f"north-clinic\t{fingerprint(first)}\tnever in a sum\tended ")
    assert new == f"north-clinic\t{fingerprint(second)}\tnever in a sum"
    assert fingerprint(second) in run("federation", "revoke", "north-clinic")[1]
    with pytest.raises(NotFound):
        run("federation", "revoke", "north-clinic")
    with database.read() as session:
        told = [(line.actor, line.action) for line in audit.lines(session, None, 3)]
    assert told == [
        ("command-line", "federation_key_revoked"),
        ("command-line", "federation_key_changed"),
        ("command-line", "federation_key_given"),
    ]


def test_keys_that_cannot_be_are_refused(three_sites: Database) -> None:
    with pytest.raises(BrokenSiteKey):
        run("federation", "add-site", "north-clinic", "no key")
    with pytest.raises(SiteKeyTaken, match="north-clinic"):
        run("federation", "add-site", "south-clinic", (bytes([1]) * 32).hex())
    with pytest.raises(NotFound):
        run("federation", "add-site", "unknown-clinic", (bytes([9]) * 32).hex())


def test_a_run_is_followed_to_its_result(three_sites: Database, led_by: Callable[[Lead], None]) -> None:
    asked = []

    def lead(log: DatabaseRunLog, todo: RunToDo, run: str) -> None:
        asked.append(todo)
        log.tell(RunBegan(run, todo.job, todo.options, SITES))
        log.tell(RoundEnded(1, 1, SITES, {}, 1.25, 2_500_000))
        log.tell(RoundEnded(2, 1, SITES[:2], {SITES[2]: "silent"}, 10, 900))
        log.tell(RunEnded(True, "2 sites took part in 1 round.", SITES[:2], {SITES[2]: "silent"}, (), {"n": 3}))

    led_by(lead)
    code, told = run(
        "federate", "gaussian", "--option", "rank=64", "--option", "exact=true", "--option", "ridge=1e-3",
        "--option", "layer=bottleneck", "--deadline", "30", "--sites", ",".join(SITES[::-1]),
    )  # fmt: skip
    assert code == 0
    assert asked == [RunToDo("gaussian", {"rank": 64, "exact": True, "ridge": 1e-3, "layer": "bottleneck"}, 30, SITES)]
    assert told.splitlines()[1:] == [
        "round 1: 3 sites (hill-hospital, north-clinic, south-clinic), 1.2 s, 2.5 MB a site; nobody is missing",
        "attempt 2, round 1: 2 sites (hill-hospital, north-clinic), 10.0 s, 900 bytes a site; "
        "missing: south-clinic did not answer in time",
        "2 sites took part in 1 round.",
    ]


def test_a_failed_run_ends_with_status_1(three_sites: Database, led_by: Callable[[Lead], None]) -> None:
    led_by(lambda log, todo, run: log.tell(RunEnded(False, "Only 2 sites take part; at least 3 must.")))
    code, told = run("federate", "gaussian")
    assert code == 1
    assert told.endswith("Only 2 sites take part; at least 3 must.\n")


def test_a_run_whose_leader_dies_ends_with_status_1(
    three_sites: Database, led_by: Callable[[Lead], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lead(log: DatabaseRunLog, todo: RunToDo, run: str) -> None:
        log.tell(RunBegan(run, todo.job, todo.options, SITES))
        log.close()

    monkeypatch.setattr(states, "INTERRUPTED_AFTER", states.INTERRUPTED_AFTER / 1000)
    led_by(lead)
    code, told = run("federate", "gaussian")
    assert code == 1
    assert "no sign of life" in told


def test_whoever_stops_watching_does_not_stop_the_run(
    three_sites: Database, led_by: Callable[[Lead], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "follow", interrupted)
    led_by(lambda log, todo, run: None)
    code, told = run("federate", "gaussian")
    assert code == 130
    assert "goes on" in told
    with three_sites.read() as session:
        assert [row.state for row in federated_runs.run_rows(session, None, 10)] == ["proposed"]


def test_a_run_that_cannot_be_started_is_over(three_sites: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(settings: object, run: str) -> None:
        raise MonitoringError("The SuperLink cannot be reached.")

    _stand_in(monkeypatch, submit)
    with pytest.raises(MonitoringError, match="SuperLink"):
        run("federate", "gaussian")
    with three_sites.read() as session:
        (row,) = federated_runs.run_rows(session, None, 10)
        assert (row.state, row.sentence) == ("failed", "The SuperLink cannot be reached.")


def test_without_the_extra_nothing_is_begun(three_sites: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "find_spec", lambda name: None)
    with pytest.raises(FederationMissing, match=r"segwatch\[federation\]"):
        run("federate", "gaussian")
    with three_sites.read() as session:
        assert federated_runs.run_rows(session, None, 10) == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["Bad-Job"], "job's name"),
        (["good_job", "--option", "rank"], "name=value"),
        (["good_job", "--option", "Rank=3"], "name=value"),
        (["good_job", "--sites", "hill-hospital,north-clinic"], "at least 3 sites"),
        (["good_job", "--sites", "hill-hospital,north-clinic,far-clinic"], "far-clinic"),
    ],
)
def test_what_cannot_be_asked_is_refused(three_sites: Database, arguments: list[str], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        run("federate", *arguments)


def test_two_sites_are_not_enough(database: Database) -> None:
    with pytest.raises(SettingsError, match="at least 3 sites"):
        run("federate", "gaussian")
