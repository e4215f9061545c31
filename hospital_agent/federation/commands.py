"""`hospital-agent federation ...`: who this site is to others, whom it knows, what it gives."""

from pathlib import Path
from typing import Annotated

import typer

from hospital_agent.console import REFUSED, DataDir, print_json, say
from hospital_agent.federation import FOLDER, extra_is_there
from shared.clock import utc_now
from shared.errors import SettingsError

federation_app = typer.Typer(
    help="What this site computes together with others: its key, its partners, its policy, what came of it.",
    no_args_is_help=True,
)

SiteArgument = Annotated[str, typer.Argument(metavar="SITE", help="The other site's name in the federation.")]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--file", envvar="AGENT_FEDERATION_POLICY_FILE", dir_okay=False, help="The policy file."),
]


@federation_app.callback()
def needs_the_extra() -> None:
    """Say what is missing before anything fails for want of it."""
    if not extra_is_there():
        raise SettingsError("Federated work needs the extra 'federation': pip install 'segwatch[federation]'.")


@federation_app.command()
def key(data_dir: DataDir) -> None:
    """Make this site's key where there is none, and print its public half with a fingerprint to read out."""
    from hospital_agent.federation.site_key import KEY_FILE, make_key
    from shared.federation.site_keys import fingerprint, key_as_text

    folder = data_dir / FOLDER
    fresh = not (folder / KEY_FILE).exists()
    public = make_key(folder).public_key().public_bytes_raw()
    if fresh:
        say("made a key; give the public half to the centre and to your partners, and compare fingerprints by voice")
    print_json({"public_key": key_as_text(public), "fingerprint": fingerprint(public)})


@federation_app.command()
def pin(
    site: SiteArgument,
    public_key: Annotated[str, typer.Argument(metavar="KEY", help="As `hospital-agent federation key` printed it.")],
    data_dir: DataDir,
    replace: Annotated[bool, typer.Option("--replace", help="In the place of another key of this site.")] = False,
) -> None:
    """Know another site by its public key; compare the fingerprint by telephone first."""
    from hospital_agent.federation.site_key import PinnedSites
    from shared.federation.site_keys import fingerprint, key_from_text

    key = key_from_text(public_key)
    before = PinnedSites(data_dir / FOLDER).pin(site, key, utc_now(), replace=replace)
    if before not in (None, key):
        say(f"'{site}' is no longer known by {fingerprint(before or b'')}")
    print_json({"site": site, "fingerprint": fingerprint(key)})


@federation_app.command()
def unpin(site: SiteArgument, data_dir: DataDir) -> None:
    """Sum with a site no longer."""
    from hospital_agent.federation.site_key import PinnedSites

    if not PinnedSites(data_dir / FOLDER).unpin(site, utc_now()):
        raise typer.BadParameter("is not pinned here.", param_hint="SITE")


@federation_app.command()
def pins(data_dir: DataDir) -> None:
    """The sites that are known here, and their fingerprints."""
    from hospital_agent.federation.site_key import PinnedSites
    from shared.federation.site_keys import fingerprint

    known = PinnedSites(data_dir / FOLDER)
    print_json({site: fingerprint(public) for site, public in sorted(known.items())})


@federation_app.command()
def policy(
    file: PolicyOption = None,
    example: Annotated[bool, typer.Option("--example", help="Print a policy file to begin with.")] = False,
) -> None:
    """What this site gives to federated work, as its policy file says it now."""
    from hospital_agent.federation.policy import EXAMPLE, SETTING, read_rules
    from hospital_agent.federation.site_jobs import site_jobs

    if example:
        typer.echo(EXAMPLE, nl=False)
        return
    if file is None:
        raise SettingsError(f"{SETTING} is not set: this site gives nothing to federated work.")
    rules = read_rules(file)
    known = site_jobs.load("hospital_agent.federation.site_jobs").names()
    for name in sorted(set(rules.jobs) - set(known)):
        say(f"this version has no job '{name}'; it has {', '.join(known)}")
    told = {name: rules.of_job(name).model_dump() for name in known}
    print_json({"version": rules.version, "training": rules.training, "jobs": told})


@federation_app.command()
def look() -> None:
    """Let the model look at the images of the site now, so that no federated round waits for it. Settings: AGENT_..."""
    from hospital_agent.federation.looked_at import look_at_images
    from hospital_agent.model_folder import SHIPPED_MODEL
    from hospital_agent.settings import load_settings

    settings = load_settings()
    seen = look_at_images(settings, settings.model_dir or SHIPPED_MODEL, say)
    patients = len({case.patient for case in seen})
    print_json({"images": len(seen), "patients": patients, "with_dice": sum(case.dice is not None for case in seen)})


@federation_app.command()
def versions() -> None:
    """What federated runs have proposed to this site or told its people, and what is in use. Settings: AGENT_..."""
    from dataclasses import asdict

    from hospital_agent.federation import in_use, proposals, results
    from hospital_agent.settings import load_settings

    settings = load_settings()
    stack = in_use.versions(settings)
    print_json(
        {
            "in_use": list(stack[-1].runs) if stack else [],
            "proposals": [dict(one.card) for one in proposals.proposals(settings)],
            "results": results.kept(settings),
            "history": [asdict(change) for change in in_use.history(settings)],
        }
    )


@federation_app.command()
def accept(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or its first digits.")],
    anyway: Annotated[bool, typer.Option("--anyway", help="Even where the comparison speaks against it.")] = False,
    tune: Annotated[
        int,
        typer.Option(
            metavar="STEPS", min=0, max=2000, help="Train a proposed network on with this site's own images first."
        ),
    ] = 0,
) -> None:
    """Compare a proposal with what is in use on this site's own cases, and put it to use. Settings: AGENT_..."""
    from dataclasses import asdict

    from hospital_agent.federation import versions as made
    from hospital_agent.settings import load_settings

    settings = load_settings()
    prepared = made.prepare(settings, run, say=say, tune=tune)
    compared = None if prepared.comparison is None else asdict(prepared.comparison)
    accepted = prepared.objection is None or anyway
    if accepted:
        made.accept(settings, prepared)
        say("in use from the next start of the agent on; it begins a new window and a new baseline")
    print_json({"accepted": accepted, "model": prepared.change.model, "comparison": compared})
    if not accepted:
        say(f"not put to use: {prepared.objection}. Say --anyway to do it all the same")
        raise typer.Exit(REFUSED)


@federation_app.command("roll-back")
def roll_back() -> None:
    """Return to the version before the one in use, from the next start of the agent on. Settings: AGENT_..."""
    from hospital_agent.federation import versions as made
    from hospital_agent.settings import load_settings

    change = made.roll_back(load_settings())
    say("in use from the next start of the agent on")
    print_json({"in_use": list(change.runs), "model": change.model})
