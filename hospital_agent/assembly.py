"""From settings to a running agent: everything is built here, once, and handed down."""

import os
import secrets
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from hospital_agent.ingest.filing import Filing
from hospital_agent.ingest.pseudonym import Pseudonyms
from hospital_agent.ingest.watch import Inbox
from hospital_agent.reporting.calendar import Calendar
from hospital_agent.reporting.desk import Desk
from hospital_agent.reporting.events import catalogue
from hospital_agent.reporting.releases import Plan
from hospital_agent.reporting.sender import Central, Sender
from hospital_agent.settings import Settings
from hospital_agent.store.database import Store
from hospital_agent.store.windows import ModelKey
from hospital_agent.toolkit import Toolkit, build_toolkit
from hospital_agent.worker import Reached, Worker
from shared.clock import Clock, utc_now
from shared.errors import SettingsError

SITE_SECRET = "site_secret"  # noqa: S105 - the name of the file that holds it
SECRET_BYTES = 32


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


def plan_of(settings: Settings, toolkit: Toolkit, model: ModelKey | None = None) -> Plan:
    """What the site has decided, beside what its toolkit measures."""
    policy = settings.policy
    flag_thresholds = [view.threshold for view in getattr(toolkit.quality, "views", ())]
    return Plan(
        site=settings.site,
        calendar=Calendar(settings.window_length_s, settings.window_age_limit_s, None if policy is None else policy.k),
        policy=policy,
        baseline_patients=settings.baseline_patients,
        log_threshold=settings.log_threshold,
        model=model or ModelKey(toolkit.backend, toolkit.model_version, toolkit.model_hash),
        agent_version=version("segwatch"),
        quality_version=getattr(toolkit.quality, "version", "none"),
        quantities=toolkit.monitored,
        events=catalogue(
            toolkit.validation,
            flag_thresholds,
            toolkit.values_of_nothing(),
            has_quality=toolkit.quality is not None,
        ),
        flag_quality=toolkit.flag_quality,
    )


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
    toolkit = toolkit or build_toolkit(
        settings.model_dir, device=settings.device, threads=settings.threads, lungs=settings.lungs
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
