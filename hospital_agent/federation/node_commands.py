"""`hospital-agent federate`, which connects this site to the SuperLink, and `hospital-agent federation node-key`."""

import time
from typing import Annotated

import typer

from hospital_agent.console import FAULT, DataDir, say
from shared.errors import SettingsError


def add_to(app: typer.Typer, federation_app: typer.Typer) -> None:
    """Hang the commands where they belong."""
    app.command()(federate)
    federation_app.command("node-key")(node_key)


def federate(
    health: Annotated[
        bool, typer.Option("--health", help="Only say whether a node that runs here reaches the SuperLink.")
    ] = False,
) -> None:
    """Take part in federated work: connect to the centre's SuperLink and answer as the policy file allows."""
    from hospital_agent.settings import load_settings
    from shared import logs

    settings = load_settings()
    if health:
        _say_health(settings.data_dir)
        return
    _need_flower()
    from hospital_agent.federation.assembly import federation_site
    from hospital_agent.federation.flower.node import run_node

    logs.configure(settings.log_level)
    raise typer.Exit(run_node(settings, federation_site(settings).answer))


def node_key(data_dir: DataDir) -> None:
    """Make the key by which the SuperLink knows this site's node, where there is none, and print its public half."""
    _need_flower()
    from hospital_agent.federation import FOLDER
    from hospital_agent.federation.flower.node_key import FILE_NAME, load_node_key, make_node_key, public_half

    path = data_dir / FOLDER / FILE_NAME
    typer.echo(public_half(load_node_key(path) if path.exists() else make_node_key(path)), nl=False)


def _say_health(data_dir: DataDir) -> None:
    from hospital_agent.heartbeat import FEDERATION_FILE, LONGEST_SILENCE_S, age_s

    age = age_s(data_dir, time.time(), FEDERATION_FILE)
    say("the node has not reached the SuperLink yet" if age is None else f"reached the SuperLink {age:.0f} s ago")
    if age is None or age > LONGEST_SILENCE_S:
        raise typer.Exit(FAULT)


def _need_flower() -> None:
    from importlib.util import find_spec

    if find_spec("flwr") is None:
        raise SettingsError("Federated work needs the extra `federation`: pip install 'segwatch[agent,federation]'.")
