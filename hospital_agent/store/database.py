"""One door to the local store: `read()` for queries, `write()` for one transaction at a time.

SQLite before 3.51.3 can damage a write-ahead log that several connections write or checkpoint at once. So there is
one writing connection behind a lock file, readers may not write and never checkpoint, and every commit is synced to
disk before the caller goes on.
"""

import fcntl
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from hospital_agent.errors import SecretChanged, StoreDamaged, StoreError, StoreInUse
from hospital_agent.store.tables import Fact

FILE_NAME = "agent.sqlite"
MIGRATIONS = Path(__file__).parent / "migrations"
_DISK_CODES = frozenset(
    {
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    }
)  # fmt: skip
_COMMON = ("PRAGMA foreign_keys=ON", "PRAGMA busy_timeout=15000")
_WRITER = (*_COMMON, "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
_READER = (*_COMMON, "PRAGMA query_only=ON", "PRAGMA wal_autocheckpoint=0")


class Store:
    """The site's database.

    Args:
        folder: where its files lie; made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / FILE_NAME
        self._write_lock = folder / f"{FILE_NAME}.lock"
        self._run_lock = folder / "run.lock"
        self._held = ExitStack()
        self._writer = _engine(self.path, _WRITER, "BEGIN IMMEDIATE", pool_size=1, max_overflow=0)
        self._reader = _engine(self.path, _READER, "BEGIN")

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """The store in a folder, checked and brought to the present schema.

        Raises:
            StoreDamaged: the file fails SQLite's integrity check, or is of a newer version of the program.
            StoreError: it cannot be opened for writing.
        """
        store = cls(folder)
        store.check()
        store.migrate()
        return store

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one moment of the store and changes nothing."""
        with Session(self._reader) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction: committed and synced at the end, rolled back on any error."""
        with self._writing(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def hold(self) -> None:
        """Be the one running agent of this store until `close`.

        Raises:
            StoreInUse: another one is running.
        """
        with ExitStack() as held:
            handle = held.enter_context(self._run_lock.open("a"))
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StoreInUse("Another agent is running on this data folder.") from None
            self._held = held.pop_all()

    def check(self) -> None:
        """Ask SQLite whether the file is sound.

        Raises:
            StoreDamaged: it is not.
            StoreError: it cannot be asked, because the disk is full or the file may not be written.
        """
        try:
            with self._writing(), self._writer.connect() as connection:
                answer = connection.execute(text("PRAGMA integrity_check(1)")).scalar()
        except (OSError, DBAPIError) as error:
            if _is_of_the_disk(error):
                raise StoreError(
                    "The agent's store cannot be written: is the disk full, or AGENT_DATA_DIR closed to this user?"
                ) from error
            raise StoreDamaged("The agent's store is not a sound SQLite file; restore the last backup.") from error
        if answer != "ok":
            raise StoreDamaged("The agent's store failed SQLite's integrity check; restore the last backup.")

    def migrate(self) -> None:
        """Bring the tables to the present schema; an older store is copied beside itself first.

        Raises:
            StoreDamaged: the store was written by a newer version.
        """
        from alembic import command
        from alembic.config import Config
        from alembic.runtime.migration import MigrationContext
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(config)
        with self._writing():
            with self._writer.connect() as connection:
                current = MigrationContext.configure(connection).get_current_revision()
            if current == scripts.get_current_head():
                return
            if current not in {None, *(script.revision for script in scripts.walk_revisions())}:
                raise StoreDamaged("The store was written by a newer version of the agent; install that version.")
            if current is not None:
                self._copy_aside(current)
            with self._writer.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def _copy_aside(self, revision: str) -> None:
        target = self.path.with_name(f"{self.path.name}.before-upgrade-from-{revision}")
        target.unlink(missing_ok=True)
        with sqlite3.connect(self.path) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))

    def keep_facts(self, facts: Mapping[str, str]) -> None:
        """Write single facts, over older ones."""
        with self.write() as session:
            for name, value in facts.items():
                session.merge(Fact(name=name, value=value))

    def fact(self, name: str) -> str | None:
        """A single fact, or None."""
        with self.read() as session:
            row = session.get(Fact, name)
            return None if row is None else row.value

    def check_secret(self, check_value: str) -> None:
        """Keep the check value of the site secret, or compare with the kept one.

        Raises:
            SecretChanged: the pseudonyms in the store were made with another secret.
        """
        kept = self.fact("secret_check")
        if kept is None:
            self.keep_facts({"secret_check": check_value})
        elif kept != check_value:
            raise SecretChanged(
                "The site secret is not the one with which this store was made; patients would be counted twice."
            )

    def close(self) -> None:
        """Let go of the file; readers first, so that the writer is the one that checkpoints."""
        self._reader.dispose()
        self._writer.dispose()
        self._held.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._write_lock.open("a") as handle, _flock(handle):
            yield


def _is_of_the_disk(error: OSError | DBAPIError) -> bool:
    """Whether an error tells of the disk or of rights, and nothing about what is in the file."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return isinstance(error, OSError) or code & 0xFF in _DISK_CODES  # the lower byte is the kind of error


@contextmanager
def _flock(handle: IO[str]) -> Iterator[None]:
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)


def _engine(path: Path, pragmas: tuple[str, ...], begin: str, **pool: int) -> Engine:
    # Without `hide_parameters` the text of an error quotes the values of the row that could not be written.
    engine = create_engine(URL.create("sqlite", database=str(path)), hide_parameters=True, **pool)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver would otherwise begin transactions by itself
        for pragma in pragmas:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
