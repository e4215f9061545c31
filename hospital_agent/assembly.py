"""From settings to a running agent: everything is built here, once, and handed down."""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.federation.in_use import model_in_use
from hospital_agent.ingest.filing import Filing
from hospital_agent.ingest.pseudonym import Pseudonyms
from hospital_agent.ingest.watch import Inbox
from hospital_agent.reporting.calendar import Calendar
from hospital_agent.reporting.desk import Desk
from hospital_agent.reporting.events import catalogue
from hospital_agent.reporting.releases import EDGES_VERSION, Plan
from hospital_agent.reporting.sender import Central, Sender
from hospital_agent.settings import Settings
from hospital_agent.store.database import Store
from hospital_agent.store.tables import MEASURES_LENGTH
from hospital_agent.store.windows import ModelKey
from hospital_agent.toolkit import Toolkit, build_toolkit
from hospital_agent.worker import Reached, Worker
from shared.clock import Clock, utc_now
from shared.errors import SettingsError
from shared.report import Versions

SITE_SECRET = "site_secret"  # noqa: S105 - the name of the file that holds it
SECRET_BYTES = 32
SITE_FACT = "site"


def site_pseudonyms(data_dir: Path) -> Pseudonyms:
    """Pseudonyms from the site's secret, which is drawn at random when there is none yet and never leaves the folder.

    Raises:
        SettingsError: the file cannot be read or holds no secret.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / SITE_SECRET
    if not path.exists():
        partial = path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    try:
        return Pseudonyms(bytes.fromhex(path.read_text().strip()))
    except (OSError, ValueError):
        raise SettingsError("The file site_secret in AGENT_DATA_DIR cannot be read as a secret.") from None


def check_site(store: Store, site: str) -> None:
    """Keep whose store it is, or compare with the kept name.

    Raises:
        SettingsError: it is another site's; under a new name its reports could not be found again.
    """
    kept = store.fact(SITE_FACT)
    if kept is None:
        store.keep_facts({SITE_FACT: site})
    elif kept != site:
        raise SettingsError(f"AGENT_DATA_DIR holds the store of site '{kept}'; a site keeps its name (AGENT_SITE).")


def plan_of(settings: Settings, toolkit: Toolkit, model: ModelKey | None = None) -> Plan:
    """What the site has decided, beside what its toolkit measures.

    Args:
        model: what made the numbers; what the toolkit says of itself when None.

    Raises:
        ModelMismatch: the model names itself in a way that no report could carry.
    """
    policy = settings.policy
    flag_thresholds = () if toolkit.quality is None else toolkit.quality.thresholds
    model = model or ModelKey(toolkit.backend, toolkit.model_version, toolkit.model_hash, _measures_of(toolkit))
    return Plan(
        site=settings.site,
        calendar=Calendar(settings.window_length_s, settings.window_age_limit_s, None if policy is None else policy.k),
        policy=policy,
        baseline_patients=settings.baseline_patients,
        log_threshold=settings.log_threshold,
        model=model,
        versions=_versions_of(model, getattr(toolkit.quality, "version", "none")),
        quantities=toolkit.monitored,
        events=catalogue(
            toolkit.validation,
            flag_thresholds,
            toolkit.values_of_nothing(),
            has_quality=toolkit.quality is not None,
        ),
        flag_quality=toolkit.flag_quality,
    )


def _versions_of(model: ModelKey, quality: str) -> Versions:
    try:
        return Versions(
            agent=version("segwatch"),
            backend=model.backend,
            model=model.version,
            model_hash=model.hash,
            quality_model=quality,
            baseline=None,
            edges=EDGES_VERSION,
        )
    except ValidationError:
        raise ModelMismatch(
            "The versions in the model folder are not fit for a report: up to 64 letters, digits, dots, dashes and "
            "underscores, without spaces."
        ) from None


def _measures_of(toolkit: Toolkit) -> str:
    """A short hash of what is measured and of who finds the lungs: numbers of two of them are not the same numbers."""
    measured = sorted((quantity.name, quantity.version) for quantity in toolkit.monitored)
    return hashlib.sha256(json.dumps([toolkit.lungs_backend, measured]).encode()).hexdigest()[:MEASURES_LENGTH]


def build_worker(
    settings: Settings,
    store: Store,
    *,
    toolkit: Toolkit | None = None,
    central: Central | None = None,
    clock: Clock = utc_now,
    steady: Callable[[], float] = time.monotonic,
    reached: Reached = lambda point: None,  # noqa: ARG005
) -> Worker:
    """The agent of a site.

    Without a k nothing may leave, not even a sign of life, and so there is no sender.

    Raises:
        SettingsError, SecretChanged, ModelMismatch
    """
    pseudonyms = site_pseudonyms(settings.data_dir)
    store.check_secret(pseudonyms.check_value())
    check_site(store, settings.site)
    toolkit = toolkit or build_toolkit(
        model_in_use(settings),
        device=settings.device,
        threads=settings.threads,
        lungs=settings.lungs,
        allowed=settings.allow_list,
    )
    plan = plan_of(settings, toolkit)
    sender = None
    if plan.policy is not None:
        central = central or Central(settings.central_url, settings.site_key.get_secret_value(), ca=settings.central_ca)
        sender = Sender(store, central, clock, settings.sign_of_life_s, reached)
    return Worker(
        store=store,
        toolkit=toolkit,
        pseudonyms=pseudonyms,
        inbox=Inbox(settings.inbox, settings.quiet_period_s),
        filing=Filing(settings.data_dir, delete=settings.after == "delete"),
        desk=Desk(store, plan, lambda case_id: pseudonyms.fraction("tie", case_id), steady),
        sender=sender,
        clock=clock,
        steady=steady,
        reached=reached,
    )
