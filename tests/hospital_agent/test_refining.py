"""`hospital-agent refine`: from a model and a site's images to a proposed version, and every refusal as a sentence."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood.mask_autoencoder import PseudoDice
from hospital_agent.analysis.quality.label_fences import FenceSet, MaskFences
from hospital_agent.analysis.quality.tukey import Fences
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoderShape
from hospital_agent.analysis.segmentation.mask_grid import MaskGrid
from hospital_agent.fitting_inputs import Input
from hospital_agent.mask_autoencoder_files import load_fences, save_mask_autoencoder
from hospital_agent.model_folder import LoadedModel, load_model, save_model
from hospital_agent.refining import references_of, trainable, without
from hospital_agent.refining_card import MASKS_SEEN, card
from hospital_agent.training.mask_autoencoder import MaskTraining, train_mask_autoencoder
from hospital_agent.training.refinement import Refined, RefinementPlan
from tests.anatomy import GRID, SPACING, case, heart, heart_autoencoder, heart_network, hearts
from tests.series_files import write_nifti


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model/, autoencoder/, images/ (three of six with an artefact), annotated/, masks/, coded/ (other labels)."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("site")
    for part in ("images", "annotated", "masks", "coded", "nothing"):
        (folder / part).mkdir()
    for i in range(6):
        shown = case(50 + i, artefact=i < 3).volume.array
        write_nifti(folder / "images" / f"u{i}.nii.gz", shown, SPACING)
    for i in range(5):
        write_nifti(folder / "annotated" / f"a{i}.nii.gz", case(70 + i).volume.array, SPACING)
        write_nifti(folder / "masks" / f"a{i}.nii.gz", heart(70 + i), SPACING)
        write_nifti(folder / "coded" / f"a{i}.nii.gz", heart(70 + i) * 80, SPACING)
    autoencoder = heart_autoencoder()
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


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger steps than a real network would bear, so that a small one heals in a few."""
    faster = partial(RefinementPlan, steps_a_case=20, learning_rate=3e-3)
    monkeypatch.setattr("hospital_agent.training.refinement.RefinementPlan", faster)


@pytest.mark.usefixtures("quick")
def test_from_a_site_to_a_proposed_version(run: Any, site: Path, tmp_path: Path) -> None:
    out = tmp_path / "proposed"
    before = {path.name: path.read_bytes() for path in (site / "model").iterdir()}
    done = run(*arguments(site, out, epochs=2))
    assert done.code == 0, done.err
    told = done.json
    assert told["proposed"] is True
    assert told["flagged_before"] >= 3
    assert told["flagged_after"] < told["flagged_before"], "something was healed"
    rows = {(row["cases"], row["measure"]): row for row in told["table"]}
    assert rows["flagged", "pdc"]["after"] > rows["flagged", "pdc"]["before"]
    assert rows["flagged", "pdc"]["count"] == told["flagged_before"]
    assert told["refined_from"]["hash"] == load_model(site / "model", with_network=False).hash
    assert set(rows) == {
        ("annotated", "dice"), ("annotated", "hausdorff_mm"),
        ("flagged", "pdc"), ("flagged", "phd_mm"), ("unflagged", "pdc"), ("unflagged", "phd_mm"),
    }  # fmt: skip
    assert json.loads((out / "refinement.json").read_text())["table"] == told["table"]
    card = (out / "MODEL_CARD.md").read_text()
    assert "Proposed" in card
    assert (told["held_out_patients"], told["mask_autoencoder"]) == (2, "model")
    assert "2 annotated patients\n  are held out; a quality model is fitted to the Dice of these alone" in card
    assert "reference holds no flagged case" in card
    assert "no quality model" in card, "two good masks teach nobody what a failed one is"
    assert f"{told['table'][0]['after']:.3f}" in card
    assert set(told["fences"]["deciding"]["groups"]) == {"mean"}
    assert f"| label 2 | {told['fences']['by_label']['groups']['2']['low_pdc']:.3f} |" in card
    assert f"| mean over labels | {told['fences']['deciding']['groups']['mean']['low_pdc']:.3f} |" in card
    limits = load_fences(out)
    assert limits is not None
    assert limits.to_json() == told["fences"], "they stay with the mask autoencoder"
    assert {path.name: path.read_bytes() for path in (site / "model").iterdir()} == before

    refined = load_model(out, device="cpu")
    assert refined.version == told["version"] != "1.0"
    assert refined.modality == "MR"
    assert {"mask_autoencoder_pdc", "mask_autoencoder_phd", "mahalanobis"} <= set(refined.ood)
    done = run("analyse", site / "images" / "u0.nii.gz", "--model", out, "--device", "cpu")
    assert done.code == 0, done.err
    sick = run("analyse", site / "images" / "u0.nii.gz", "--model", site / "model", "--device", "cpu").json
    was = sick["features"]
    assert 0.5 * was["lesion_volume_ml"] < done.json["features"]["lesion_volume_ml"] < was["lesion_volume_ml"], (
        "only the artefact is gone"
    )
    assert done.json["ood"]["mask_autoencoder_pdc"] is not None
    assert done.json["failures"] == []
    assert done.json["mask_autoencoder"]["fences"] == told["fences"]
    assert sick["mask_autoencoder"]["labels"]["1"]["phd_mm"] > done.json["mask_autoencoder"]["labels"]["1"]["phd_mm"]
    assert (sick["mask_autoencoder"]["beyond"], sick["mask_autoencoder"]["unjudged"]) == ({}, ["mean"])

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
    done = run(*arguments(site, tmp_path / "a", images=plain, fences="target", **{"fences-by": "label"}))
    assert (done.code, "nothing is refined" in done.err) == (1, True)
    done = run(*arguments(site, tmp_path / "b", **{"annotated-masks": site / "nothing"}))
    assert (done.code, "needs annotated cases" in done.err) == (1, True), done.err
    done = run(*arguments(site, tmp_path / "c", images=site / "annotated"))
    assert (done.code, "There is no image to refine on" in done.err) == (1, True), done.err
    done = run(*arguments(site, tmp_path / "d", **{"annotated-masks": site / "coded"}))
    assert (done.code, "holds label 240, and the model knows 3 labels" in done.err) == (1, True), done.err
    assert not any((tmp_path / name).exists() for name in "abcd")


def test_scores_and_quality_model_are_fitted_to_what_may_teach_them() -> None:
    """Flagged images leave the reference, and masks that corrected the network leave the quality model."""
    known = [Input(Path(f"a{i}"), f"a{i}", f"a{i}", Path(f"m{i}")) for i in range(4)]
    found = [Input(Path(f"u{i}"), f"u{i}", f"u{i}", None) for i in range(4)]
    result = Refined(nn.Identity(), (), 1, ("u0", "u1"), ("u1", "u3"), ("a1", "a3"), ())
    assert [one.reference for one in references_of(known, result.held_out)] == [None, Path("m1"), None, Path("m3")]
    assert [one.patient for one in references_of(known, result.held_out)] == ["a0", "a1", "a2", "a3"]
    assert [one.name for one in without(found, result)] == ["u2"]


def test_the_card_says_which_masks_the_autoencoder_has_seen() -> None:
    told = {
        "refined_from": {"name": "hearts", "version": "1", "hash": "h"},
        "epochs": 1, "flagged_before": 1, "flagged_after": 0, "held_out_patients": 2, "table": [],
        "fences": MaskFences(FenceSet.of_mean(Fences(0.5, 20.0, 4, "target")), None).to_json(),
    }  # fmt: skip
    said = {made: " ".join(card("hearts", "2", {**told, "mask_autoencoder": made}, []).split()) for made in MASKS_SEEN}
    assert "was trained on all annotated masks" in said["annotated"]
    assert "those of the held-out patients too" in said["annotated"]
    assert "not known here" in said["given"]
    assert "that of the model before" in said["model"]
    assert "| mean over labels | 0.500 | 20.000 | 4 of the site, not annotated |" in said["model"]


def test_a_model_from_elsewhere_is_refined_elsewhere() -> None:
    foreign = LoadedModel("x", "1", "h", None, {}, {}, None, backend="torchscript")
    with pytest.raises(NotApplicable, match="torchscript is refined where it was trained"):
        trainable(foreign)
