"""A real nnU-Net, trained by nnU-Net: the mask is nnU-Net's own, and the features are those of its own tiles."""

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hospital_agent.allow_list import NOBODY, AllowList
from hospital_agent.analysis.errors import (
    MissingLayer,
    ModelMismatch,
    NoDropout,
    NotApplicable,
    RunsCode,
    TileMismatch,
)
from hospital_agent.analysis.imaging.resample import resample_to_shape
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.ood.pooling import pool_patch
from hospital_agent.analysis.ood.tiles import tile_map
from hospital_agent.analysis.segmentation.base import BOTTLENECK, LAST, GradientSegmenter
from tests.nnunet_model import SPACING_MM, TRAINED, phantom, train_in
from tests.series_files import write_nifti

pytestmark = [
    pytest.mark.timeout(600),  # the training counts for the first test; on a busy machine it takes minutes
    # nnU-Net and what it imports warn about each other; nothing of ours does.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
CONFIGURATIONS = tuple(TRAINED)
OTHER_SPACING_MM = (1.8, 1.2, 2.7)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_in(tmp_path_factory.mktemp("nnunet"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def parts(trained: Path, configuration: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    folder = trained / TRAINED[configuration]
    plans, dataset = (json.loads((folder / name).read_text()) for name in ("plans.json", "dataset.json"))
    return plans, dataset, (folder / "fold_0" / "checkpoint_final.pth").read_bytes()


def load(trained: Path, configuration: str, **options: Any) -> Any:
    from hospital_agent.analysis.segmentation.nnunet import NnunetOptions
    from hospital_agent.analysis.segmentation.nnunet_loading import load_nnunet

    plans, dataset, checkpoint = parts(trained, configuration)
    return load_nnunet(
        plans, dataset, checkpoint, NnunetOptions(**options), trusted=False, version="1", model_hash="h", device="cpu"
    )


def nnunets_own(
    trained: Path, configuration: str, image: NDArray[np.float32], spacing: tuple[float, ...], mirroring: bool = False
) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    """Labels and softmax as nnU-Net's predictor gives them for an array as it would read it from a file."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(use_mirroring=mirroring, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(trained / TRAINED[configuration]), use_folds=(0,))
    labels, softmax = predictor.predict_single_npy_array(
        image[None], {"spacing": list(spacing)}, save_or_return_probabilities=True
    )
    return labels, softmax


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
class TestBothConfigurations:
    def test_the_mask_is_nnunets_own(self, trained: Path, configuration: str) -> None:
        for seed, shape in ((100, (26, 30, 12)), (101, (24, 27, 5))):  # the second is smaller than a patch
            image = phantom(seed)[0][tuple(slice(n) for n in shape)]
            found = load(trained, configuration).segment(Volume(image, OTHER_SPACING_MM))
            labels, _ = nnunets_own(trained, configuration, image, OTHER_SPACING_MM)
            assert found.labels is not None
            assert labels.any()
            np.testing.assert_array_equal(found.labels, labels)
            np.testing.assert_array_equal(found.mask, labels > 0)
            assert found.probability.shape != image.shape  # it was resampled, as the mask was on its way back

    def test_the_softmax_is_nnunets_own_where_nothing_is_resampled(self, trained: Path, configuration: str) -> None:
        image, _ = phantom(112)
        found = load(trained, configuration).segment(Volume(image, SPACING_MM))
        _, softmax = nnunets_own(trained, configuration, image, SPACING_MM)
        np.testing.assert_allclose(found.class_probabilities, softmax, atol=1e-5)

    def test_another_orientation_is_nnunets_answer_to_the_file_as_it_lies(
        self, trained: Path, configuration: str
    ) -> None:
        image, _ = phantom(102)
        stored = image[:, ::-1, ::-1]  # as a file stored RAS holds what a volume holds LPS
        found = load(trained, configuration, orientation="RAS").segment(Volume(image, SPACING_MM))
        labels, _ = nnunets_own(trained, configuration, np.ascontiguousarray(stored), SPACING_MM)
        np.testing.assert_array_equal(found.labels, labels[:, ::-1, ::-1])
        upright = load(trained, configuration).segment(Volume(image, SPACING_MM))
        assert (found.labels != upright.labels).any()

    def test_features_are_those_of_the_tiles_where_they_are_said_to_lie(
        self, trained: Path, configuration: str
    ) -> None:
        image, _ = phantom(103)
        segmenter = load(trained, configuration, orientation="RAI")
        found = segmenter.segment(Volume(image, OTHER_SPACING_MM))
        data, _ = segmenter._preprocess(Volume(image, OTHER_SPACING_MM))
        working = segmenter.axes.back(data[0])
        patches = found.patches
        assert working.shape == found.probability.shape
        for row, start in list(zip(patches.features, patches.starts, strict=True))[::5]:
            cut = working[tuple(slice(s, s + n) for s, n in zip(start, patches.tile_shape, strict=True))]
            tile = torch.from_numpy(np.ascontiguousarray(segmenter.axes.there(cut))[None, None])
            with torch.no_grad():
                deep = segmenter.network.encoder(tile[:, :, 0] if configuration == "2d" else tile)[-1]
            np.testing.assert_allclose(row, pool_patch(deep[0].numpy()), rtol=1e-3, atol=1e-4)

    def test_a_tile_weighs_what_nnunet_lets_it_weigh(self, trained: Path, configuration: str) -> None:
        """Blending the tiles' own logits with the importance that comes back gives nnU-Net's blended softmax."""
        segmenter = load(trained, configuration, orientation="LAS")
        found = segmenter.segment(Volume(phantom(104)[0], SPACING_MM))
        data, _ = segmenter._preprocess(Volume(phantom(104)[0], SPACING_MM))
        working, patches = segmenter.axes.back(data[0]), found.patches
        weighted, summed = np.zeros((3, *working.shape)), np.zeros(working.shape)
        for start in patches.starts:
            box = tuple(slice(s, s + n) for s, n in zip(start, patches.tile_shape, strict=True))
            tile = torch.from_numpy(np.ascontiguousarray(segmenter.axes.there(working[box]))[None, None])
            with torch.no_grad():
                logits = (
                    segmenter.network(tile[:, :, 0])[:, :, None] if configuration == "2d" else segmenter.network(tile)
                )
            weighted[(slice(None), *box)] += segmenter.axes.back(logits[0].numpy()) * patches.importance
            summed[box] += patches.importance
        blended = torch.softmax(torch.from_numpy(weighted / summed), dim=0).numpy()
        apart = np.abs(found.class_probabilities - blended)
        assert np.quantile(apart, 0.99) < 0.01  # nnU-Net blends in half precision, which shows where weights are tiny

    def test_what_it_keeps_fits_together(self, trained: Path, configuration: str) -> None:
        found = load(trained, configuration).segment(Volume(phantom(105)[0], OTHER_SPACING_MM))
        assert found.backend == "nnunet"
        assert found.passes == 1
        np.testing.assert_allclose(found.class_probabilities.sum(axis=0), 1.0, atol=1e-3)
        np.testing.assert_allclose(found.probability, 1 - found.class_probabilities[0])
        assert list(found.layers) == ["encoder_1", "encoder_2", BOTTLENECK, LAST]
        last = found.layers[LAST]
        assert last.class_counts.sum() == last.position_count
        assert last.gram.shape == (4, 4)
        assert found.intensities.sum() == pytest.approx(1.0)
        everywhere = tile_map(found.patches, np.ones(len(found.patches.features)), found.probability.shape)
        np.testing.assert_allclose(everywhere, 1.0, rtol=1e-5)

    def test_the_image_can_be_moved_towards_confidence(self, trained: Path, configuration: str) -> None:
        segmenter = load(trained, configuration)
        assert isinstance(segmenter, GradientSegmenter)
        volume = Volume(phantom(106)[0], SPACING_MM)
        plain, still, moved = segmenter.segment(volume), *(segmenter.perturb(volume, 1.0, e) for e in (0.0, 0.01))
        np.testing.assert_array_equal(still.class_probabilities, plain.class_probabilities)
        surer = np.log(np.maximum(moved.class_probabilities.max(axis=0), 1e-9)).mean()
        assert surer > np.log(np.maximum(plain.class_probabilities.max(axis=0), 1e-9)).mean()
        assert moved.passes == 2

    def test_without_dropout_it_says_so(self, trained: Path, configuration: str) -> None:
        with pytest.raises(NoDropout):
            next(load(trained, configuration).sample(Volume(phantom(107)[0], SPACING_MM), 2, 0))


def test_nothing_goes_to_standard_output(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(trained, "3d_fullres").segment(Volume(phantom(108)[0], SPACING_MM))
    assert capfd.readouterr().out == ""


def test_mirroring_changes_the_mask_as_nnunet_does_and_never_the_features(trained: Path) -> None:
    image, _ = phantom(109)
    mirrored = load(trained, "3d_fullres", mirroring=True).segment(Volume(image, OTHER_SPACING_MM))
    plain = load(trained, "3d_fullres").segment(Volume(image, OTHER_SPACING_MM))
    labels, _ = nnunets_own(trained, "3d_fullres", image, OTHER_SPACING_MM, mirroring=True)
    np.testing.assert_array_equal(mirrored.labels, labels)
    np.testing.assert_array_equal(mirrored.patches.features, plain.patches.features)
    assert mirrored.passes == 8


def test_what_nnunet_crops_away_comes_back_as_background(trained: Path) -> None:
    """nnU-Net crops a border of zeros; the mask must be its own, and the working grid must still cover the volume."""
    image, _ = phantom(110)
    framed = np.zeros(tuple(n + 9 for n in image.shape), dtype=np.float32)
    framed[6:-3, 4:-5, 2:-7] = image
    found = load(trained, "3d_fullres").segment(Volume(framed, OTHER_SPACING_MM))
    labels, _ = nnunets_own(trained, "3d_fullres", framed, OTHER_SPACING_MM)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_allclose(found.working_spacing_mm, (1.5, 1.0, 3.0), rtol=0.05)
    assert found.probability[:5].max() == 0.0
    assert found.class_probabilities[0, :5].min() == 1.0
    there_again = resample_to_shape(found.probability, framed.shape) >= 0.5
    assert (there_again == found.mask).mean() > 0.97
    assert found.patches.starts.min(axis=0)[0] >= 6


def test_other_layers_can_be_named(trained: Path) -> None:
    names = {BOTTLENECK: "encoder.stages.1", LAST: "decoder.stages.0"}
    found = load(trained, "3d_fullres", layers=names).segment(Volume(phantom(111)[0], SPACING_MM))
    assert found.layers[BOTTLENECK].mean.shape == (6,)
    with pytest.raises(MissingLayer):
        load(trained, "3d_fullres", layers={BOTTLENECK: "encoder.stages.9", LAST: "decoder.stages.0"})
    with pytest.raises(MissingLayer):
        load(trained, "3d_fullres", layers={"deep": "encoder.stages.1"})


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
class TestDistortion:
    """The second answer, with an autoencoder at the bottleneck."""

    @staticmethod
    def autoencoder(segmenter: Any, kind: Any = None) -> Any:
        from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder, AutoencoderShape

        empty = torch.zeros((1, 1, *segmenter.tile[1:])) if segmenter.flat else torch.zeros((1, 1, *segmenter.tile))
        with torch.no_grad():
            bottleneck = segmenter.network.encoder(empty)[-1]
        torch.manual_seed(1)
        return (kind or ActivationAutoencoder)(AutoencoderShape.chosen(tuple(bottleneck.shape[1:]), segmenter.tile))

    def test_one_that_changes_nothing_distorts_nothing(self, trained: Path, configuration: str) -> None:
        segmenter = load(trained, configuration)
        segmenter.attach(self.autoencoder(segmenter, identity()))
        for shape in ((26, 30, 12), (24, 27, 5)):  # the second is smaller than a patch
            image = phantom(120)[0][tuple(slice(n) for n in shape)]
            found = segmenter.segment(Volume(image, OTHER_SPACING_MM))
            assert found.distortion.squares.shape == found.class_probabilities.shape
            assert found.distortion.squares.max() == 0.0
            assert len(found.distortion.latents) == len(found.patches.starts)

    def test_everything_else_stays_as_it_was(self, trained: Path, configuration: str) -> None:
        segmenter, volume = load(trained, configuration), Volume(phantom(121)[0], OTHER_SPACING_MM)
        plain = segmenter.segment(volume)
        segmenter.attach(self.autoencoder(segmenter))
        found = segmenter.segment(volume)
        assert plain.distortion is None
        np.testing.assert_array_equal(found.labels, plain.labels)
        np.testing.assert_array_equal(found.class_probabilities, plain.class_probabilities)
        np.testing.assert_array_equal(found.patches.features, plain.patches.features)
        for name, layer in plain.layers.items():
            np.testing.assert_array_equal(found.layers[name].gram, layer.gram)
        assert found.passes == 1
        assert segmenter.perturb(volume, 1.0, 0.01).distortion is None
        segmenter.attach(None)
        assert segmenter.segment(volume).distortion is None
        assert not segmenter.network.encoder._forward_hooks, "nobody listens any more"

    def test_the_second_answer_is_nnunets_own_to_a_network_with_the_autoencoder_in_it(
        self, trained: Path, configuration: str
    ) -> None:
        """Against a whole prediction by nnU-Net, in which a hook puts the reconstruction in the bottleneck's place."""
        segmenter, volume = load(trained, configuration, orientation="RAI"), Volume(phantom(122)[0], OTHER_SPACING_MM)
        autoencoder = self.autoencoder(segmenter)
        segmenter.attach(autoencoder)
        found = segmenter.segment(volume)
        other = load(trained, configuration, orientation="RAI")
        latents: list[Any] = []

        def swap(_module: Any, _inputs: object, output: Any) -> Any:
            latents.append(autoencoder.encode(output)[0].numpy())
            return autoencoder(output)

        other.network.encoder.stages[-1].register_forward_hook(swap)
        distorted = other.segment(volume)
        expected = (found.class_probabilities - distorted.class_probabilities) ** 2
        np.testing.assert_allclose(found.distortion.squares, expected, atol=1e-6)
        np.testing.assert_allclose(found.distortion.by_class, expected.mean(axis=(1, 2, 3)), rtol=1e-4)
        np.testing.assert_allclose(found.distortion.latents, latents, rtol=1e-4, atol=1e-5)
        assert expected.mean() > 1e-4

    def test_a_network_without_halves_is_run_twice_and_answers_the_same(
        self, trained: Path, configuration: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from hospital_agent.analysis.segmentation import nnunet_distortion

        segmenter, volume = load(trained, configuration), Volume(phantom(123)[0], SPACING_MM)
        autoencoder = self.autoencoder(segmenter)
        segmenter.attach(autoencoder)
        once = segmenter.segment(volume)
        monkeypatch.setattr(nnunet_distortion, "halves_of", lambda _network: None)
        segmenter.attach(autoencoder)
        twice = segmenter.segment(volume)
        assert (once.passes, twice.passes) == (1, 2)
        np.testing.assert_allclose(twice.distortion.squares, once.distortion.squares, atol=1e-6)
        np.testing.assert_array_equal(twice.labels, once.labels)
        np.testing.assert_array_equal(twice.layers[LAST].gram, once.layers[LAST].gram)

    def test_one_for_other_tiles_is_refused(self, trained: Path, configuration: str) -> None:
        from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder, AutoencoderShape

        segmenter = load(trained, configuration)
        with pytest.raises(TileMismatch, match="tiles of 4 x 4 x 4"):
            segmenter.attach(ActivationAutoencoder(AutoencoderShape.chosen((8, 1, 1, 1), (4, 4, 4))))

    def test_it_is_trained_on_what_nnunet_makes_of_images(
        self, trained: Path, configuration: str, tmp_path: Path
    ) -> None:
        from hospital_agent.training.autoencoder import AutoencoderTraining, train_for

        segmenter, losses = load(trained, configuration), []
        images = [segmenter.working_image(Volume(phantom(seed)[0], SPACING_MM)) for seed in range(4)]
        for steps in (1, 40):
            plan, folder = AutoencoderTraining(steps=steps, learning_rate=5e-3), tmp_path / str(steps)
            segmenter.attach(train_for(segmenter, images[:3], images[3:], folder, plan))
            losses.append(-json.loads((folder / "curve.json").read_text())["curve"][-1]["score"])
        assert losses[1] < 0.85 * losses[0]
        assert segmenter.segment(Volume(phantom(124)[0], SPACING_MM)).distortion.by_class.mean() > 0


def identity() -> Any:
    """The kind of autoencoder that nothing can be unusual to."""
    from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder

    class Identity(ActivationAutoencoder):
        def answer(self, activations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return activations.clone(), self.encode(activations)

    return Identity


def test_mirrored_second_answers_are_put_together_as_nnunet_does(trained: Path) -> None:
    segmenter, volume = load(trained, "3d_fullres", mirroring=True), Volume(phantom(125)[0], SPACING_MM)
    plain = segmenter.segment(volume)
    segmenter.attach(TestDistortion.autoencoder(segmenter, identity()))
    still = segmenter.segment(volume)
    assert still.distortion.squares.max() == 0.0
    np.testing.assert_array_equal(still.labels, plain.labels)
    autoencoder = TestDistortion.autoencoder(segmenter)
    segmenter.attach(autoencoder)
    found = segmenter.segment(volume)
    assert found.passes == 8
    other = load(trained, "3d_fullres", mirroring=True)
    other.network.encoder.stages[-1].register_forward_hook(lambda _module, _inputs, output: autoencoder(output))
    expected = (plain.class_probabilities - other.segment(volume).class_probabilities) ** 2
    np.testing.assert_allclose(found.distortion.squares, expected, atol=1e-6)


def test_when_memory_runs_out_both_answers_begin_again(trained: Path) -> None:
    segmenter, volume = load(trained, "3d_fullres"), Volume(phantom(126)[0], SPACING_MM)
    segmenter.attach(TestDistortion.autoencoder(segmenter))
    expected, asked = segmenter.segment(volume), 0

    def run_out(_module: Any, _inputs: object) -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise RuntimeError("out of memory")

    segmenter.predictor.perform_everything_on_device = True  # as on CUDA: only then does nnU-Net begin again
    handle = segmenter.network.register_forward_pre_hook(run_out)
    found = segmenter.segment(volume)
    handle.remove()
    assert asked == len(found.patches.starts) + 3
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.distortion.squares, expected.distortion.squares)
    np.testing.assert_array_equal(found.distortion.latents, expected.distortion.latents)


def test_overlapping_regions_have_no_distortion(trained: Path) -> None:
    from hospital_agent.fitted_autoencoder import host_of

    _, dataset, _ = parts(trained, "3d_fullres")
    segmenter = load(trained, "3d_fullres")
    assert host_of(segmenter) is segmenter
    autoencoder = TestDistortion.autoencoder(segmenter)
    labels = {"background": 0, "any": [1, 2], "dark": 2}
    segmenter.labels = segmenter.plans.get_label_manager(dataset | {"labels": labels, "regions_class_order": [1, 2]})
    with pytest.raises(NotApplicable, match="Overlapping regions"):
        host_of(segmenter)
    with pytest.raises(NotApplicable, match="Overlapping regions"):
        segmenter.attach(autoencoder)


class TestFiles:
    """A checkpoint is read without running code, or not at all."""

    def reload(self, trained: Path, trusted: bool = False, **changes: Any) -> Any:
        from hospital_agent.analysis.segmentation.nnunet_loading import load_nnunet

        plans, dataset, checkpoint = parts(trained, "3d_fullres")
        given = {"plans": plans, "dataset": dataset, "checkpoint": checkpoint} | changes
        return load_nnunet(**given, trusted=trusted, version="1", model_hash="h", device="cpu")

    @staticmethod
    def changed(checkpoint: bytes, **changes: Any) -> bytes:
        told = torch.load(io.BytesIO(checkpoint), weights_only=False) | changes
        out = io.BytesIO()
        torch.save(told, out)
        return out.getvalue()

    def test_a_malicious_pickle_does_not_run(self, trained: Path, tmp_path: Path) -> None:
        checkpoint = self.changed(parts(trained, "3d_fullres")[2], logging=Malice(tmp_path / "ran"))
        with pytest.raises(RunsCode):
            self.reload(trained, checkpoint=checkpoint)
        assert not (tmp_path / "ran").exists()
        self.reload(trained, trusted=True, checkpoint=checkpoint)  # the attack is a real one: trusted, it runs
        assert (tmp_path / "ran").exists()

    def test_plans_cannot_name_any_class(self, trained: Path) -> None:
        plans = parts(trained, "3d_fullres")[0]
        plans["configurations"]["3d_fullres"]["architecture"]["network_class_name"] = "antigravity.fly"
        with pytest.raises(RunsCode):
            self.reload(trained, plans=plans)

    def test_a_trainer_of_ones_own_is_code(self, trained: Path) -> None:
        checkpoint = self.changed(parts(trained, "3d_fullres")[2], trainer_name="nnUNetTrainerOfMine")
        with pytest.raises(RunsCode):
            self.reload(trained, checkpoint=checkpoint)

    @pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps([1, 2])])
    def test_other_files_are_refused(self, trained: Path, content: bytes) -> None:
        with pytest.raises((ModelMismatch, RunsCode)):
            self.reload(trained, checkpoint=content)

    def test_a_damaged_archive_is_refused(self, trained: Path) -> None:
        checkpoint = parts(trained, "3d_fullres")[2]
        assert zipfile.is_zipfile(io.BytesIO(checkpoint))
        with pytest.raises(ModelMismatch):
            self.reload(trained, checkpoint=checkpoint[: len(checkpoint) // 2])

    def test_weights_of_another_network_are_refused(self, trained: Path) -> None:
        flat = torch.load(io.BytesIO(parts(trained, "2d")[2]), weights_only=False)["network_weights"]
        checkpoint = self.changed(parts(trained, "3d_fullres")[2], network_weights=flat)
        with pytest.raises(ModelMismatch):
            self.reload(trained, checkpoint=checkpoint)

    def test_several_images_at_once_cannot_be_given(self, trained: Path) -> None:
        dataset = parts(trained, "3d_fullres")[1] | {"channel_names": {"0": "T1", "1": "T2"}}
        with pytest.raises(NotApplicable):
            self.reload(trained, dataset=dataset)


class Malice:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


class TestAsAModelFolder:
    """`hospital-agent fit` on a trained-model folder; here because a training is not worth doing twice."""

    @pytest.fixture
    def images(self, tmp_path: Path) -> Path:
        (tmp_path / "images").mkdir()
        for seed in range(3):
            # SimpleITK's picture without a direction is stored LPS, as the training's pictures were
            write_nifti(tmp_path / "images" / f"case_{seed}_0000.nii.gz", phantom(seed)[0], spacing_mm=SPACING_MM)
        return tmp_path / "images"

    def test_a_fold_needs_no_permission_and_segments_as_before(
        self, trained: Path, images: Path, tmp_path: Path
    ) -> None:
        from hospital_agent.fitted_folder import fit_folder
        from hospital_agent.ingest.series import read_series
        from hospital_agent.model_folder import load_model

        fitted = fit_folder(
            [trained / TRAINED["3d_fullres"]], images, None, tmp_path / "out", allowed=NOBODY, device="cpu",
            orientation="LPS", mirroring=False, copy=True, name=None, say=lambda _: None,
        )  # fmt: skip
        assert {"mahalanobis", "mahalanobis_plus", "spectral_signature", "intensity_histogram"} <= set(fitted.ood)
        loaded = load_model(tmp_path / "out", device="cpu")
        assert loaded.segmenter is not None
        volume = read_series(images / "case_0_0000.nii.gz").volume
        found = loaded.segmenter.segment(volume)
        direct = load(trained, "3d_fullres").segment(volume)
        np.testing.assert_array_equal(found.labels, direct.labels)
        np.testing.assert_array_equal(found.patches.features, direct.patches.features)
        assert found.model_hash == loaded.hash
        assert all(loaded.ood[name].compute(found) is not None for name in fitted.ood)

    def test_fit_trains_an_autoencoder_and_the_folder_attaches_it(
        self, run: Any, trained: Path, images: Path, tmp_path: Path
    ) -> None:
        from hospital_agent.ingest.series import read_series
        from hospital_agent.model_folder import load_model

        out = tmp_path / "out"
        done = run(
            "fit", "--model", trained / TRAINED["3d_fullres"] / "fold_0", "--images", images, "--out", out,
            "--device", "cpu", "--orientation", "LPS", "--copy", "--method", "segmentation_distortion", "--steps", 3,
        )  # fmt: skip
        assert done.code == 0, done.err
        scores = {"segmentation_distortion", "segmentation_distortion_foreground", "latent_mahalanobis"}
        assert scores <= set(done.json["ood"])
        loaded = load_model(out, device="cpu")
        volume = read_series(images / "case_0_0000.nii.gz").volume
        found = loaded.segmenter.segment(volume)
        np.testing.assert_array_equal(found.labels, load(trained, "3d_fullres").segment(volume).labels)
        assert all(loaded.ood[name].compute(found) > 0 for name in scores)
        assert found.distortion.squares.shape[1:] == found.probability.shape

    def test_a_checkpoint_that_runs_code_is_named_by_its_hash(
        self, trained: Path, images: Path, tmp_path: Path
    ) -> None:
        from hospital_agent.errors import ModelNotAllowed
        from hospital_agent.foreign_models import describe, open_model

        folder = tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres"
        shutil.copytree(trained / TRAINED["3d_fullres"], folder)
        checkpoint = folder / "fold_0" / "checkpoint_final.pth"
        checkpoint.write_bytes(TestFiles.changed(checkpoint.read_bytes(), logging=Malice(tmp_path / "ran")))
        spec = describe(folder / "fold_0")
        told = {"version": "1", "model_hash": "h", "device": "cpu"}
        with pytest.raises(ModelNotAllowed, match=spec["sha256"]):
            open_model(spec, tmp_path, allowed=NOBODY, **told)
        assert not (tmp_path / "ran").exists()
        open_model(spec, tmp_path, allowed=AllowList.of([spec["sha256"]]), **told)
        assert (tmp_path / "ran").exists()

    def test_several_folds_are_an_ensemble(self, trained: Path, tmp_path: Path) -> None:
        from hospital_agent.foreign_models import describe

        folder = tmp_path / "nnUNetTrainer__nnUNetPlans__2d"
        shutil.copytree(trained / TRAINED["2d"], folder)
        shutil.copytree(folder / "fold_0", folder / "fold_1")
        assert describe(folder / "fold_1")["fold"] == "1"
        spec = describe(folder)
        assert spec["backend"] == "ensemble"
        assert [member["fold"] for member in spec["members"]] == ["0", "1"]
        plans = json.loads((folder / "plans.json").read_text())
        assert describe(folder / "fold_0")["orientation"] == "LPS"
        (folder / "plans.json").write_text(json.dumps(plans | {"image_reader_writer": "NibabelIOWithReorient"}))
        assert describe(folder / "fold_0", orientation=None)["orientation"] == "RAS"
