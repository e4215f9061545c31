"""Federated messages in the site's ledger: beside reports, in one chain, written before they leave."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from hospital_agent.cli import app
from hospital_agent.federation.egress import LedgerLog
from hospital_agent.store import ledger
from hospital_agent.store.database import Store

NOW = datetime(2026, 3, 2, tzinfo=UTC)
REPORT = b'{"kind":"window","site":"north"}'
TOLD = {
    "kind": "federation", "run": "0" * 32, "job": "gaussian", "what": "masked vector", "quantity": "gaussian/v1",
    "round": 1, "cohort": ["east", "north", "west"], "entries": 3, "bytes": 99, "sha256": "ab" * 32,
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path)
    with store.write() as session:
        ledger.append(session, UUID(int=1), REPORT, NOW)
    LedgerLog(store, lambda: NOW).record(json.dumps(TOLD).encode())
    with store.write() as session:
        ledger.append(session, UUID(int=2), REPORT, NOW)
    yield store
    store.close()


def called(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_both_kinds_stand_in_one_chain_that_verifies(store: Store, tmp_path: Path) -> None:
    with store.read() as session:
        assert ledger.verify(session).count == 3
    assert json.loads(called("ledger", "--verify", "--data-dir", tmp_path))["rows"] == 3


def test_it_is_on_disk_before_the_message_leaves(store: Store, tmp_path: Path) -> None:
    """Another connection, as after a crash, sees it the moment `record` has returned."""
    LedgerLog(store, lambda: NOW).record(json.dumps({**TOLD, "round": 2}).encode())
    other = Store(tmp_path)
    with other.read() as session:
        *_, last = ledger.rows(session)
        assert json.loads(last.body)["round"] == 2
    other.close()


def test_the_list_tells_of_a_federated_message_what_a_person_can_read(store: Store, tmp_path: Path) -> None:
    first, second, third = (json.loads(line) for line in called("ledger", "--data-dir", tmp_path).splitlines())
    assert (first["kind"], first["report_id"], first["bytes"]) == ("report", str(UUID(int=1)), len(REPORT))
    assert second["kind"] == "federation"
    assert second["told"] == {name: value for name, value in TOLD.items() if name != "kind"}
    assert "report_id" not in second
    assert third["number"] == 3


def test_the_bytes_of_each_row_can_be_shown(store: Store, tmp_path: Path) -> None:
    assert json.loads(called("ledger", "--show", 2, "--data-dir", tmp_path)) == TOLD
    assert called("ledger", "--show", 1, "--data-dir", tmp_path) == REPORT.decode() + "\n"


@pytest.mark.parametrize("told", [b"noise", b"[]", b"{}", b'{"kind":"window"}', b"\xff"])
def test_only_what_says_that_it_is_federated_work_is_written(store: Store, told: bytes) -> None:
    with pytest.raises(ValueError, match="of kind 'federation'"):
        LedgerLog(store).record(told)
    with store.read() as session:
        assert ledger.verify(session).count == 3


def test_a_report_that_is_not_json_is_still_listed(store: Store, tmp_path: Path) -> None:
    with store.write() as session:
        ledger.append(session, UUID(int=9), b"\xff not json", NOW)
    assert json.loads(called("ledger", "--data-dir", tmp_path).splitlines()[-1])["kind"] == "report"
