"""What a store and its windows belong to is checked when the agent starts, not when the first window closes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.store.overview import overview
from shared.errors import SettingsError
from tests.agent_site import LesionVolume, Site, quick_toolkit, site_settings


class LesionVolumeAnew(LesionVolume):
    quantity = replace(LesionVolume.quantity, version=2)


def test_a_store_stays_with_its_site(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.settings = site_settings(site.inbox, site.data, site="south")
    with pytest.raises(SettingsError, match="site 'north'"):
        site.start()
    site.settings = site_settings(site.inbox, site.data)
    site.start()


@pytest.mark.parametrize("part", ["model_version", "backend"])
def test_a_model_whose_name_no_report_could_carry_is_refused(tmp_path: Path, part: str) -> None:
    with pytest.raises(ModelMismatch, match="not fit for a report"):
        Site(tmp_path, toolkit=quick_toolkit(**{part: "lung model (May 2026)"}))


@pytest.mark.parametrize(
    "changed",
    [{"lungs_backend": "lungmask"}, {"features": {"lesion_volume_ml": LesionVolumeAnew()}}],
    ids=["lungs", "quantity"],
)
def test_what_is_measured_otherwise_shares_neither_window_nor_baseline(tmp_path: Path, changed: dict[str, Any]) -> None:
    site = Site(tmp_path, baseline_patients=10)
    for day in range(2):
        site.day(5, first=100 * day)
    site.drop("p300", 300)
    site.settle()
    assert overview(site.store)["baseline"]["state"] == "frozen"
    site.toolkit = quick_toolkit(**changed)
    site.start()
    assert overview(site.store)["baseline"] == {"state": "warming_up", "patients": 0}
    for day in range(4, 6):
        site.day(5, first=100 * day)
    assert [report.status for report in site.central.reports()] == ["released"] * 2 + ["suppressed"] + ["released"] * 2
    first, second = site.central.reports("baseline")
    assert (first.versions.baseline, second.versions.baseline, second.patient_count) == (1, 2, 10)
    site.toolkit = quick_toolkit()
    site.start()
    assert overview(site.store)["baseline"]["version"] == 1
