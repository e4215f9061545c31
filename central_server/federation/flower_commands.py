"""`central-server superlink`, and the commands of `central-server federation` that have to do with Flower."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from central_server.console import SiteName, open_database, refuse_bad_name
from central_server.errors import FederationMissing
from shared.errors import SettingsError

if TYPE_CHECKING:
    from central_server.federation.flower.control import Control


def add_to(app: typer.Typer, federation_app: typer.Typer) -> None:
    """Hang the commands where they belong."""
    app.command()(superlink)
    federation_app.command()(certificates)
    federation_app.command("add-node")(add_node)
    federation_app.command("remove-node")(remove_node)
    federation_app.command()(nodes)


def superlink() -> None:
    """Run the SuperLink, to which the sites' nodes connect, and lead the runs. Settings: CENTRAL_FEDERATION_..."""
    _need_flower()
    from central_server.database import federated_runs
    from central_server.federation.flower.settings import load_superlink_settings
    from central_server.federation.flower.superlink import run_superlink

    settings = load_superlink_settings()
    with open_database() as (_, database), database.read() as session:
        rows = federated_runs.run_rows(session, None, 1000)
        interrupted = [row.run for row in reversed(rows) if row.state in ("proposed", "running")]
    raise typer.Exit(run_superlink(settings, interrupted=interrupted))


def certificates(
    host: Annotated[str, typer.Option(help="The host name or address that sites dial.")],
    days: Annotated[int, typer.Option(min=1, max=1825, help="How long the certificate is good.")] = 365,
) -> None:
    """Make an authority and the SuperLink's certificate, where the hospital has none of its own."""
    _need_flower()
    from central_server.federation.flower.certificates import make_certificates
    from central_server.federation.flower.settings import load_superlink_settings

    authority = make_certificates(load_superlink_settings().folder, host, days)
    typer.echo(f"Good for {days} days. Give {authority} to every site; they dial {host}.")


def add_node(
    site: SiteName,
    public_key: Annotated[
        Path, typer.Argument(help="File with what `hospital-agent federation node-key` prints; - for standard input.")
    ],
) -> None:
    """Let a site's node in by its public key; a key that it had before ends. The SuperLink must run."""
    refuse_bad_name(site)
    text = _text_of(public_key)
    with _control() as (control, folder):
        from central_server.federation.flower.nodes import register_node

        changed = register_node(control, folder, site, text)
    typer.echo(f"{site} may connect." if changed else f"{site} was let in with this key before.")


def remove_node(site: SiteName) -> None:
    """Let a site's node in no more. The site needs a new key to be let in again."""
    with _control() as (control, folder):
        from central_server.federation.flower.nodes import unregister_node

        unregister_node(control, folder, site)
    typer.echo(f"{site} may connect no more.")


def nodes() -> None:
    """Print the sites whose nodes are let in, and whether each is there."""
    with _control() as (control, folder):
        from central_server.federation.flower.nodes import nodes_by_site

        known = {node.node_id: node for node in control.nodes()}
        for site, number in nodes_by_site(folder).items():
            node = known.get(number)
            typer.echo(f"{site}\t{node.state if node else 'unknown to the SuperLink: add it again'}")


@contextmanager
def _control() -> Iterator[tuple["Control", Path]]:
    """The SuperLink on this machine, and its folder."""
    _need_flower()
    from central_server.federation.flower.control import Control
    from central_server.federation.flower.settings import load_superlink_settings

    settings = load_superlink_settings()
    with Control(settings) as control:
        yield control, settings.folder


def _text_of(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise SettingsError("The file with the public key cannot be read.") from None


def _need_flower() -> None:
    if find_spec("flwr") is None:
        raise FederationMissing("Federated runs need the extra `federation`: pip install 'segwatch[federation]'.")
