"""`hospital-agent refine`: from a model and a site's images to a proposed version, and every refusal as a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood.mask_autoencoder import PseudoDice
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoderShape
from hospital_agent.analysis.segmentation.mask_grid import MaskGrid
from hospital_agent.mask_autoencoder_files import save_mask_autoencoder
from hospital_agent.model_folder import LoadedModel, load_model, save_model
from hospital_agent.refining import trainable
from hospital_agent.training.mask_autoencoder import MaskTraining, train_mask_autoencoder
from tests.anatomy import GRID, SPACING, case, heart, heart_network, hearts
from tests.series_files import write_nifti


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model/, autoencoder/, images/ (three of eight with an artefact), annotated/ and masks/."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("site")
    for part in ("images", "annotated", "masks", "nothing"):
        (folder / part).mkdir()
    for i in range(8):
        shown = case(50 + i, artefact=i < 3).volume.array
        write_nifti(folder / "images" / f"u{i}.nii.gz", shown, SPACING)
    for i in range(6):
        write_nifti(folder / "annotated" / f"a{i}.nii.gz", case(70 + i).volume.array, SPACING)
        write_nifti(folder / "masks" / f"a{i}.nii.gz", heart(70 + i), SPACING)
    shape = MaskAutoencoderShape(3, MaskGrid(SPACING, (1, 32, 32)), channels=(8, 16, 16), latent=8)
    plan = MaskTraining(steps=160, batch=8, learning_rate=1e-2)
    autoencoder = train_mask_autoencoder(hearts(24), 3, folder / "training", plan, shape)
    save_mask_autoencoder(folder / "autoencoder", autoencoder)
    save_model(
        folder / "model",
        name="hearts",
        version="1.0",
        network=heart_network(),
        grid=GRID,
        ood={"mask_autoencoder_pdc": PseudoDice(3)},
        validation={"mask_autoencoder_pdc": ValidationRange(0.01, 0.05, 0.1)},
        quality_kind=None,
        quality=None,
        made_from={},
        modality="MR",
        mask_autoencoder=autoencoder,
    )
    return folder


def arguments(site: Path, out: Path, **changes: Any) -> list[object]:
    told = {
        "model": site / "model",
        "images": site / "images",
        "annotated-images": site / "annotated",
        "annotated-masks": site / "masks",
        "out": out,
        **changes,
    }
    return ["refine", "--device", "cpu", *(part for name, value in told.items() for part in (f"--{name}", value))]


def test_from_a_site_to_a_proposed_version(run: Any, site: Path, tmp_path: Path) -> None:
    out = tmp_path / "proposed"
    before = {path.name: path.read_bytes() for path in (site / "model").iterdir()}
    done = run(*arguments(site, out))
    assert done.code == 0, done.err
    told = done.json
    assert told["proposed"] is True
    assert told["flagged_before"] >= 3
    assert told["flagged_after"] <= told["flagged_before"]
    assert told["refined_from"]["hash"] == load_model(site / "model", with_network=False).hash
    assert {(row["cases"], row["measure"]) for row in told["table"]} == {
        ("annotated", "dice"), ("annotated", "hausdorff_mm"),
        ("flagged", "pdc"), ("flagged", "phd_mm"), ("unflagged", "pdc"), ("unflagged", "phd_mm"),
    }  # fmt: skip
    assert json.loads((out / "refinement.json").read_text())["table"] == told["table"]
    card = (out / "MODEL_CARD.md").read_text()
    assert "Proposed" in card
    assert f"{told['table'][0]['after']:.3f}" in card
    assert {path.name: path.read_bytes() for path in (site / "model").iterdir()} == before

    refined = load_model(out, device="cpu")
    assert refined.version == told["version"] != "1.0"
    assert refined.modality == "MR"
    assert {"mask_autoencoder_pdc", "mask_autoencoder_phd", "mahalanobis"} <= set(refined.ood)
    done = run("analyse", site / "images" / "u0.nii.gz", "--model", out, "--device", "cpu")
    assert done.code == 0, done.err
    assert done.json["ood"]["mask_autoencoder_pdc"] is not None
    assert done.json["failures"] == []

    again = run(*arguments(site, out))
    assert (again.code, "holds a model folder already" in again.err) == (1, True)


def test_a_mask_autoencoder_from_elsewhere_is_taken_and_one_of_other_labels_refused(
    run: Any, site: Path, tmp_path: Path
) -> None:
    two = train_mask_autoencoder(
        hearts(4), 4, tmp_path / "t", MaskTraining(steps=1, batch=2),
        MaskAutoencoderShape(4, MaskGrid(SPACING, (1, 32, 32)), channels=(4,)),
    )  # fmt: skip
    save_mask_autoencoder(tmp_path / "other", two)
    done = run(*arguments(site, tmp_path / "out", **{"mask-autoencoder": tmp_path / "other"}))
    assert done.code == 1
    assert "knows 4 labels" in done.err
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_refined_is_refused_in_a_sentence(run: Any, site: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for i in range(4):
        write_nifti(plain / f"n{i}.nii.gz", case(90).volume.array, SPACING)  # all alike: none is the odd one out
    done = run(*arguments(site, tmp_path / "a", images=plain, fences="target"))
    assert (done.code, "nothing is refined" in done.err) == (1, True)
    done = run(*arguments(site, tmp_path / "b", **{"annotated-masks": site / "nothing"}))
    assert (done.code, "needs annotated cases" in done.err) == (1, True), done.err
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_a_model_from_elsewhere_is_refined_elsewhere() -> None:
    foreign = LoadedModel("x", "1", "h", None, {}, {}, None, backend="torchscript")
    with pytest.raises(NotApplicable, match="torchscript is refined where it was trained"):
        trainable(foreign)
