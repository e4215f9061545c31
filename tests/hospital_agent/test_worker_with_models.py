"""A site whose agent watches a model from elsewhere: loaded as `hospital-agent run` loads it, from settings."""

from pathlib import Path

import pytest
from sqlalchemy import select

from hospital_agent.errors import ModelNotAllowed
from hospital_agent.model_folder import load_model
from hospital_agent.store.tables import CaseRow
from tests.agent_site import Site
from tests.fitted_model import brain, chest, write_fitted
from tests.series_files import chest_values, write_nifti, write_series

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def for_ct(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return write_fitted(tmp_path_factory.mktemp("ct"))


@pytest.fixture(scope="module")
def for_mr(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return write_fitted(tmp_path_factory.mktemp("mr"), "MR", patients=2)


def site_with(folder: Path, model: tuple[Path, str]) -> Site:
    """A site that allows the model by its file `allowed_models`, as the manual says."""
    (folder / "data").mkdir()
    (folder / "data" / "allowed_models").write_text(f"{model[1]}  # from the vendor\n")
    return Site(folder, model_dir=model[0], device="cpu")


def rows(site: Site) -> list[CaseRow]:
    with site.store.read() as session:
        return list(session.scalars(select(CaseRow).order_by(CaseRow.id)))


def test_a_model_from_elsewhere_scores_the_inbox_and_its_scores_leave_in_the_window(
    tmp_path: Path, for_ct: tuple[Path, str]
) -> None:
    site = site_with(tmp_path, for_ct)
    for seed in range(20, 26):
        write_nifti(site.inbox / f"p{seed}__ct.nii.gz", chest(seed)[0])
    assert site.settle() == 6
    assert [row.outcome for row in rows(site)] == ["scored"] * 6
    own = set(load_model(for_ct[0], with_network=False).ood)
    for row in rows(site):
        assert row.values is not None
        assert all(row.values[name] is not None for name in own | {"predicted_dice", "lesion_volume_ml"})
        assert row.result is not None
        assert row.result["segmentation"]["backend"] == "torchscript"
    assert list(site.inbox.iterdir()) == []

    site.clock.pass_time(seconds=site.settings.window_length_s)
    site.worker.round()
    (report,) = site.central.reports()
    assert (report.status, report.patient_count) == ("released", 6)
    assert (report.versions.backend, report.versions.model_hash) == (
        "torchscript",
        load_model(for_ct[0], with_network=False).hash,
    )
    told = {metric.name for metric in report.metrics}
    assert {f"{name}_log10" for name in ("mahalanobis", "spectral_signature")} | {"predicted_dice"} <= told


def test_without_a_permission_the_agent_does_not_start(tmp_path: Path, for_ct: tuple[Path, str]) -> None:
    with pytest.raises(ModelNotAllowed, match=for_ct[1]):
        Site(tmp_path, model_dir=for_ct[0], device="cpu")


def test_with_a_model_for_mr_series_of_mr_are_scored_and_ct_is_refused(
    tmp_path: Path, for_mr: tuple[Path, str]
) -> None:
    site = site_with(tmp_path, for_mr)
    for seed in range(20, 24):
        write_series(site.inbox / f"mr{seed}", brain(seed)[0], modality="MR", patient=f"p{seed}")
    for seed in (24, 25):
        write_nifti(site.inbox / f"p{seed}__mr.nii.gz", brain(seed)[0])
    write_series(site.inbox / "ct", chest_values(), patient="p30")
    assert site.settle() == 7
    outcomes = sorted((row.outcome, row.reason) for row in rows(site) if row.outcome == "refused")
    assert outcomes == [("refused", "not_mr")]
    scored = [row.values for row in rows(site) if row.outcome == "scored"]
    assert len(scored) == 6
    for values in scored:
        assert values is not None
        assert values["intensity_mode_body_sd"] is not None
        assert "intensity_mode_hu" not in values
    assert [path.name for path in (site.data / "refused").iterdir()] == ["ct"]

    site.clock.pass_time(seconds=site.settings.window_length_s)
    site.worker.round()
    (report,) = site.central.reports()
    told = {metric.name: metric for metric in report.metrics}
    assert told["intensity_mode_body_sd"].unit == "SD of the body"
    assert "intensity_mode_hu" not in told


def test_with_a_model_for_ct_mr_is_refused_as_before(tmp_path: Path) -> None:
    site = Site(tmp_path)
    write_series(site.inbox / "mr", brain(1)[0], modality="MR")
    site.settle()
    assert [(row.outcome, row.reason) for row in rows(site)] == [("refused", "not_ct")]
