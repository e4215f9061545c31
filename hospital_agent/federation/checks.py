"""What must be right before a site is asked for federated work, each as a sentence; for `hospital-agent doctor`."""

import os
from collections.abc import Callable
from pathlib import Path

from hospital_agent.federation import extra_is_there
from hospital_agent.settings import Settings
from shared.errors import SettingsError

Look = tuple[str, Callable[[], str]]


def federation_looks(settings: Settings) -> list[Look]:
    """What to look at; nothing where federated work is not set up here."""
    if settings.federation_superlink is None and settings.federation_policy_file is None:
        return []
    if not extra_is_there():
        return [("federation", _not_installed)]
    return [
        ("federation key", lambda: _key(settings)),
        ("federation partners", lambda: _partners(settings)),
        ("federation policy", lambda: _policy(settings)),
        ("federation link", lambda: _link(settings)),
        ("federation data", lambda: _data(settings)),
    ]


def _not_installed() -> str:
    raise SettingsError("is set up, but the extra 'federation' is not installed: pip install 'segwatch[federation]'.")


def _key(settings: Settings) -> str:
    from hospital_agent.federation.site_key import read_key
    from shared.federation.site_keys import fingerprint

    public = read_key(settings.federation_dir).public_key().public_bytes_raw()
    return f"this site is known by {fingerprint(public)}"


def _partners(settings: Settings) -> str:
    from hospital_agent.federation.site_key import PinnedSites
    from shared.secure_sum.cohorts import SMALLEST_COHORT

    known = sorted(set(PinnedSites(settings.federation_dir)) - {settings.site})
    if len(known) + 1 < SMALLEST_COHORT:
        raise SettingsError(
            f"{len(known)} other sites are pinned, and a sum needs {SMALLEST_COHORT - 1}: hospital-agent federation pin"
        )
    return f"{', '.join(known)} are pinned"


def _policy(settings: Settings) -> str:
    from hospital_agent.federation.policy import PolicyFile
    from hospital_agent.federation.site_jobs import site_jobs

    rules = PolicyFile(settings.federation_policy_file, settings.site).rules()
    if settings.policy is None:
        raise SettingsError("AGENT_K is not set: this site gives nothing to federated work either.")
    names = site_jobs.load("hospital_agent.federation.site_jobs").names()
    unknown = sorted(set(rules.jobs) - set(names))
    if unknown:
        raise SettingsError(f"this version has no job {', '.join(unknown)}; it has {', '.join(names)}.")
    allowed = [name for name in names if rules.of_job(name).allowed]
    return f"allows {', '.join(allowed) or 'no job'}"


def _link(settings: Settings) -> str:
    from hospital_agent.federation.flower.node_key import load_node_key, node_key_path

    if settings.federation_superlink is None:
        return "no SuperLink is set: nobody can ask this site"
    load_node_key(node_key_path(settings))
    authority = settings.federation_ca_file
    if authority is not None and not os.access(authority, os.R_OK):
        raise SettingsError("AGENT_FEDERATION_CA_FILE names a file that cannot be read.")
    return f"{settings.federation_superlink}, checked against {'a public' if authority is None else 'the own'} CA"


def _data(settings: Settings) -> str:
    for setting, folder in (
        ("AGENT_FEDERATION_IMAGES", settings.federation_images),
        ("AGENT_FEDERATION_REFERENCES", settings.federation_references),
    ):
        if folder is not None and not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
            raise SettingsError(f"{setting} names no folder that can be read.")
    images = settings.federation_images
    if images is None:
        return "no images are set: only jobs over the agent's own store have data"
    return f"{_count(images)} images, {_count(settings.federation_references)} references"


def _count(folder: Path | None) -> int:
    return 0 if folder is None else sum(not path.name.startswith(".") for path in folder.iterdir())
