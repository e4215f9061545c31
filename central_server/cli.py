"""`central-server`: serve, migrate, check, sites, openapi, federation, federate, superlink."""

import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from central_server.console import ACTOR, SiteName, open_database, refuse_bad_name
from central_server.credentials import MINIMUM_KEY_LENGTH, key_hash, new_key, refuse_placeholder
from central_server.database import sites as site_rows
from central_server.database.migrate import migrate as apply_migrations
from central_server.database.migrate import newest_revision, require_newest
from central_server.database.session import Database
from central_server.federation import flower_commands
from central_server.federation.commands import federate, federation_app
from central_server.settings import Settings, load_settings
from shared import logs
from shared.clock import rfc3339, utc_now
from shared.errors import MonitoringError, SettingsError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
sites_app = typer.Typer(no_args_is_help=True, help="Register sites and change their keys.")
app.add_typer(sites_app, name="sites")
app.add_typer(federation_app, name="federation")
app.command()(federate)
flower_commands.add_to(app, federation_app)

log = logs.logger("cli")
KeyFile = Annotated[Path | None, typer.Option(help="Write the key into this new file, readable by its owner only.")]


def main() -> None:
    """The program; a refusal of ours is one sentence on standard error and exit status 2."""
    try:
        app()
    except MonitoringError as error:
        print(f"central-server: {error}", file=sys.stderr)
        raise SystemExit(2) from None


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Instead of CENTRAL_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of CENTRAL_PORT; 0 takes a free one.")] = None,
) -> None:
    """Run the server until it is stopped. SQLite is checked and migrated first; PostgreSQL needs `migrate`."""
    import uvicorn

    from central_server.app import create_app

    settings = load_settings(host=host, port=port)
    logs.configure(settings.log_level)
    _prepare(settings)
    application = create_app(settings)
    with _listening_socket(settings) as listening:
        bound = listening.getsockname()[1]
        scheme = "https" if settings.tls_certificate else "http"
        print(f"SegWatch central server on {scheme}://{settings.host}:{bound}/api/v1", file=sys.stderr)
        log.info("serving", host=settings.host, port=bound, database=settings.database().get_backend_name())
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
            timeout_graceful_shutdown=10,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end_well)  # uvicorn finishes what it has begun and then sends the signal on
        uvicorn.Server(config).run(sockets=[listening])


def _end_well(*_: object) -> None:
    raise SystemExit(0)


def _prepare(settings: Settings) -> None:
    database = Database(settings.database())
    try:
        if database.is_sqlite:
            database.check()
            _migrate(database)
        require_newest(database)
    finally:
        database.close()


def _migrate(database: Database) -> None:
    backup = apply_migrations(database)
    if backup is not None:
        print(f"The database as it was before is kept in {backup}.", file=sys.stderr)


@contextmanager
def _listening_socket(settings: Settings) -> Iterator[socket.socket]:
    """Bound before uvicorn starts, so that a port in use is told in a sentence."""
    with ExitStack() as stack:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listening = stack.enter_context(socket.socket(family, kind, protocol))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError:
            raise SettingsError("CENTRAL_HOST and CENTRAL_PORT cannot be listened on; is the port in use?") from None
        yield listening


@app.command()
def migrate() -> None:
    """Bring the database to the tables of this version; an older SQLite file is copied first."""
    with open_database(migrated=False) as (_, database):
        database.check()
        _migrate(database)
    print(f"The database is at revision {newest_revision()}.")


@app.command()
def check() -> None:
    """Check the database and run one monitoring pass; silence counts only while a server listens."""
    from central_server.monitoring import run_pass

    with open_database() as (settings, database):
        database.check()
        remaining = True
        while remaining:
            with database.write() as session:
                result = run_pass(session, utc_now, settings.policy())
            remaining = result.remaining
            print(json.dumps({"reports": result.report_count, "findings": result.finding_count, **result.steps}))


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from central_server.app import create_app

    settings = Settings(lead_password=secrets.token_urlsafe(24), database_url="sqlite:///unused.sqlite")
    print(json.dumps(create_app(settings).openapi(), indent=2, sort_keys=True))


@sites_app.command("add")
def add_site(
    name: SiteName,
    title: Annotated[str | None, typer.Option(help="What people read; the name otherwise.")] = None,
    key_file: KeyFile = None,
    key_from: Annotated[Path | None, typer.Option(help="Take the key from this file instead of making one.")] = None,
) -> None:
    """Register a site and give it a key, printed once (or written to --key-file) and stored as its hash."""
    refuse_bad_name(name)
    with open_database() as (_, database):
        key = _read_key(key_from) if key_from else new_key()
        now = utc_now()
        with database.write() as session:
            site = site_rows.register(session, name, title, now, ACTOR)
            site_rows.give_key(session, site, key_hash("site", key), now, actor=ACTOR)
            if key_from is None:
                _hand_over(key, key_file)


@sites_app.command("rotate")
def rotate_key(name: SiteName, key_file: KeyFile = None) -> None:
    """Give the site a new key and end all its old ones."""
    with open_database() as (_, database):
        key, now = new_key(), utc_now()
        with database.write() as session:
            site = site_rows.site_named(session, name)
            site_rows.revoke_keys(session, site, now, ACTOR)
            site_rows.give_key(session, site, key_hash("site", key), now, actor=ACTOR)
            _hand_over(key, key_file)


@sites_app.command("revoke")
def revoke_keys(name: SiteName) -> None:
    """End all keys of a site; its reports stay."""
    with open_database() as (_, database), database.write() as session:
        ended = site_rows.revoke_keys(session, site_rows.site_named(session, name), utc_now(), ACTOR)
    print(f"{ended} key(s) of {name} ended.")


@sites_app.command("list")
def list_sites() -> None:
    """Print the registered sites and when each was last heard."""
    with open_database() as (_, database), database.read() as session:
        for site in site_rows.all_sites(session):
            print(f"{site.name}\t{site.title}\t{_told(site.last_seen_at)}")


def _told(moment: datetime | None) -> str:
    return rfc3339(moment) if moment else "never seen"


def _read_key(path: Path) -> str:
    try:
        return refuse_placeholder("The key", path.read_text(encoding="utf-8").strip(), MINIMUM_KEY_LENGTH)
    except OSError:
        raise SettingsError("The key file cannot be read.") from None


def _hand_over(key: str, key_file: Path | None) -> None:
    """Show the key once. A file is made readable by its owner only and never overwrites another."""
    if key_file is None:
        print(key)
        return
    try:
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        raise SettingsError("The key file exists already or cannot be made; nothing was changed.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(key + "\n")
