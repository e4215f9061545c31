"""The store's door: one writer, checked at the start, tables as the migrations make them."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from hospital_agent.errors import SecretChanged, StoreDamaged, StoreError, StoreInUse
from hospital_agent.store.database import FILE_NAME, Store
from hospital_agent.store.tables import Base, Fact


def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store._writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    before = (tmp_path / FILE_NAME).read_bytes()
    Store.open(tmp_path).close()
    assert (tmp_path / FILE_NAME).read_bytes() == before


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
def test_every_commit_is_written_ahead_and_synced(tmp_path: Path, pragma: str, value: object) -> None:
    store = Store.open(tmp_path)
    with store._writer.connect() as connection:
        assert connection.execute(text(f"PRAGMA {pragma}")).scalar() == value


def test_readers_cannot_write(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.read() as session:
        session.add(Fact(name="x", value="y"))
        with pytest.raises(OperationalError, match="readonly"):
            session.flush()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path)

    def fail() -> None:
        with store.write() as session:
            session.add(Fact(name="x", value="y"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.fact("x") is None


@pytest.mark.parametrize("damage", ["head", "middle", "text"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    store = Store.open(tmp_path)
    store.keep_facts({f"name{i}": "v" * 150 for i in range(200)})
    store.close()
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    if damage == "text":
        content[:] = b"this is no database" * 100
    else:
        start = 40 if damage == "head" else len(content) // 2
        content[start : start + 3000] = b"\xff" * 3000
    path.write_bytes(bytes(content))
    with pytest.raises(StoreDamaged):
        Store.open(tmp_path)


@pytest.mark.parametrize("obstacle", [FILE_NAME, f"{FILE_NAME}.lock"])
def test_a_store_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path, obstacle: str) -> None:
    (tmp_path / obstacle).mkdir()
    with pytest.raises(StoreError, match="disk full") as caught:
        Store.open(tmp_path)
    assert type(caught.value) is StoreError


def test_an_error_does_not_quote_what_could_not_be_written(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(IntegrityError) as caught, store.write() as session:
        session.add_all([Fact(name="x", value="4711"), Fact(name="x", value="4712")])
    assert "471" not in str(caught.value)


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreDamaged, match="newer version"):
        Store.open(tmp_path)


def test_an_older_store_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.keep_facts({"kept": "yes"})
    store._copy_aside("0001")
    copy = tmp_path / f"{FILE_NAME}.before-upgrade-from-0001"
    connection = sqlite3.connect(copy)
    assert connection.execute("SELECT value FROM facts WHERE name = 'kept'").fetchone() == ("yes",)
    connection.close()


def test_only_one_agent_runs_on_a_store(tmp_path: Path) -> None:
    first, second = Store.open(tmp_path), Store.open(tmp_path)
    first.hold()
    with pytest.raises(StoreInUse):
        second.hold()
    first.close()
    second.hold()
    second.close()


def test_an_exchanged_secret_is_noticed(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.check_secret("a")
    store.check_secret("a")
    with pytest.raises(SecretChanged):
        store.check_secret("b")
