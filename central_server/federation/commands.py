"""`central-server federate JOB` and `central-server federation ...`: runs, and the keys of the sites."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from typing import Annotated

import typer

from central_server.console import ACTOR, SiteName, open_database, refuse_bad_name
from central_server.database import federated_runs, federation_keys
from central_server.database import sites as site_rows
from central_server.database.session import Database
from central_server.errors import FederationMissing, RunIsOver
from central_server.federation.follow import follow
from central_server.settings import Settings
from shared.clock import rfc3339, utc_now
from shared.errors import MonitoringError, SettingsError
from shared.federation.site_keys import fingerprint, key_from_text
from shared.secure_sum.cohorts import SMALLEST_COHORT

federation_app = typer.Typer(no_args_is_help=True, help="The keys by which sites are known in federated work.")

OptionValue = bool | int | float | str


@federation_app.command("add-site")
def add_site(
    name: SiteName,
    public_key: Annotated[str, typer.Argument(help="As `hospital-agent federation key` prints it at the site.")],
) -> None:
    """Know a registered site by this public key; an older key of it ends. Compare the fingerprint by telephone."""
    refuse_bad_name(name)
    key = key_from_text(public_key)
    with open_database() as (_, database), database.write() as session:
        changed = federation_keys.give_key(session, site_rows.site_named(session, name), key, utc_now(), ACTOR)
    typer.echo(f"{name}\t{fingerprint(key)}" + ("" if changed else "\tknown already"))


@federation_app.command("sites")
def list_sites() -> None:
    """Print each site's fingerprint, and when the site was last in a sum."""
    with open_database() as (_, database), database.read() as session:
        for row in federation_keys.key_rows(session):
            seen = rfc3339(row.last_seen_at) if row.last_seen_at else "never in a sum"
            ended = f"\tended {rfc3339(row.revoked_at)}" if row.revoked_at else ""
            typer.echo(f"{row.site.name}\t{fingerprint(row.public_key)}\t{seen}{ended}")


@federation_app.command("revoke")
def revoke(name: SiteName) -> None:
    """End a site's federation key: it is invited to no further run. Its reports are not touched."""
    with open_database() as (_, database), database.write() as session:
        told = federation_keys.revoke(session, site_rows.site_named(session, name), utc_now(), ACTOR)
    typer.echo(f"The key {told} of {name} ended. The other sites have pinned it; tell them.")


def federate(
    job: Annotated[str, typer.Argument(help="Such as gaussian; docs/federation.md lists all.")],
    option: Annotated[list[str] | None, typer.Option(help="name=value, for the job; may be given again.")] = None,
    deadline: Annotated[float, typer.Option(min=1, max=86400, help="Seconds that a site has for one answer.")] = 600,
    sites: Annotated[str | None, typer.Option(help="Ask these sites alone: a,b,c.")] = None,
) -> None:
    """Have the sites compute a job together, and follow it to its end. Exit status 1 when there is no result."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", job):
        raise SettingsError("A job's name has lower-case letters, digits and underscores, a letter first.")
    options = dict(_option(text) for text in option or ())
    named = None if sites is None else sorted({name.strip() for name in sites.split(",") if name.strip()})
    _refuse_without_extra()
    with open_database() as (settings, database):
        with database.write() as session:
            _refuse_too_few(named, federation_keys.good_keys(session))
            run = federated_runs.propose(session, job, options, utc_now(), ACTOR, deadline_s=deadline, sites=named).run
        typer.echo(f"Run {run}: {job}" + (f" with {', '.join(option)}" if option else ""))
        _hand_over(settings, database, run)
        try:
            completed = follow(database, run, typer.echo, starts_within=timedelta(seconds=max(300.0, deadline)))
        except KeyboardInterrupt:
            typer.echo("The run goes on without being watched; the dashboard shows it.")
            raise typer.Exit(130) from None
    raise typer.Exit(0 if completed else 1)


def _option(text: str) -> tuple[str, OptionValue]:
    """name=value; true, false and numbers are what they look like.

    Example:
        >>> [_option(text) for text in ("rank=64", "exact=true", "shrinkage=1e-3", "layer=bottleneck")]
        [('rank', 64), ('exact', True), ('shrinkage', 0.001), ('layer', 'bottleneck')]
    """
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) or len(value) > 200:
        raise SettingsError("An option is written as name=value, e.g. --option rank=64.")
    if value in ("true", "false"):
        return name, value == "true"
    if re.fullmatch(r"[+-]?\d{1,18}", value):
        return name, int(value)
    if re.fullmatch(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d{1,2})?", value):
        return name, float(value)
    return name, value


def _refuse_too_few(named: Sequence[str] | None, keys: dict[str, bytes]) -> None:
    known = "`central-server federation add-site` gives a site its key."
    without = sorted(set(named or ()) - set(keys))
    if without:
        raise SettingsError(f"These sites have no federation key here: {', '.join(without)}. {known}")
    if len(keys if named is None else named) < SMALLEST_COHORT:
        raise SettingsError(f"A run needs at least {SMALLEST_COHORT} sites with a federation key. {known}")


def _refuse_without_extra() -> None:
    if any(find_spec(package) is None for package in ("flwr", "cryptography", "Crypto")):
        raise FederationMissing("Federated runs need the extra `federation`: pip install 'segwatch[federation]'.")


def _hand_over(settings: Settings, database: Database, run: str) -> None:
    """Start the Flower run that leads this one; where that fails the run is over."""
    from central_server.federation.flower.submit import submit

    try:
        submit(settings, run)
    except BaseException as error:
        why = str(error) if isinstance(error, MonitoringError) else "The run could not be started."
        with suppress(RunIsOver), database.write() as session:
            federated_runs.end(session, run, utc_now(), completed=False, sentence=why)
        raise
