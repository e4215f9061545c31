"""The egress ledger: exact bytes, append-only, and any change outside the program is found."""

import hashlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from hospital_agent.errors import LedgerBroken
from hospital_agent.store import ledger
from hospital_agent.store.database import FILE_NAME, Store
from hospital_agent.store.tables import LedgerRow

NOW = datetime(2026, 3, 2, tzinfo=UTC)
sha256_of_zero = hashlib.sha256(b"\0").hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path)
    with store.write() as session:
        for number in range(5):
            ledger.append(session, UUID(int=number), f"report {number}".encode(), NOW)
    return store


def test_the_chain_is_what_the_definition_says(store: Store) -> None:
    chain = bytes(32)
    for number in range(5):
        chain = hashlib.sha256(chain + hashlib.sha256(f"report {number}".encode()).digest()).digest()
    with store.read() as session:
        end = ledger.verify(session)
        assert (end.count, end.chain) == (5, chain.hex())
        assert ledger.body_of(session, str(UUID(int=3))) == b"report 3"


@pytest.mark.parametrize(
    "change", ["UPDATE ledger SET body = x'00' WHERE number = 2", "DELETE FROM ledger WHERE number = 5"]
)
def test_the_database_itself_refuses_to_change_a_row(store: Store, change: str) -> None:
    connection = sqlite3.connect(store.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(change)
    connection.close()


def test_even_the_program_cannot(store: Store) -> None:
    def change() -> None:
        with store.write() as session:
            session.get_one(LedgerRow, 2).body = b"other"

    with pytest.raises(IntegrityError, match="append-only"):
        change()


def forged(change: str) -> Callable[[sqlite3.Connection], None]:
    def forge(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TRIGGER ledger_refuses_update")
        connection.execute("DROP TRIGGER ledger_refuses_delete")
        connection.execute(change)
        connection.commit()

    return forge


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ("UPDATE ledger SET body = x'00' WHERE number = 2", 2),
        (f"UPDATE ledger SET body = x'00', sha256 = '{sha256_of_zero}' WHERE number = 3", 3),  # noqa: S608
        ("DELETE FROM ledger WHERE number = 2", 2),
        ("UPDATE ledger SET number = 9 WHERE number = 4", 4),
    ],
)
def test_a_forged_row_is_found_and_named(store: Store, change: str, row: int) -> None:
    store.close()
    connection = sqlite3.connect(store.path)
    forged(change)(connection)
    connection.close()
    again = Store(store.path.parent)
    with again.read() as session, pytest.raises(LedgerBroken, match=f"row {row} "):
        ledger.verify(session)


def test_an_empty_ledger_verifies(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.read() as session:
        assert ledger.verify(session).count == 0
    assert (tmp_path / FILE_NAME).exists()
