"""Masks of another product under the mask autoencoder of a model folder: each label judged, or a named reason."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.imaging.slices import slices_of
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood.mask_autoencoder import PseudoDice, PseudoHausdorff
from hospital_agent.analysis.quality.label_fences import Grouping, MaskFences, mask_fences
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder, MaskAutoencoderShape, MaskNetwork
from hospital_agent.analysis.segmentation.mask_grid import MaskGrid
from hospital_agent.analysis.segmentation.selected import case_measures
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.mask_autoencoder_files import DESCRIPTION, load_fences, save_mask_autoencoder
from hospital_agent.mask_labels import NotApplied, labels_told, supplied
from hospital_agent.model_folder import save_model
from hospital_agent.toolkit import supplied_segmentation
from tests.anatomy import GRID, SPACING, case, heart, heart_autoencoder
from tests.series_files import write_nifti

VOLUME = case(60).volume
Labels = NDArray[np.uint8]


def heart_fences(by: Grouping = "mean") -> MaskFences:
    """Of hearts as people would draw them."""
    cases = []
    for seed in range(30, 42):
        drawn = replace(supplied_segmentation(heart(seed) > 0), labels=heart(seed))
        attached = heart_autoencoder().attached(drawn, SPACING)
        cases.append(case_measures(attached, 3, slices_of(VOLUME)))
    return mask_fences(cases, by)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of hearts with fences for each label; its network knows nothing, and nobody asks it."""
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("model")
    save_model(
        place,
        name="hearts",
        version="1.0",
        network=UNet(UNetShape(channels=(2, 2), classes=4, depth_kernel=1, depth_stride=1)),
        grid=GRID,
        ood={"mask_autoencoder_pdc": PseudoDice(3), "mask_autoencoder_phd": PseudoHausdorff(3)},
        validation={"mask_autoencoder_pdc": ValidationRange(0.01, 0.05, 0.1)},
        quality_kind=None,
        quality=None,
        made_from={},
        modality="MR",
        mask_autoencoder=heart_autoencoder(),
        mask_fences=heart_fences(),
    )
    return place


def told_of(labels: Labels, folder: Path | None) -> tuple[dict[str, Any] | None, list[str]]:
    found, refused = supplied(labels, VOLUME, folder)
    return labels_told(found, VOLUME, folder, refused)


def test_a_plain_heart_lies_within_the_fences_of_all_labels(folder: Path) -> None:
    told, said = told_of(heart(60), folder)
    assert told is not None
    assert set(told["labels"]) == {"1", "2", "3"}
    assert all(one["pdc"] > 0.8 for one in told["labels"].values())
    assert (told["beyond"], told["unjudged"], said) == ({}, [], [])
    assert all(one["beyond"] == [] for one in told["labels"].values())
    assert told["fences"]["deciding"]["by"] == "mean"


def test_the_label_that_is_wrong_is_named_and_no_other(folder: Path) -> None:
    """An island of the crescent's label in a corner: the mask is unusual, and two of its labels are as they were."""
    labels = heart(60)
    labels[:, 36:39, 36:39] = 3
    told, said = told_of(labels, folder)
    assert told is not None
    assert "phd_mm" in told["beyond"]["mean"]
    assert {label for label, one in told["labels"].items() if one["beyond"]} == {"3"}
    assert told["labels"]["3"]["phd_mm"] > 20
    assert [sentence.split(" agrees worse")[0] for sentence in said] == ["The mask", "Label 3"]
    limit = told["fences"]["by_label"]["groups"]["3"]["high_phd_mm"]
    assert f"{told['labels']['3']['phd_mm']:.3g} mm (fence {limit:.3g} mm)" in said[1]


@pytest.mark.parametrize(
    ("value", "reason", "word"),
    [(7, "unknown_label", "holds label 7"), (255, "unknown_label", "255"), (1, "one_label_of_several", "all of them")],
)
def test_a_mask_with_other_labels_is_not_reconstructed_and_the_reason_is_named(
    folder: Path, value: int, reason: str, word: str
) -> None:
    found, refused = supplied(((heart(60) > 0) * value).astype(np.uint8), VOLUME, folder)
    assert refused is not None
    assert refused.reason == reason
    assert word in refused.detail
    assert (found.reconstructed, found.labels) == (None, None)
    assert np.array_equal(found.mask, heart(60) > 0), "everything else of the mask stays as it was"
    assert any(refused.detail in sentence for sentence in found.warnings)
    told, said = labels_told(found, VOLUME, folder, refused)
    assert told == {"not_applied": {"reason": reason, "detail": refused.detail}}
    assert said == []


def test_without_pytorch_the_reason_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hospital_agent.mask_labels.find_spec", lambda _: None)
    found, refused = supplied(heart(60), VOLUME, folder)
    assert isinstance(refused, NotApplied)
    assert (refused.reason, found.reconstructed) == ("torch_not_installed", None)
    assert "segwatch[segmentation]" in refused.detail


def test_an_empty_mask_is_undefined_for_every_label(folder: Path) -> None:
    told, said = told_of(np.zeros_like(heart(60)), folder)
    assert told is not None
    assert all(one == {"pdc": None, "phd_mm": None, "beyond": []} for one in told["labels"].values())
    assert (told["beyond"], said) == ({}, [])


def test_a_model_of_one_label_takes_whatever_is_marked(tmp_path: Path) -> None:
    torch.manual_seed(0)
    one = MaskAutoencoder(MaskNetwork(MaskAutoencoderShape(1, MaskGrid(SPACING, (1, 32, 32)), channels=(4,))))
    save_mask_autoencoder(tmp_path, one)
    marked, plain = ((heart(60) > 0) * 255).astype(np.uint8), (heart(60) > 0).astype(np.uint8)
    told, said = told_of(marked, tmp_path)
    assert told == told_of(plain, tmp_path)[0]
    assert told is not None
    assert (set(told["labels"]), told["fences"], told["unjudged"], said) == ({"1"}, None, ["mean"], [])


def test_without_a_mask_autoencoder_nothing_is_told() -> None:
    assert told_of(heart(60), None) == (None, [])


def test_a_mask_of_the_network_with_an_unknown_label_has_its_reason_too(folder: Path) -> None:
    told, _ = labels_told(supplied_segmentation(heart(60) > 0), VOLUME, folder)
    assert told is not None
    assert told["not_applied"]["reason"] == "unknown_label"


def test_analyse_tells_it_and_its_scores(run: Any, folder: Path, tmp_path: Path) -> None:
    image = write_nifti(tmp_path / "image.nii.gz", VOLUME.array, SPACING)
    labels = heart(60)
    labels[:, 36:39, 36:39] = 3
    mask = write_nifti(tmp_path / "mask.nii.gz", labels, SPACING)
    done = run("analyse", image, "--mask", mask, "--model", folder)
    assert done.code == 0, done.err
    told = done.json
    assert set(told["mask_autoencoder"]["beyond"]) == {"mean"}
    assert told["mask_autoencoder"]["labels"]["3"]["beyond"]
    own = [one["phd_mm"] for one in told["mask_autoencoder"]["labels"].values()]
    assert told["ood"]["mask_autoencoder_phd"] == pytest.approx(np.mean(own))
    assert told["ood"]["mask_autoencoder_pdc"] == pytest.approx(1 - told["mask_autoencoder"]["mean"]["pdc"])
    assert any("Label 3" in sentence for sentence in told["warnings"])
    assert (told["failures"], told["segmentation"]["backend"]) == ([], "supplied_mask")
    binary = write_nifti(tmp_path / "binary.nii.gz", (heart(60) > 0).astype(np.uint8), SPACING)
    told = run("analyse", image, "--mask", binary, "--model", folder).json
    assert told["mask_autoencoder"]["not_applied"]["reason"] == "one_label_of_several"
    assert told["ood"]["mask_autoencoder_phd"] is None
    assert told["features"]["component_count"] is not None


def test_fences_of_labels_decide_where_they_are_asked_to(tmp_path: Path) -> None:
    save_mask_autoencoder(tmp_path, heart_autoencoder(), heart_fences("label"))
    labels = heart(60)
    labels[:, 36:39, 36:39] = 3
    told, said = told_of(labels, tmp_path)
    assert told is not None
    assert set(told["beyond"]) == {"3"}
    assert [sentence.split(" agrees worse")[0] for sentence in said] == ["Label 3"]


def test_damaged_fences_are_refused(tmp_path: Path) -> None:
    save_mask_autoencoder(tmp_path, heart_autoencoder(), heart_fences())
    assert load_fences(tmp_path) == heart_fences()
    told = json.loads((tmp_path / DESCRIPTION).read_text())
    (tmp_path / DESCRIPTION).write_text(json.dumps({**told, "fences": {"deciding": {"by": "label"}}}))
    with pytest.raises(ModelMismatch, match="fences"):
        load_fences(tmp_path)
    (tmp_path / DESCRIPTION).write_text("[]")
    with pytest.raises(ModelMismatch, match="damaged"):
        load_fences(tmp_path)
    assert load_fences(tmp_path / "nowhere") is None
