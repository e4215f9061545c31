"""`hospital-agent fit`: a model from elsewhere and images in, a model folder for `analyse` and the agent out."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hospital_agent.allow_list import NOBODY, AllowList, ModelFiles
from hospital_agent.analysis.errors import ModelMismatch, TooFewCases
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.uncertainty import uncertainty_scores
from hospital_agent.errors import ModelNotAllowed
from hospital_agent.fitting import Kept, Seen, fit
from hospital_agent.fitting_inputs import find_inputs
from hospital_agent.model_folder import load_model
from hospital_agent.toolkit import build_toolkit
from shared.quantities import Direction
from tests.fitted_model import chest, digest_of, write_cases
from tests.patches import layer_of, segmentation_of
from tests.series_files import write_nifti, write_series
from tests.torchscript_model import write_torchscript

pytestmark = pytest.mark.timeout(600)
PATIENTS = 8


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cases(tmp_path_factory.mktemp("cases"), PATIENTS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_torchscript(tmp_path_factory.mktemp("foreign"))


def test_from_images_to_a_folder_that_analyses(run: Any, cases: Path, model: Path, tmp_path: Path) -> None:
    digest, out = digest_of(model), tmp_path / "fitted"
    given = ("fit", "--model", model, "--images", cases / "images", "--references", cases / "references", "--out", out)
    done = run(*given, "--device", "cpu", "--allow", digest)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["images"] == told["patients"] == PATIENTS
    assert {"mahalanobis", "spectral_signature", "intensity_histogram"} <= set(told["ood"])
    one_pass = set(uncertainty_scores.load("hospital_agent.analysis.uncertainty").names())
    defined = one_pass & set(told["scaled"])
    assert {"max_softmax", "mean_entropy", "soft_dice_confidence"} <= defined
    assert set(told["scaled"]) == set(told["ood"]) | defined
    assert told["quality"] == "fused_quality"
    assert f"{PATIENTS} of {PATIENTS} images have a reference" in done.err
    missing = set(ood_scores.load("hospital_agent.analysis.ood").names()) - set(told["ood"])
    assert all(f"The score {name} was left out:" in done.err for name in missing)

    card = (out / "MODEL_CARD.md").read_text()
    assert digest in card
    assert all(name in card for name in (*told["ood"], *missing))

    refused = run("analyse", cases / "images" / "case_0_0000.nii.gz", "--model", out, "--device", "cpu")
    assert (refused.code, refused.out) == (1, "")
    assert digest in refused.err
    assert "--allow" in refused.err

    image = cases / "images" / "case_1_0000.nii.gz"
    done = run(
        "analyse", image, "--model", out, "--device", "cpu", "--allow", digest, "--mask-out", tmp_path / "m.nii.gz"
    )
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["segmentation"]["backend"] == "torchscript"
    assert result["segmentation"]["model_hash"] == load_model(out, with_network=False).hash
    assert result["failures"] == []
    for name in told["ood"]:
        assert result["ood"][name] is not None
    assert 0 <= result["quality"]["predicted_dice"] <= 1
    values, _ = chest(1)
    assert result["segmentation"]["volume_ml"] == pytest.approx((values > 300).sum() * 4.5 / 1000, rel=0.1)


def test_the_scale_comes_from_patients_whom_the_fit_had_not_seen() -> None:
    """On paper: nearest-neighbour-like scores of training cases are 0 or small; the scale must not be."""
    rng = np.random.default_rng(0)
    seen = []
    for i in range(6):
        shown = segmentation_of(np.zeros((8, 8, 8), np.float32), rng.normal(i, 1.0, (1, 12)))
        seen.append(Seen(f"c{i}", f"p{i}", shown, {"max_softmax": float(i)}, None, empty=False))
    fitted = fit(seen, {}, version="1", say=lambda _: None)
    own = [fitted.ood["mahalanobis"].compute(case.shown) for case in seen]
    scale = fitted.ranges["mahalanobis"]
    assert scale.median > np.median([value for value in own if value is not None])
    by_hand = []
    kind = ood_scores.get("mahalanobis")
    for i, case in enumerate(seen):
        others = [other for j, other in enumerate(seen) if j != i]
        score = kind.fit_cases([kind.observe(o.shown) for o in others], [o.patient for o in others])  # type: ignore[misc]
        by_hand.append(score.compute(case.shown))
    assert scale.low == pytest.approx(min(by_hand))
    assert scale.high == pytest.approx(max(by_hand))
    assert scale.median == pytest.approx(float(np.median(by_hand)))
    confidence = fitted.ranges["max_softmax"]
    assert (confidence.low, confidence.median, confidence.high) == (0.0, 2.5, 5.0)
    assert fitted.quality is None
    assert any("no quality model" in sentence for sentence in fitted.left_out)


def test_two_images_of_a_patient_stay_together() -> None:
    rng = np.random.default_rng(1)
    seen = []
    for patient in ("a", "b", "c"):
        rows = rng.normal(size=(1, 6)) * 10
        for copy in range(2):  # the second image of a patient is almost the first
            shown = segmentation_of(np.zeros((8, 8, 8), np.float32), rows + rng.normal(0, 1e-3, rows.shape))
            seen.append(Seen(f"{patient}{copy}", patient, shown, {}, None, empty=False))
    fitted = fit(seen, {}, version="1", say=lambda _: None)
    kind, values = ood_scores.get("mahalanobis"), []
    for patient in ("a", "b", "c"):
        others = [case for case in seen if case.patient != patient]
        score = kind.fit_cases([kind.observe(o.shown) for o in others], [o.patient for o in others])  # type: ignore[misc]
        values += [score.compute(case.shown) for case in seen if case.patient == patient]
    scale = fitted.ranges["mahalanobis"]
    assert (scale.low, scale.high) == (pytest.approx(min(values)), pytest.approx(max(values)))


def test_what_is_kept_stays_and_a_quality_model_looks_at_nothing_else() -> None:
    """The kept score has a scale of its own; of the others only those that are asked for are fitted."""
    rng, seen = np.random.default_rng(5), []
    for i in range(12):
        shown = segmentation_of(np.zeros((8, 8, 8), np.float32), rng.normal(i, 1.0, (1, 12)))
        layers = {"bottleneck": layer_of(rng.normal(size=(30, 5)), np.arange(30) % 2)}
        case = Seen(f"c{i}", f"p{i}", replace(shown, layers=layers), {"max_softmax": float(i)}, i / 12, empty=False)
        seen.append(case)
    names = ("max_softmax", "mahalanobis_log10", "pooled_mahalanobis_log10", "knn_log10")
    directions: dict[str, Direction] = dict.fromkeys(names, "higher_is_worse")
    everything = fit(seen, directions, version="1", say=lambda _: None)
    assert {"mahalanobis", "pooled_mahalanobis", "knn"} < set(everything.ood)
    kind, range_ = ood_scores.get("mahalanobis"), ValidationRange(1.0, 2.0, 3.0)
    other = kind.fit_cases([rng.normal(size=(20, 12))], ["q"])  # type: ignore[misc]
    kept = Kept({"mahalanobis": other}, {"mahalanobis": range_, "max_softmax": range_})
    fitted = fit(seen, directions, version="1", say=lambda _: None, only={"mahalanobis", "knn"}, kept=kept)
    assert set(fitted.ood) == {"mahalanobis", "knn"}
    assert fitted.ood["mahalanobis"] is other
    assert fitted.ranges["mahalanobis"] == fitted.ranges["max_softmax"] == range_
    assert fitted.ranges["knn"] == everything.ranges["knn"]
    assert everything.quality is not None
    assert fitted.quality is not None
    assert "pooled_mahalanobis_log10" in everything.quality.inputs
    assert set(fitted.quality.inputs) == {"max_softmax", "mahalanobis_log10", "knn_log10"}


@pytest.mark.parametrize("count", [0, 1])
def test_one_patient_is_too_few(count: int) -> None:
    shown = segmentation_of(np.zeros((8, 8, 8), np.float32), np.ones((1, 4)))
    with pytest.raises(TooFewCases, match="two patients"):
        fit([Seen("a", "p", shown, {}, None, empty=False)] * 2 * count, {}, version="1", say=lambda _: None)


def test_a_model_without_features_has_confidences_alone(run: Any, cases: Path, tmp_path: Path) -> None:
    mute = write_torchscript(tmp_path / "mute", features=False)
    out = tmp_path / "out"
    done = run("fit", "--model", mute, "--images", cases / "images", "--out", out, "--allow", digest_of(mute))
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["ood"] == ["intensity_histogram"]
    assert told["quality"] is None
    loaded = load_model(out, with_network=False)
    assert loaded.quality is None
    assert not (out / "quality.json").exists()
    toolkit = build_toolkit(out, with_network=False)
    assert "predicted_dice" not in {quantity.name for quantity in toolkit.monitored}
    done = run("analyse", cases / "images" / "case_2_0000.nii.gz", "--model", out, "--allow", digest_of(mute))
    assert done.code == 0, done.err
    assert json.loads(done.out)["quality"] is None


def test_several_models_are_an_ensemble_and_can_be_carried_along(
    run: Any, cases: Path, model: Path, tmp_path: Path
) -> None:
    other = write_torchscript(tmp_path / "other", seed=1)
    out, allow = tmp_path / "out", ["--allow", digest_of(model), "--allow", digest_of(other)]
    few = tmp_path / "few"
    few.mkdir()
    for seed in range(3):
        write_nifti(few / f"p{seed}__scan.nii.gz", chest(seed)[0])
    done = run("fit", "--model", model, "--model", other, "--images", few, "--out", out, "--copy", *allow)
    assert done.code == 0, done.err
    (tmp_path / "other" / "model.ts").unlink()  # the folder holds all that it needs
    moved = out.rename(tmp_path / "moved")
    done = run("analyse", few / "p0__scan.nii.gz", "--model", moved, *allow)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["segmentation"]["backend"] == "ensemble"
    assert result["segmentation"]["passes"] == 2


@pytest.fixture(scope="module")
def fitted(cases: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hospital_agent.fitted_folder import fit_folder

    out = tmp_path_factory.mktemp("fit") / "fitted"
    images = tmp_path_factory.mktemp("two")
    for seed in range(3):
        write_nifti(images / f"case_{seed}.nii.gz", chest(seed)[0])
    fit_folder(
        [model], images, None, out, allowed=AllowList.of([digest_of(model)]), device="cpu", orientation=None,
        mirroring=False, copy=True, name=None, say=lambda _: None,
    )  # fmt: skip
    return out


class TestRefusals:
    def test_an_altered_byte_is_refused_even_if_allowed(self, fitted: Path) -> None:
        program = fitted / "external" / "model.ts"
        whole = program.read_bytes()
        try:
            program.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            altered = ModelFiles.read(fitted / "external", ["model.ts", "model.json"]).digest
            with pytest.raises(ModelMismatch, match=altered):
                load_model(fitted, device="cpu", allowed=AllowList.of([altered]))
        finally:
            program.write_bytes(whole)

    def test_without_permission_nothing_is_loaded_and_the_hash_is_told(self, fitted: Path, model: Path) -> None:
        with pytest.raises(ModelNotAllowed, match=digest_of(model)):
            load_model(fitted, device="cpu", allowed=NOBODY)

    def test_a_swapped_description_needs_a_new_permission(self, fitted: Path, model: Path) -> None:
        """Whoever can write the folder can swap manifest and files together; the allow-list is the site's own."""
        manifest = json.loads((fitted / "manifest.json").read_text())
        description = fitted / "external" / "model.json"
        before = description.read_text()
        try:
            description.write_text(before.replace('"classes": 2', '"classes":  2'))
            manifest["external"]["sha256"] = ModelFiles.read(fitted / "external", ["model.ts", "model.json"]).digest
            (fitted / "other.json").write_text(json.dumps(manifest))
            kept = (fitted / "manifest.json").read_text()
            (fitted / "manifest.json").write_text(json.dumps(manifest))
            with pytest.raises(ModelNotAllowed):
                load_model(fitted, device="cpu", allowed=AllowList.of([digest_of(model)]))
        finally:
            description.write_text(before)
            (fitted / "manifest.json").write_text(kept)

    def test_a_missing_file_is_named(self, fitted: Path, tmp_path: Path) -> None:
        (fitted / "external" / "model.json").rename(tmp_path / "kept")
        try:
            with pytest.raises(ModelMismatch, match=r"model\.json"):
                load_model(fitted, device="cpu", allowed=NOBODY)
        finally:
            (tmp_path / "kept").rename(fitted / "external" / "model.json")

    def test_scoring_supplied_masks_needs_no_permission(self, fitted: Path) -> None:
        assert build_toolkit(fitted, with_network=False).segmenter is None

    def test_a_folder_is_not_written_twice(self, run: Any, fitted: Path, cases: Path, model: Path) -> None:
        done = run("fit", "--model", model, "--images", cases / "images", "--out", fitted, "--allow", digest_of(model))
        assert done.code == 1
        assert "already" in done.err

    def test_one_image_is_a_named_error(self, run: Any, model: Path, tmp_path: Path) -> None:
        (tmp_path / "one").mkdir()
        write_nifti(tmp_path / "one" / "a.nii.gz", chest(0)[0])
        done = run(
            "fit", "--model", model, "--images", tmp_path / "one", "--out", tmp_path / "o", "--allow", digest_of(model)
        )
        assert (done.code, done.out) == (1, "")
        assert "two patients" in done.err
        assert not (tmp_path / "o").exists()

    @pytest.mark.parametrize("allow", ["abc", "*"])
    def test_what_is_no_hash_is_wrong_usage(
        self, run: Any, model: Path, cases: Path, tmp_path: Path, allow: str
    ) -> None:
        done = run("fit", "--model", model, "--images", cases, "--out", tmp_path / "o", "--allow", allow)
        assert done.code == 2
        assert "SHA-256" in done.err

    def test_a_path_that_is_no_model_is_refused(self, run: Any, cases: Path, tmp_path: Path) -> None:
        done = run("fit", "--model", cases, "--images", cases / "images", "--out", tmp_path / "o")
        assert done.code == 1
        assert "nnU-Net" in done.err
        alone = tmp_path / "x.ts"
        alone.write_bytes(b"")
        assert "x.json" in run("fit", "--model", alone, "--images", cases / "images", "--out", tmp_path / "o").err


class TestInputs:
    def test_names_patients_and_references(self, tmp_path: Path) -> None:
        images, references = tmp_path / "i", tmp_path / "r"
        images.mkdir()
        references.mkdir()
        values, reference = chest(0)
        for name in ("a__1.nii.gz", "a__2.nii", "b_0000.nii.gz", "c.nii.gz"):
            write_nifti(images / name, values)
        write_series(images / "series", values, patient="PAT")
        (images / "notes.txt").write_text("")
        (images / ".hidden").mkdir()
        for name in ("a__1.nii.gz", "b.nii.gz", "series.nii.gz"):
            write_nifti(references / name, reference)
        found = {one.name: one for one in find_inputs(images, references)}
        assert set(found) == {"a__1", "a__2", "b_0000", "c", "series"}
        assert [found[name].patient for name in ("a__1", "a__2", "b_0000", "c", "series")] == [
            "a",
            "a",
            "b_0000",
            "c",
            "PAT",
        ]
        assert {name for name, one in found.items() if one.reference} == {"a__1", "b_0000", "series"}
        assert all(one.reference is None for one in find_inputs(images, None))

    def test_an_empty_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(TooFewCases):
            find_inputs(tmp_path, None)

    def test_what_cannot_be_read_is_said_and_left_out(self, run: Any, model: Path, tmp_path: Path) -> None:
        for seed in range(3):
            write_nifti(tmp_path / f"p{seed}.nii.gz", chest(seed)[0])
        (tmp_path / "p9.nii.gz").write_bytes(b"no image")
        done = run(
            "fit",
            "--model",
            model,
            "--images",
            tmp_path,
            "--out",
            tmp_path / "o",
            "--orientation",
            "LPS",
            "--allow",
            digest_of(model),
        )
        assert done.code == 0, done.err
        assert "p9 was left out" in done.err
        assert json.loads(done.out)["images"] == 3


def test_layers_reach_the_scores_that_look_at_them() -> None:
    """With layers of two classes, class-wise scores say why they do not apply; spectra are fitted."""
    rng = np.random.default_rng(2)
    seen = []
    for i in range(5):
        shown = replace(
            segmentation_of(np.zeros((8, 8, 8), np.float32), rng.normal(size=(1, 4))),
            layers={
                "bottleneck": layer_of(rng.normal(size=(30, 5)), np.arange(30) % 2),
                "last": layer_of(rng.normal(size=(60, 4)), np.arange(60) % 2),
            },
        )
        seen.append(Seen(f"c{i}", f"p{i}", shown, {}, None, empty=False))
    directions: dict[str, Direction] = {}
    fitted = fit(seen, directions, version="1", say=lambda _: None)
    assert {"spectral_signature", "pooled_mahalanobis", "knn"} <= set(fitted.ood)
    assert any("deep_knn" in sentence and "two foreground classes" in sentence for sentence in fitted.left_out)
