"""`fit --method segmentation_distortion`, from images to a model folder whose analyses tell and map the distortion."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from hospital_agent.allow_list import AllowList, ModelFiles
from hospital_agent.analysis.errors import ModelMismatch, NotApplicable, TooFewCases
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter, WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.fitted_autoencoder import fit_autoencoder, host_of
from hospital_agent.fitting_inputs import find_inputs
from hospital_agent.ingest.series import read_series
from hospital_agent.model_folder import load_model
from hospital_agent.shown_map import distortion_map
from hospital_agent.toolkit import build_toolkit
from hospital_agent.training.autoencoder import AutoencoderTraining
from tests.fitted_model import digest_of, write_cases
from tests.model_folder import write_model
from tests.monai_model import write_bundle
from tests.torchscript_model import write_torchscript

pytestmark = pytest.mark.timeout(600)
SCORES = {"segmentation_distortion", "segmentation_distortion_foreground", "latent_mahalanobis"}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cases(tmp_path_factory.mktemp("cases"), 5)


def test_from_images_to_a_folder_that_tells_and_maps_the_distortion(run: Any, cases: Path, tmp_path: Path) -> None:
    bundle, out = write_bundle(tmp_path / "bundle"), tmp_path / "fitted"
    given = ("fit", "--model", bundle, "--images", cases / "images", "--out", out, "--device", "cpu", "--copy")
    trained = (*given, "--method", "segmentation_distortion", "--steps", 3)
    digest = ModelFiles.read(bundle, ["configs/inference.json", "models/model.pt"]).digest
    allow = ("--allow", digest)
    done = run(*trained, *allow)
    assert done.code == 0, done.err
    assert set(done.json["ood"]) >= SCORES
    assert {"autoencoder.json", "autoencoder.safetensors"} <= set(
        json.loads((out / "manifest.json").read_text())["files"]
    )

    said = " ".join((out / "MODEL_CARD.md").read_text().split())
    assert "new to the scale of the scores, but not to the activation autoencoder" in said
    assert "`segmentation_distortion`, `segmentation_distortion_foreground`, `latent_mahalanobis` than this" in said
    assert "mask autoencoder:" not in said

    image, mapped = cases / "images" / "case_1_0000.nii.gz", tmp_path / "map.nii.gz"
    analysed = run(
        "analyse", image, "--model", out, "--device", "cpu", *allow, "--map-out", mapped, "--map", "distortion"
    )
    assert analysed.code == 0, analysed.err
    told = analysed.json
    assert told["segmentation"]["passes"] == 2  # a MONAI network has no halves that we know
    assert told["ood"]["segmentation_distortion"] > 0
    assert told["ood"]["latent_mahalanobis"] > 0
    source, written = nib.load(image), nib.load(mapped)
    assert written.shape == source.shape
    np.testing.assert_allclose(written.affine, source.affine, atol=1e-5)
    values = np.asarray(written.dataobj)
    assert values.min() >= 0
    assert values.mean() == pytest.approx(told["ood"]["segmentation_distortion"], rel=0.2)

    allowed = AllowList.of([digest])
    segmenter = build_toolkit(out, device="cpu", allowed=allowed).segmenter
    assert segmenter is not None
    seen = segmenter.segment(read_series(image).volume)
    assert seen.distortion is not None
    assert seen.distortion.squares is not None
    assert seen.probability is not None
    assert seen.distortion.squares.shape[1:] == seen.probability.shape, "turned back to the volume's own axes"
    (out / "autoencoder.json").write_text("{}")
    with pytest.raises(ModelMismatch, match=r"autoencoder\.json"):
        load_model(out, device="cpu", allowed=allowed)


def own_network() -> BundledSegmenter:
    torch.manual_seed(0)
    grid = WorkingGrid(spacing_mm=(2.0, 2.0, 2.0), tile=(8, 16, 16))
    return BundledSegmenter(UNet(UNetShape(channels=(4, 6, 8))), grid, version="1", model_hash="0" * 64, device="cpu")


def test_it_is_attached_and_chosen_on_patients_it_did_not_learn_from(cases: Path) -> None:
    segmenter, said = own_network(), []
    inputs = find_inputs(cases / "images", None)
    made = fit_autoencoder(segmenter, inputs, "CT", AutoencoderTraining(steps=2), said.append)
    assert any("on 4 images; 1 choose" in sentence for sentence in said)
    assert made.shape.tile == (8, 16, 16)
    found = segmenter.segment(read_series(inputs[0].path).volume)
    assert found.distortion is not None
    assert found.passes == 1
    with pytest.raises(TooFewCases, match="two patients"):
        fit_autoencoder(segmenter, inputs[:1], "CT", AutoencoderTraining(steps=2), said.append)


def test_features_that_cannot_be_changed_are_said_to_be_so(run: Any, cases: Path, tmp_path: Path) -> None:
    model = write_torchscript(tmp_path)
    done = run(
        "fit", "--model", model, "--images", cases / "images", "--out", tmp_path / "out", "--device", "cpu",
        "--allow", digest_of(model), "--method", "segmentation_distortion",
    )  # fmt: skip
    assert done.code != 0
    assert "can at most be listened to" in done.err
    with pytest.raises(NotApplicable):
        host_of(object())  # type: ignore[arg-type]


def test_a_model_without_an_autoencoder_has_no_map_of_distortion(tmp_path: Path) -> None:
    toolkit = build_toolkit(write_model(tmp_path), device="cpu")
    with pytest.raises(NotApplicable, match="fit --method segmentation_distortion"):
        distortion_map(toolkit)
