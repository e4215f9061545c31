"""What the commands of the centre have in common: the migrated database, and the names that they take."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from central_server.database.migrate import require_newest
from central_server.database.session import Database
from central_server.settings import Settings, load_settings
from shared import logs
from shared.errors import SettingsError

ACTOR = "command-line"
SiteName = Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")]


@contextmanager
def open_database(*, migrated: bool = True) -> Iterator[tuple[Settings, Database]]:
    """Settings from the environment and the database that they name, closed with the block."""
    settings = load_settings()
    logs.configure(settings.log_level)
    database = Database(settings.database())
    try:
        if migrated:
            require_newest(database)
        yield settings, database
    finally:
        database.close()


def refuse_bad_name(name: str) -> None:
    """Raises SettingsError where no site can have this name."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,39}", name):
        raise SettingsError("A site's name has 2 to 40 lower-case letters, digits and hyphens, a letter first.")
