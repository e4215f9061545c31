"""`dashboard serve`: reads the settings, wires the dashboard and serves it with waitress."""

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, NoReturn

import typer

from dashboard.settings import Settings, load
from shared.errors import SettingsError

main = typer.Typer(
    help="The dashboard of SegWatch. A quality-monitoring aid, not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@main.callback()
def program() -> None:
    """The dashboard of SegWatch. A quality-monitoring aid, not for diagnosis."""


@main.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Instead of DASHBOARD_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of DASHBOARD_PORT; 0 takes a free one.")] = None,
) -> None:
    """Serve the dashboard until it is stopped; its settings are environment variables that begin with DASHBOARD_."""
    try:
        settings = load(host=host, port=port)
    except SettingsError as error:
        print(f"dashboard: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    signal.signal(signal.SIGTERM, _stop)
    run(settings)


def run(settings: Settings) -> None:
    """Serve until the process is told to stop."""
    import waitress

    from dashboard.app import create_app
    from dashboard.client import connect
    from dashboard.security import LARGEST_BODY
    from shared import logs

    logs.configure("info")
    app = create_app(settings, connect(settings))
    with listening(settings) as listener:
        port = listener.getsockname()[1]
        server = waitress.create_server(
            app.server, sockets=[listener], threads=settings.threads, ident=None, max_request_body_size=LARGEST_BODY
        )
        print(f"SegWatch dashboard on http://{settings.host}:{port}", file=sys.stderr, flush=True)
        logs.logger("dashboard").info("serving", host=settings.host, port=port)
        try:
            server.run()
        finally:
            server.close()


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """A bound socket, made before the server so that a port in use is told in a sentence."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError:
            print("dashboard: DASHBOARD_HOST and DASHBOARD_PORT cannot be listened on.", file=sys.stderr)
            raise typer.Exit(2) from None
        yield listener


def _stop(_: int, __: FrameType | None) -> NoReturn:
    raise SystemExit(0)
