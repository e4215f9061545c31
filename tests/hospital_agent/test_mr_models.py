"""A model from elsewhere for MR, from images to results by the commands: nothing of it is asked for HU or for lungs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hospital_agent.allow_list import AllowList
from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.features import features, has_meaning_in
from hospital_agent.model_folder import load_model, modality_of
from hospital_agent.toolkit import build_toolkit, modality_for
from tests.fitted_model import LESION_MR, MR_INTENSITY, SHAPE, brain, digest_of, write_cases, write_fitted
from tests.model_folder import write_model
from tests.series_files import brain_values, chest_values, write_nifti, write_series
from tests.torchscript_model import write_torchscript

pytestmark = pytest.mark.timeout(300)
PATIENTS = 8


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return write_fitted(tmp_path_factory.mktemp("mr"), "MR", patients=2)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_nifti(tmp_path / "brain.nii.gz", brain(1)[0])


def brightness_by_hand(values: np.ndarray, mask: np.ndarray) -> float:
    """`intensity_mode_body_sd` as it is defined, in float64 and in no other way than the definition reads."""
    low, high = np.percentile(values, (1, 99))
    body = values[values > low + 0.1 * (high - low)].astype(np.float64)
    return float((values[mask].mean() - body.mean()) / body.std())


def test_from_mr_images_to_a_result(run: Any, tmp_path: Path) -> None:
    model = write_torchscript(tmp_path / "foreign", intensity=MR_INTENSITY)
    cases, out, allow = write_cases(tmp_path, PATIENTS, "MR"), tmp_path / "out", ("--allow", digest_of(model))
    given = ("fit", "--model", model, "--images", cases / "images", "--references", cases / "references", "--out", out)
    done = run(*given, "--modality", "MR", "--device", "cpu", *allow)
    assert done.code == 0, done.err
    assert (done.json["modality"], done.json["images"], done.json["quality"]) == ("MR", PATIENTS, "fused_quality")
    assert json.loads((out / "manifest.json").read_text())["modality"] == "MR"
    assert "for MR" in (out / "MODEL_CARD.md").read_text()

    values = brain(1)[0]
    nifti = run("analyse", cases / "images" / "case_1_0000.nii.gz", "--model", out, "--device", "cpu", *allow)
    assert nifti.code == 0, nifti.err
    told = nifti.json
    assert told["volume"]["modality"] == "MR"
    assert told["lungs"] == {"backend": "none", "volume_ml": None}
    assert told["failures"] == []
    assert "hu" not in {word for name in told["features"] for word in name.split("_")}
    assert told["features"]["intensity_mode_body_sd"] == pytest.approx(
        brightness_by_hand(values, values == LESION_MR), rel=0.1
    )
    whole_ml = (values == LESION_MR).sum() * 4.5 / 1000
    assert told["segmentation"]["volume_ml"] == pytest.approx(whole_ml, rel=0.15)  # the network's grid rounds corners
    assert all(told["ood"][name] is not None for name in ("mahalanobis", "intensity_histogram"))
    assert 0 <= told["quality"]["predicted_dice"] <= 1

    folder = write_series(tmp_path / "s", values, modality="MR")
    dicom = run("analyse", folder, "--model", out, "--device", "cpu", *allow)
    assert dicom.code == 0, dicom.err
    assert dicom.json["features"] == pytest.approx(told["features"])
    assert dicom.json["quality"]["predicted_dice"] == pytest.approx(told["quality"]["predicted_dice"])


def test_a_series_of_ct_among_the_images_is_said_and_left_out(run: Any, tmp_path: Path) -> None:
    model = write_torchscript(tmp_path / "foreign", intensity=MR_INTENSITY)
    for seed in range(3):
        write_series(tmp_path / "images" / f"mr{seed}", brain(seed)[0], modality="MR", patient=f"p{seed}")
    write_series(tmp_path / "images" / "ct", chest_values(SHAPE), patient="p9")
    nifti = write_cases(tmp_path / "files", 2, "MR") / "images"
    given = ("fit", "--model", model, "--images", tmp_path / "images", "--out", tmp_path / "out", "--modality", "MR")
    done = run(*given, "--allow", digest_of(model))
    assert done.code == 0, done.err
    assert (done.json["images"], done.json["patients"]) == (3, 3)
    assert "ct was left out: These images are not MR." in done.err
    other = [tmp_path / "other" if word == tmp_path / "out" else word for word in given[:-2]]
    done = run(*other, "--allow", digest_of(model))
    assert done.code == 1
    assert "mr0 was left out: These images are not CT." in done.err
    done = run("fit", "--model", model, "--images", nifti, "--out", tmp_path / "other", "--allow", digest_of(model))
    assert (done.code, "--modality MR" in done.err) == (1, True)


class TestTheOtherModality:
    def test_a_ct_series_is_refused_by_a_model_for_mr(self, run: Any, fitted: tuple[Path, str], tmp_path: Path) -> None:
        done = run("analyse", write_series(tmp_path / "s"), "--model", fitted[0], "--allow", fitted[1])
        assert done.code == 3
        assert done.json == {"refused": {"reason": "not_mr", "detail": "These images are not MR."}}

    def test_an_mr_series_is_refused_by_the_shipped_model(self, run: Any, tmp_path: Path) -> None:
        done = run("analyse", write_series(tmp_path / "s", brain_values(), modality="MR"))
        assert done.code == 3
        assert done.json == {"refused": {"reason": "not_ct", "detail": "These images are not CT."}}

    def test_what_contradicts_the_model_is_a_sentence(self, run: Any, fitted: tuple[Path, str], image: Path) -> None:
        done = run("analyse", image, "--model", fitted[0], "--modality", "CT")
        assert (done.code, done.out) == (1, "")
        assert "reads MR, and CT is asked for" in done.err
        done = run("analyse", image, "--modality", "MR")
        assert (done.code, done.out) == (1, "")
        assert "reads CT, and MR is asked for" in done.err

    @pytest.mark.parametrize("wrong", [("--modality", "PT"), ("--modality", "MR", "--lungs", "")])
    def test_wrong_usage(self, run: Any, fitted: tuple[Path, str], image: Path, wrong: tuple[str, ...]) -> None:
        done = run("analyse", image, "--model", fitted[0], *(word or image for word in wrong))
        assert (done.code, done.out) == (2, "")


def test_a_supplied_mask_on_mr_is_scored_without_a_model(run: Any, image: Path, tmp_path: Path) -> None:
    values = brain(1)[0]
    mask = write_nifti(tmp_path / "mask.nii.gz", (values == LESION_MR).astype(np.uint8))
    done = run("analyse", image, "--mask", mask, "--modality", "MR")
    assert done.code == 0, done.err
    assert (done.json["quality"], done.json["ood"], done.json["failures"]) == (None, {}, [])
    assert done.json["features"]["intensity_mode_body_sd"] == pytest.approx(
        brightness_by_hand(values, values == LESION_MR)
    )
    assert "intensity_mode_hu" not in done.json["features"]
    assert run("analyse", image, "--mask", mask).json["refused"]["reason"] == "non_hu_values"


class TestToolkit:
    def test_it_holds_what_has_a_meaning_in_mr(self, fitted: tuple[Path, str]) -> None:
        toolkit = build_toolkit(fitted[0], device="cpu", lungs="threshold", allowed=AllowList.of([fitted[1]]))
        assert (toolkit.modality, toolkit.lungs, toolkit.lungs_backend) == ("MR", None, "none")
        assert set(toolkit.features) == {name for name, unit in features.items() if has_meaning_in(unit, "MR")}
        assert {"intensity_mode_body_sd", "intensity_spread_body_sd"} <= {q.name for q in toolkit.monitored}
        assert not any("hu" in quantity.name.split("_") for quantity in toolkit.monitored)

    def test_a_folder_that_says_nothing_reads_ct_and_one_that_says_nonsense_is_refused(self, tmp_path: Path) -> None:
        folder = write_model(tmp_path)
        manifest = json.loads((folder / "manifest.json").read_text())
        assert "modality" not in manifest
        assert modality_of(folder) == load_model(folder, with_network=False).modality == "CT"
        assert modality_for(folder, None) == "CT"
        (folder / "manifest.json").write_text(json.dumps({**manifest, "modality": "PT"}))
        with pytest.raises(ModelMismatch, match="another modality"):
            load_model(folder, with_network=False)
        with pytest.raises(ModelMismatch, match="another modality"):
            build_toolkit(folder, with_network=False)
