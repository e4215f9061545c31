"""One door to the database: `read()` for queries, `write()` for one transaction at a time on SQLite.

SQLite before 3.51.3 can damage a write-ahead log that several connections write or checkpoint at once. So there is
one writing connection, behind a lock in the process and a lock file between processes (the command line beside a
running server); readers may not write and never checkpoint. Every commit is synced to disk.
"""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

from central_server.errors import DatabaseDamaged

_COMMON = ("PRAGMA foreign_keys=ON", "PRAGMA busy_timeout=15000")
_WRITER = (*_COMMON, "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
_READER = (*_COMMON, "PRAGMA query_only=ON", "PRAGMA wal_autocheckpoint=0")


class Database:
    """The centre's database.

    Args:
        url: as `Settings.database()` gives it.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._lock = threading.Lock()
        if self.is_sqlite:
            path = Path(str(url.database))
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_path = path.with_name(path.name + ".lock")
            self.writer = _sqlite(url, _WRITER, "BEGIN IMMEDIATE", pool_size=1, max_overflow=0)
            self.reader = _sqlite(url, _READER, "BEGIN", pool_size=8, max_overflow=40)
        else:
            self.writer = self.reader = create_engine(url, pool_size=8, max_overflow=16, pool_pre_ping=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one moment of the database and changes nothing."""
        with Session(self.reader) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back on any error."""
        with self.writing(), Session(self.writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the one right to write, on SQLite; PostgreSQL settles it by itself."""
        if not self.is_sqlite:
            yield
            return
        with self._lock, self._lock_path.open("a") as handle, _flock(handle):
            yield

    def check(self) -> None:
        """Ask SQLite whether its file is sound; PostgreSQL checks its own pages.

        Raises:
            DatabaseDamaged: it is not.
        """
        if not self.is_sqlite:
            return
        try:
            with self.writing(), self.writer.connect() as connection:
                answer = connection.execute(text("PRAGMA integrity_check(1)")).scalar()
        except OperationalError:
            raise
        except DatabaseError:  # so far from sound that SQLite does not open it
            answer = "no database"
        if answer != "ok":
            raise DatabaseDamaged("The database file failed SQLite's integrity check; restore the last backup.")

    def close(self) -> None:
        """Give all connections back; readers first, so that the writer is the one that checkpoints."""
        self.reader.dispose()
        self.writer.dispose()


@contextmanager
def _flock(handle: IO[str]) -> Iterator[None]:
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)


def _sqlite(url: URL, pragmas: tuple[str, ...], begin: str, **pool: int) -> Engine:
    engine = create_engine(url, **pool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver would begin late and deferred; we say BEGIN ourselves
        for pragma in pragmas:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
