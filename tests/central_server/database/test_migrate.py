"""The migrations make exactly the tables of the code, and never lose what was there."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import make_url

from central_server.database import migrate as migrations
from central_server.database.federation_tables import RunRow
from central_server.database.migrate import current_revision, migrate, newest_revision, require_newest
from central_server.database.session import Database
from central_server.errors import SchemaBehind


def test_migrations_and_tables_say_the_same(database_url: str) -> None:
    database = Database(make_url(database_url))
    with database.reader.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, RunRow.metadata) == []
    database.close()


def test_an_empty_database_is_refused_until_it_is_migrated(empty_database: Database) -> None:
    assert current_revision(empty_database) is None
    with pytest.raises(SchemaBehind, match="central-server migrate"):
        require_newest(empty_database)
    assert migrate(empty_database) is None
    require_newest(empty_database)
    assert current_revision(empty_database) == newest_revision()
    empty_database.close()


def test_migrating_twice_changes_nothing(empty_database: Database) -> None:
    migrate(empty_database)
    assert migrate(empty_database) is None
    empty_database.close()


def test_a_database_of_a_newer_version_is_refused(empty_database: Database) -> None:
    migrate(empty_database)
    with empty_database.writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaBehind, match="newer version"):
        require_newest(empty_database)
    empty_database.close()


def test_an_older_file_is_copied_before_it_is_changed(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database holds a site under an older revision; the copy holds it too."""
    migrate(empty_database)
    with empty_database.writer.begin() as connection:
        connection.execute(text("INSERT INTO sites VALUES (1, 'north-clinic', 'North', '2026-01-01', NULL)"))
    monkeypatch.setattr(migrations, "newest_revision", lambda: "9998")
    backup = migrate(empty_database)
    empty_database.close()
    assert backup is not None
    with sqlite3.connect(backup) as copy:
        assert copy.execute("SELECT name FROM sites").fetchall() == [("north-clinic",)]
    copy.close()


def test_a_database_of_the_first_version_keeps_its_sites_and_is_copied(empty_database: Database) -> None:
    with empty_database.writing():
        command.upgrade(migrations._config(empty_database), "0001")
    with empty_database.writer.begin() as connection:
        connection.execute(text("INSERT INTO sites VALUES (1, 'north-clinic', 'North', '2026-01-01', NULL)"))
    backup = migrate(empty_database)
    assert backup is not None
    assert backup.is_file()
    require_newest(empty_database)
    with empty_database.reader.connect() as connection:
        assert connection.execute(text("SELECT name FROM sites")).scalar_one() == "north-clinic"
        assert connection.execute(text("SELECT count(*) FROM released_cohorts")).scalar_one() == 0
    empty_database.close()


def test_the_migrations_are_part_of_the_package() -> None:
    folder = Path(migrations.MIGRATIONS)
    assert (folder / "env.py").is_file()
    assert (folder / "script.py.mako").is_file()
    assert list((folder / "versions").glob("0001_*.py"))
