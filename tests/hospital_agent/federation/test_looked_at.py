"""What the model showed of a site's images: kept, so that no round segments again, and what scores say of it."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hospital_agent.analysis.ood import ood_scores
from hospital_agent.federation import looked_at
from hospital_agent.federation.asked import NoData
from hospital_agent.federation.looked_at import OF_ONE_GAUSSIAN, look_at_images, rows_of
from hospital_agent.ingest.series import read_series
from hospital_agent.pipeline import analyse_case
from hospital_agent.settings import Settings
from hospital_agent.toolkit import build_toolkit
from tests.federated_sites import write_site
from tests.model_folder import write_model
from tests.series_files import chest_values, write_nifti


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def settings(tmp_path: Path, model: Path) -> Settings:
    return write_site(tmp_path, "north", model, patients=3, seed=1)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list that grows by one with every image that is segmented."""
    made: list[Any] = []

    def counted(volume: Any, toolkit: Any) -> Any:
        made.append(volume)
        return analyse_case(volume, toolkit)

    monkeypatch.setattr(looked_at, "analyse_case", counted)
    return made


def test_each_image_is_segmented_once(settings: Settings, model: Path, passes: list[Any]) -> None:
    first = look_at_images(settings, model)
    again = look_at_images(settings, model)
    assert len(passes) == len(first) == len(again) == 4
    for one, other in zip(first, again, strict=True):
        assert (one.patient, one.values, one.dice, one.empty) == (other.patient, other.values, other.dice, other.empty)
        np.testing.assert_array_equal(one.rows["mahalanobis"].rows, other.rows["mahalanobis"].rows)


def test_what_changed_is_looked_at_again(settings: Settings, model: Path, passes: list[Any], tmp_path: Path) -> None:
    look_at_images(settings, model)
    os.utime(tmp_path / "images" / "north0__0.nii.gz", (1, 1))
    os.utime(tmp_path / "references" / "north1__0.nii.gz", (1, 1))
    write_nifti(tmp_path / "images" / "new.nii.gz", chest_values((12, 24, 20), seed=77))
    assert len(look_at_images(settings, model)) == 5
    assert len(passes) == 4 + 3


def test_another_model_looks_for_itself(settings: Settings, model: Path, passes: list[Any], tmp_path: Path) -> None:
    look_at_images(settings, model)
    other = write_model(tmp_path / "other")
    (other / "manifest.json").write_text((other / "manifest.json").read_text().replace("small", "large"))
    look_at_images(settings, other)
    assert len(passes) == 8


def test_a_damaged_file_is_made_again(settings: Settings, model: Path, passes: list[Any]) -> None:
    look_at_images(settings, model)
    kept = sorted((settings.federation_dir / "looked_at").iterdir())
    kept[0].write_bytes(b"")
    kept[1].write_bytes(kept[1].read_bytes()[:100])
    assert len(look_at_images(settings, model)) == 4
    assert len(passes) == 6


def test_two_images_of_a_patient_have_one_pseudonym(settings: Settings, model: Path) -> None:
    patients = [case.patient for case in look_at_images(settings, model)]
    assert len(set(patients)) == 3
    assert not any("north" in patient for patient in patients)
    for path in (settings.federation_dir / "looked_at").iterdir():
        assert b"north0" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_what_is_refused_is_left_out_and_said(settings: Settings, model: Path, tmp_path: Path) -> None:
    (tmp_path / "images" / "broken.nii.gz").write_bytes(b"no image")
    said: list[str] = []
    assert len(look_at_images(settings, model, said.append)) == 4
    assert any("broken was left out" in sentence for sentence in said)


@pytest.mark.parametrize("change", [{"federation_images": None}, {"federation_images": Path("/nowhere/at/all")}])
def test_without_images_there_is_no_data(settings: Settings, model: Path, change: dict[str, Any]) -> None:
    with pytest.raises(NoData):
        look_at_images(settings.model_copy(update=change), model)


def test_without_references_nothing_is_known_of_dice(settings: Settings, model: Path) -> None:
    alone = settings.model_copy(update={"federation_references": None})
    assert [case.dice for case in look_at_images(alone, model)] == [None] * 4
    assert any(case.dice is not None for case in look_at_images(settings, model))


def test_a_score_of_the_kept_rows_is_the_score_of_the_case(settings: Settings, model: Path, tmp_path: Path) -> None:
    toolkit = build_toolkit(model, device="cpu")
    shown = analyse_case(read_series(tmp_path / "images" / "north0__0.nii.gz", "CT").volume, toolkit).segmentation
    rows = rows_of(shown)
    assert set(rows) == {"mahalanobis", "pooled_mahalanobis"}  # this model has no autoencoder
    rng = np.random.default_rng(0)
    for name, one in rows.items():
        kind = ood_scores.load("hospital_agent.analysis.ood").get(name)
        assert kind is OF_ONE_GAUSSIAN[name]
        training = [rng.standard_normal((2, one.rows.shape[1])) for _ in range(6)]
        score: Any = kind.fit_cases(training, list("abcdef"))
        gaussian = score.gaussian if name == "mahalanobis" else score.reference.gaussian
        assert one.value(gaussian.squared_distances(one.rows)) == pytest.approx(score.compute(shown), rel=1e-9)
