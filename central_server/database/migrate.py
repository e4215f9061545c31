"""Bringing a database to the tables of this version, by the migrations shipped in this package."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from central_server.database.session import Database
from central_server.errors import SchemaBehind

MIGRATIONS = Path(__file__).parent / "migrations"


def _config(database: Database) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["engine"] = database.writer
    return config


def newest_revision() -> str:
    """The revision that this version of the program works with."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    if head is None:
        raise SchemaBehind("This installation carries no migrations.")
    return head


def current_revision(database: Database) -> str | None:
    """The revision of the database; None before the first migration."""
    with database.reader.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def require_newest(database: Database) -> None:
    """Refuse a database that lacks migrations or is ahead of this program.

    Raises:
        SchemaBehind: says which command helps.
    """
    current = current_revision(database)
    if current == newest_revision():
        return
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaBehind("The database was made by a newer version of the server; install that version.")
    raise SchemaBehind("The database lacks migrations; run `central-server migrate`.")


def migrate(database: Database) -> Path | None:
    """Apply all missing migrations in one go.

    A SQLite file that already holds an older schema is copied first; the copy's path is returned.
    """
    current = current_revision(database)
    if current == newest_revision():
        return None
    backup = _back_up(database, current) if database.is_sqlite and current else None
    with database.writing():
        command.upgrade(_config(database), "head")
    return backup


def _back_up(database: Database, revision: str) -> Path:
    source = Path(str(database.url.database))
    target = source.with_name(f"{source.name}.before-{newest_revision()}-from-{revision}.bak")
    target.unlink(missing_ok=True)
    with database.writing(), sqlite3.connect(source) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    return target
