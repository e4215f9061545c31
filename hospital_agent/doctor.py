"""What must be right before the agent is started, each as a sentence."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hospital_agent.assembly import check_site, plan_of, site_pseudonyms
from hospital_agent.errors import DeliveryError
from hospital_agent.federation.checks import federation_looks
from hospital_agent.federation.in_use import model_in_use
from hospital_agent.reporting.sender import SKEW_TOLD_S, Central
from hospital_agent.settings import Settings, load_settings
from hospital_agent.store import ledger, windows
from hospital_agent.store.database import FILE_NAME, Store
from hospital_agent.toolkit import build_toolkit
from shared.clock import rfc3339, utc_now
from shared.errors import MonitoringError, SettingsError

LEAST_FREE_GB = 5.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    sentence: str


def examine(central: Callable[[Settings], Central] | None = None) -> list[Check]:
    """Look at settings, folders, store, model, privacy rule, centre and what federated work needs, in this order."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return [Check("settings", ok=False, sentence=str(error))]
    checks = [Check("settings", ok=True, sentence=f"site {settings.site}")]
    looks: list[tuple[str, Callable[[], str]]] = [
        ("inbox", lambda: _folder(settings.inbox)),
        ("data folder", lambda: _data_folder(settings.data_dir)),
        ("store", lambda: _store(settings)),
        ("model", lambda: _model(settings)),
        ("privacy rule", lambda: _policy(settings)),
        ("centre", lambda: _centre(settings, central or _central)),
        *federation_looks(settings),
    ]
    for name, look in looks:
        try:
            checks.append(Check(name, ok=True, sentence=look()))
        except (MonitoringError, OSError) as error:
            checks.append(Check(name, ok=False, sentence=str(error)))
    return checks


def _folder(folder: Path) -> str:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise SettingsError("the agent may not read, write and move files there.")
    return "can be read and written"


def _data_folder(folder: Path) -> str:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _folder(folder)
    free = shutil.disk_usage(folder).free / 1e9
    if free < LEAST_FREE_GB:
        raise SettingsError(f"only {free:.1f} GB are free; at least {LEAST_FREE_GB:g} GB are needed.")
    return f"can be written, {free:.0f} GB free"


def _store(settings: Settings) -> str:
    folder = settings.data_dir
    if not (folder / FILE_NAME).exists():
        return "will be made at the first start"
    store = Store(folder)
    try:
        store.check()
        store.check_secret(site_pseudonyms(folder).check_value())
        check_site(store, settings.site)
        with store.read() as session:
            window = windows.open_window(session)
            if window is not None and window.start_at > utc_now():
                raise SettingsError(
                    f"the open window begins at {rfc3339(window.start_at)}: the clock was ahead, or is behind. "
                    "Nothing is reported before then; mend the clock, or restore a backup from before."
                )
            return f"is sound; the ledger verifies with {ledger.verify(session).count} rows"
    finally:
        store.close()


def _model(settings: Settings) -> str:
    allowed = settings.allow_list
    toolkit = build_toolkit(model_in_use(settings), device=settings.device, lungs=settings.lungs, allowed=allowed)
    plan_of(settings, toolkit)
    told = f"version {toolkit.model_version} reads {toolkit.modality}, {len(toolkit.monitored)} quantities are watched"
    models = f"; {len(allowed.hashes)} from elsewhere may run code here" if allowed.hashes else ""
    quality = "" if toolkit.quality is not None else "; it has no quality model, so nothing predicts a Dice"
    return told + models + quality


def _policy(settings: Settings) -> str:
    policy = settings.policy
    if policy is None:
        raise SettingsError("AGENT_K is not set: nothing will leave this site.")
    small = "exactly" if policy.exact_event_counts else "as a band"
    return f"at least {policy.k} patients in every release, smaller counts of events are told {small}"


def _central(settings: Settings) -> Central:
    return Central(settings.central_url, settings.site_key.get_secret_value(), ca=settings.central_ca)


def _centre(settings: Settings, connect: Callable[[Settings], Central]) -> str:
    if settings.policy is None:
        return "is not called while nothing may leave"
    central = connect(settings)
    try:
        view = central.check_in()
    except DeliveryError as error:
        raise SettingsError(f"{error} ({error.code})") from None
    finally:
        central.close()
    if view.site != settings.site:
        raise SettingsError("The key belongs to another site than AGENT_SITE.")
    skew = (utc_now() - view.server_time).total_seconds()
    if abs(skew) > SKEW_TOLD_S:
        raise SettingsError(f"answers, but the clocks are {skew:.0f} s apart.")
    return f"knows this site; the clocks are {abs(skew):.1f} s apart"
