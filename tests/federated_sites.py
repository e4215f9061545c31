"""Whole sites for federated work: a store, a key, pins, a policy, images and a model; and a centre in this process."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from central_server.federation.cohorts import ReleasedCohorts
from central_server.federation.conductor import Conductor, RunRules
from central_server.federation.run_log import RunEnded
from hospital_agent.assembly import check_site, plan_of, site_pseudonyms
from hospital_agent.federation.assembly import federation_site
from hospital_agent.federation.site import FederationSite
from hospital_agent.federation.site_key import PinnedSites, make_key
from hospital_agent.settings import Settings
from hospital_agent.store import windows
from hospital_agent.store.database import Store
from hospital_agent.store.tables import CaseRow
from hospital_agent.toolkit import build_toolkit
from shared.clock import utc_now
from shared.federation.messages import Option, Packet
from tests.agent_site import site_settings
from tests.federations import InProcess, Log
from tests.series_files import chest_values, write_nifti

EVERYTHING = "".join(
    f"[jobs.{job}]\nallowed = true\n"
    for job in ("gaussian", "histograms", "logistic", "conformal", "sketched_gaussian", "spectral")
)
POLICY = f'partners = "pinned"\nmost_numbers = 2000000\n{EVERYTHING}'
SHAPE = (12, 24, 20)


def write_site(folder: Path, name: str, model: Path, patients: int, seed: int, **changes: Any) -> Settings:
    """A site with images of so many patients, each with a reference mask; every third has two images."""
    for part in ("inbox", "images", "references"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for patient in range(patients):
        for image in range(2 if patient % 3 == 0 else 1):
            values = chest_values(SHAPE, 1000 * seed + 10 * patient + image) + np.int16(20 * seed)
            file = f"{name}{patient}__{image}.nii.gz"
            write_nifti(folder / "images" / file, values)
            write_nifti(folder / "references" / file, (values > 60).astype(np.uint8))
    (folder / "policy.toml").write_text(POLICY)
    given = {
        "site": name, "model_dir": model, "device": "cpu", "federation_policy_file": folder / "policy.toml",
        "federation_images": folder / "images", "federation_references": folder / "references",
    }  # fmt: skip
    return site_settings(folder / "inbox", folder / "data", **{**given, **changes})


def write_window(
    settings: Settings, patients: int, seed: int, closed_at: datetime | None = None, offset: float = 0.0
) -> None:
    """A store whose last released window holds so many patients with a value of every quantity."""
    closed_at = closed_at or utc_now()
    plan = plan_of(settings, build_toolkit(settings.model_dir, with_network=False, lungs=settings.lungs))
    store = Store.open(settings.data_dir)
    store.check_secret(site_pseudonyms(settings.data_dir).check_value())
    check_site(store, settings.site)
    rng = np.random.default_rng(seed)
    with store.write() as session:
        start = closed_at - timedelta(days=1)
        index = 0 if (latest := windows.open_window(session)) is None else latest.index
        window = latest or windows.start(session, index, start, plan.model)
        for patient in range(patients):
            name = f"{seed:04x}{patient:04x}".ljust(32, "0")
            values = {one.name: float(rng.choice(one.cuts)) + offset for one in plan.quantities}
            session.add(
                CaseRow(
                    case_id=name, series=name, instances=name, content=name, patient=name, received_at=start,
                    stored_at=start, outcome="scored", window_index=index, late=False, counted=True,
                    model_version=plan.model.version, model_hash=plan.model.hash, values=values,
                    events={event.name: False for event in plan.events},
                )
            )  # fmt: skip
        window.state, window.end_at, window.closed_at = "released", closed_at, closed_at
        session.flush()
        windows.start(session, index + 1, closed_at, plan.model)
    store.close()


class FederatedSites:
    """Sites that know each other, and a centre that asks them.

    Args:
        settings: of each site.
    """

    def __init__(self, settings: Sequence[Settings]) -> None:
        self.settings = {one.site: one for one in settings}
        self.keys = {one.site: make_key(one.federation_dir).public_key().public_bytes_raw() for one in settings}
        for one in settings:
            pins = PinnedSites(one.federation_dir)
            for site, key in self.keys.items():
                if site != one.site:
                    pins.pin(site, key, utc_now())
        self.stores = {one.site: Store.open(one.data_dir) for one in settings}
        self.sites: dict[str, FederationSite] = {}
        for one in settings:
            self.restart(one.site)
        self.released, self.log = ReleasedCohorts(), Log()

    def restart(self, site: str) -> None:
        """The node's program ends and starts again."""
        self.sites[site] = federation_site(self.settings[site], store=self.stores[site])

    def conduct(self, run: str, job: str, options: Mapping[str, Option] | None = None, **rules: Any) -> RunEnded:
        """One run, led by a real centre without a network."""
        exchange = InProcess(SimpleNamespace(names=tuple(self.sites), sites=self.sites))  # type: ignore[arg-type]
        conductor = Conductor(exchange, self.keys, self.released, self.log, RunRules(**{"gather_s": 0, **rules}))
        return conductor.conduct(run, job, options or {})

    def ask(self, site: str, packet: Packet) -> Packet:
        """One question to one site."""
        return self.sites[site].answer(packet)

    def close(self) -> None:
        """Let go of the stores."""
        for store in self.stores.values():
            store.close()
