"""SQLite: one writer, readers that cannot write, every commit on disk, damage found at the start."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from central_server.database.session import Database
from central_server.database.tables import SiteRow
from central_server.errors import DatabaseDamaged
from shared.clock import utc_now


@pytest.fixture
def database(sqlite_url: str):
    database = Database(make_url(sqlite_url))
    yield database
    database.close()


def pragma(database: Database, name: str, *, reading: bool) -> object:
    engine = database.reader if reading else database.writer
    with engine.connect() as connection:
        return connection.execute(text(f"PRAGMA {name}")).scalar()


def test_commits_are_synced_and_the_log_is_written_ahead(database: Database) -> None:
    assert pragma(database, "journal_mode", reading=False) == "wal"
    assert pragma(database, "synchronous", reading=False) == 2  # FULL
    assert pragma(database, "foreign_keys", reading=False) == 1


def test_readers_cannot_write_and_never_checkpoint(database: Database) -> None:
    assert pragma(database, "wal_autocheckpoint", reading=True) == 0
    with pytest.raises(OperationalError, match="readonly"), database.read() as session:
        session.execute(text("DELETE FROM sites"))


def test_writers_wait_for_one_another_and_none_is_lost(database: Database) -> None:
    """Each writer reads a number and writes the next one; one at a time means that none is lost."""
    with database.write() as session:
        session.add(SiteRow(name="counter", title="0", registered_at=utc_now()))

    def add_one() -> None:
        for _ in range(10):
            with database.write() as session:
                row = session.scalars(select(SiteRow)).one()
                row.title = str(int(row.title) + 1)

    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert session.scalars(select(SiteRow.title)).one() == "40"


def test_two_programs_write_one_after_the_other(database: Database, sqlite_url: str) -> None:
    """The command line beside a running server: the lock file holds the second back."""
    other = Database(make_url(sqlite_url))
    entered = threading.Event()

    def write_meanwhile() -> None:
        with other.write() as session:
            entered.set()
            session.add(SiteRow(name="second", title="", registered_at=utc_now()))

    with database.write() as session:
        thread = threading.Thread(target=write_meanwhile)
        thread.start()
        assert not entered.wait(0.2)
        session.add(SiteRow(name="first", title="", registered_at=utc_now()))
    thread.join(10)
    assert entered.is_set()
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(SiteRow)) == 2
    other.close()


def test_an_error_takes_everything_back(database: Database) -> None:
    def broken_transaction() -> None:
        with database.write() as session:
            session.add(SiteRow(name="north-clinic", title="", registered_at=utc_now()))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_transaction()
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(SiteRow)) == 0


def test_a_sound_file_passes_and_a_damaged_one_is_named(database: Database, tmp_path: Path) -> None:
    database.check()
    with database.write() as session:
        session.add_all(SiteRow(name=f"site-{i}", title="x" * 100, registered_at=utc_now()) for i in range(400))
    database.close()
    path = Path(str(database.url.database))
    content = bytearray(path.read_bytes())
    for place in range(8192, len(content) - 4096, 4096):
        content[place : place + 64] = b"\xff" * 64
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(content)
    broken = Database(make_url(f"sqlite:///{damaged}"))
    with pytest.raises(DatabaseDamaged):
        broken.check()
    broken.close()


def test_a_file_that_is_no_database_is_named_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "text.sqlite"
    path.write_bytes(b"this is no database at all, only text that is long enough to be looked at" * 20)
    database = Database(make_url(f"sqlite:///{path}"))
    with pytest.raises(DatabaseDamaged):
        database.check()
    database.close()


def test_the_log_is_gone_after_closing(sqlite_url: str) -> None:
    database = Database(make_url(sqlite_url))
    with database.write() as session:
        session.add(SiteRow(name="north-clinic", title="", registered_at=utc_now()))
    with database.read() as session:
        session.scalars(select(SiteRow)).all()
    database.close()
    assert not Path(str(database.url.database) + "-wal").exists()
