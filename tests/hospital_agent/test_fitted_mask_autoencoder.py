"""`fit --method mask_autoencoder`: from references to a model folder that reconstructs, or a sentence."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import NotApplicable, UnknownLabel
from hospital_agent.analysis.imaging.slices import SlicePlane, Slices
from hospital_agent.analysis.segmentation.base import Reconstruction
from hospital_agent.analysis.segmentation.ensemble import EnsembleOfSegmenters
from hospital_agent.analysis.segmentation.torchscript import load_torchscript
from hospital_agent.fitted_mask_autoencoder import fences_of_seen, fit_mask_autoencoder, label_count_of
from hospital_agent.fitting import Seen
from hospital_agent.fitting_inputs import find_inputs
from hospital_agent.training.mask_autoencoder import MaskTraining
from tests.fitted_model import digest_of, write_cases
from tests.patches import segmentation_of
from tests.torchscript_model import write_torchscript


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("given")
    return write_torchscript(folder / "foreign"), write_cases(folder / "cases", 5)


def test_from_references_to_a_folder_that_reconstructs(run: Any, given: tuple[Path, Path], tmp_path: Path) -> None:
    model, cases = given
    out, allowed = tmp_path / "out", ("--device", "cpu", "--allow", digest_of(model))
    asked = ("fit", "--model", model, "--images", cases / "images", "--out", out, *allowed)
    asked += ("--method", "mask_autoencoder", "--steps", 5)
    refused = run(*asked)
    assert (refused.code, "--references" in refused.err) == (1, True), refused.err
    done = run(*asked, "--references", cases / "references")
    assert done.code == 0, done.err
    assert {"mask_autoencoder_pdc", "mask_autoencoder_phd"} <= set(done.json["ood"])
    assert "nothing says from when on a mask is unusual" in done.err
    assert "but not to the mask autoencoder" in (out / "MODEL_CARD.md").read_text()
    done = run("analyse", cases / "images" / "case_1_0000.nii.gz", "--model", out, *allowed)
    assert done.code == 0, done.err
    assert 0 <= done.json["ood"]["mask_autoencoder_pdc"] <= 1
    assert done.json["ood"]["mask_autoencoder_phd"] is not None
    assert done.json["failures"] == []
    assert set(done.json["mask_autoencoder"]["labels"]) == {"1"}
    assert done.json["mask_autoencoder"]["fences"] is None, "after five steps nothing comes back, and nothing is usual"
    mask = cases / "references" / "case_1.nii.gz"
    given = run("analyse", cases / "images" / "case_1_0000.nii.gz", "--mask", mask, "--model", out, *allowed[:2])
    assert given.code == 0, given.err
    assert given.json["ood"]["mask_autoencoder_phd"] is not None, "the mask of another product is reconstructed too"
    (out / "mask_autoencoder.json").write_text("{}")
    broken = run("analyse", cases / "images" / "case_1_0000.nii.gz", "--model", out, *allowed)
    assert (broken.code, "mask_autoencoder.json" in broken.err) == (1, True)


def seen(pdc: float, plane: SlicePlane) -> Seen:
    """What a pass left of a mask of two labels, the second a little better than the first."""
    shown = replace(
        segmentation_of(None), reconstructed=Reconstruction(1 - np.array([pdc, pdc + 0.1]), np.full(2, 4.0))
    )
    return Seen("c", "p", shown, {}, None, empty=False, slices=Slices(plane, 1.0))


def test_fences_are_of_the_masks_that_the_model_made_of_the_images() -> None:
    """Quartiles 0.675 and 0.825 of the first label in axial slices: its fence is 0.675 - 1.5 * 0.15."""
    said: list[str] = []
    cases = [seen(0.6 + 0.1 * i, "axial") for i in range(4)] + [seen(0.2, "coronal")] * 3
    by_label = fences_of_seen(cases[:4], 2, "label", said.append)
    assert by_label is not None
    assert by_label.by_label == by_label.deciding
    assert by_label.deciding.groups["1"].low_pdc == pytest.approx(0.45)
    assert by_label.deciding.groups["2"].low_pdc == pytest.approx(0.55)
    assert by_label.deciding.groups["1"].high_phd_mm == 5.0
    by_view = fences_of_seen(cases, 2, "view", said.append)
    assert by_view is not None
    assert set(by_view.deciding.groups) == {"axial"}
    assert by_view.by_label is not None
    assert by_view.by_label.groups["1"].case_count == 7
    assert said == []
    empty = replace(cases[0], shown=segmentation_of(None))
    assert fences_of_seen([*cases[:3], empty], 2, "label", said.append) is None
    assert "at least 4 cases" in said[0]


def with_label(cases: Path, folder: Path, number: int) -> Path:
    """The references with another number for what they mark."""
    folder.mkdir()
    for path in sorted((cases / "references").iterdir()):
        found = nibabel.load(path)
        marked = np.asanyarray(found.dataobj) > 0
        nibabel.save(nibabel.Nifti1Image((marked * number).astype(np.uint8), found.affine), folder / path.name)
    return folder


def opened(folder: Path, classes: int) -> Any:
    model = write_torchscript(folder, classes=classes)
    described = json.loads(model.with_suffix(".json").read_text())
    return load_torchscript(model.read_bytes(), described, trusted=True, version="1", model_hash="h", device="cpu")


def test_references_of_0_and_255_are_those_of_the_one_label_of_the_model(
    given: tuple[Path, Path], tmp_path: Path
) -> None:
    _, cases = given
    inputs = find_inputs(cases / "images", with_label(cases, tmp_path / "coded", 255))
    plan, said = MaskTraining(steps=3, batch=2), []
    made = fit_mask_autoencoder(opened(tmp_path / "one", 2), inputs, "CT", plan, said.append)
    assert made.shape.label_count == 1
    plain = find_inputs(cases / "images", cases / "references")
    same = fit_mask_autoencoder(opened(tmp_path / "again", 2), plain, "CT", plan, said.append)
    assert all(np.array_equal(array, same.weights()[name]) for name, array in made.weights().items())


def test_the_model_says_how_many_labels_there_are_and_others_are_refused(
    given: tuple[Path, Path], tmp_path: Path
) -> None:
    _, cases = given
    several, plan = opened(tmp_path / "several", 4), MaskTraining(steps=1, batch=2)
    known = find_inputs(cases / "images", with_label(cases, tmp_path / "two", 2))
    assert fit_mask_autoencoder(several, known, "CT", plan, lambda _: None).shape.label_count == 3
    other = find_inputs(cases / "images", with_label(cases, tmp_path / "five", 5))
    with pytest.raises(UnknownLabel, match="label 5, and the model knows 3 labels"):
        fit_mask_autoencoder(several, other, "CT", plan, lambda _: None)


def test_an_ensemble_knows_what_its_members_know(tmp_path: Path) -> None:
    one, two = opened(tmp_path / "one", 2), opened(tmp_path / "two", 3)
    assert label_count_of(EnsembleOfSegmenters([two, two], version="1", model_hash="h")) == 2
    with pytest.raises(NotApplicable, match="different numbers of classes"):
        label_count_of(EnsembleOfSegmenters([one, two], version="1", model_hash="h"))
    with pytest.raises(NotApplicable, match="does not say"):
        label_count_of(object())  # type: ignore[arg-type]
