"""An autoencoder that sites trained together: what hangs on it is fitted anew, and the two are compared."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hospital_agent.analysis.imaging.slices import slices_of
from hospital_agent.analysis.quality.label_fences import mask_fences
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
from hospital_agent.analysis.segmentation.selected import case_measures
from hospital_agent.federation import phantoms
from hospital_agent.federation.asked import NoData
from hospital_agent.federation.autoencoders import ACTIVATIONS, MASKS, WEIGHTS
from hospital_agent.federation.in_use import model_in_use
from hospital_agent.federation.refitted_autoencoder import OWN_IMAGES, OWN_MASKS, PHANTOM_MASKS, AutoencoderComparison
from hospital_agent.federation.versions import prepare
from hospital_agent.mask_autoencoder_files import load_fences, load_mask_autoencoder
from hospital_agent.model_folder import load_model
from hospital_agent.model_manifest import FITTED
from hospital_agent.pipeline import analyse_case
from hospital_agent.settings import Settings
from hospital_agent.simulation.hosts import phantom_host
from hospital_agent.toolkit import build_toolkit
from tests.autoencoded_model import OLD_RANGE, old_fences, write_autoencoded
from tests.proposed_autoencoders import (
    ACTIVATION_RUN,
    MASK_RUN,
    PATIENTS,
    accepted,
    propose,
    volumes_of,
    write_proposed_site,
)

WORSE_RUN = "5e" * 16


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_autoencoded(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Settings:
    return write_proposed_site(tmp_path_factory.mktemp("site"), model)


@pytest.fixture
def site(made: Settings, tmp_path: Path) -> Settings:
    """The same site with a data folder of its own."""
    shutil.copytree(made.data_dir, tmp_path / "data")
    return made.model_copy(update={"data_dir": tmp_path / "data"})


def arrays_of(folder: Path, score: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return {key: array for key, array in load_file(folder / FITTED[0]).items() if key.startswith(f"{score}.")}


class TestMasks:
    def test_what_the_analysis_tells_is_of_the_new_autoencoder(self, site: Settings, model: Path) -> None:
        from safetensors.numpy import load as read

        folder = accepted(site, MASK_RUN)
        volume = volumes_of(site)[0]
        found = analyse_case(volume, build_toolkit(folder, device="cpu"))
        plain: Any = load_model(model, device="cpu").segmenter
        files = site.federation_dir / "proposals" / MASK_RUN
        new = MaskAutoencoder.from_parts(
            load_mask_autoencoder(model).description(), read((files / WEIGHTS[MASKS]).read_bytes())
        )
        again = new.attached(plain.inner.segment(volume), volume.spacing_mm).reconstructed
        assert again is not None
        old = plain.segment(volume).reconstructed
        assert not np.array_equal(old.labels, again.labels)
        assert found.ood["mask_autoencoder_pdc"] == pytest.approx(float(again.dice_gap[0]))
        scale = load_model(folder, with_network=False).validation["mask_autoencoder_pdc"]
        ratio = scale.log10_ratio(found.ood["mask_autoencoder_pdc"] or 0)
        assert found.ood["mask_autoencoder_pdc_log10"] == pytest.approx(ratio)

    def test_fences_and_scale_are_of_what_it_gives_back_here(self, site: Settings) -> None:
        folder = accepted(site, MASK_RUN)
        segmenter: Any = load_model(folder, device="cpu").segmenter
        shown = [(segmenter.segment(volume), volume) for volume in volumes_of(site)]
        gaps = [float(found.reconstructed.dice_gap[0]) for found, _ in shown]
        scale = load_model(folder, with_network=False).validation["mask_autoencoder_pdc"]
        assert (scale.low, scale.high) == (pytest.approx(min(gaps)), pytest.approx(max(gaps)))
        fences = mask_fences([case_measures(found, 1, slices_of(volume)) for found, volume in shown], "label")
        assert load_fences(folder) == fences
        assert fences.deciding.by == old_fences().deciding.by
        assert fences != old_fences()

    def test_what_looks_at_the_network_alone_stays(self, site: Settings, model: Path) -> None:
        folder = accepted(site, MASK_RUN)
        before, after = (load_model(one, with_network=False) for one in (model, folder))
        for name in ("mahalanobis", "segmentation_distortion", "latent_mahalanobis"):
            assert arrays_of(folder, name).keys() == arrays_of(model, name).keys()
            assert all(
                np.array_equal(array, arrays_of(folder, name)[key]) for key, array in arrays_of(model, name).items()
            )
            assert after.validation[name] == before.validation[name]
        for name in ("network.safetensors", "autoencoder.safetensors", "quality.json"):
            assert (folder / name).read_bytes() == (model / name).read_bytes()
        assert load_model(model).version == "0.0.1"  # checks every hash: the base was not written to through a link

    def test_without_enough_masks_there_are_no_fences_rather_than_old_ones(
        self, site: Settings, tmp_path: Path
    ) -> None:
        few = tmp_path / "images"
        few.mkdir()
        assert site.federation_images is not None
        for number in (1, 4):  # a patient who taught, and one who did not
            shutil.copy(site.federation_images / f"north{number}__0.nii.gz", few)
        said: list[str] = []
        prepared = prepare(site.model_copy(update={"federation_images": few}), MASK_RUN, say=said.append)
        folder = site.federation_dir / "versions" / prepared.change.folder
        assert load_fences(folder) is None
        assert any("nothing says from when on a mask is unusual" in sentence for sentence in said)

    def test_it_is_compared_on_patients_who_taught_it_nothing(self, site: Settings) -> None:
        prepared = prepare(site, MASK_RUN)
        found = prepared.comparison
        assert isinstance(found, AutoencoderComparison)
        assert (found.kind, found.on, found.cases) == (MASKS, OWN_MASKS, 2)  # north4 and north5, one image each
        assert (found.before or 0) < (found.after or 0) <= 1
        assert prepared.objection is None


class TestActivations:
    def test_scores_and_latents_are_those_of_the_new_one(self, site: Settings, model: Path) -> None:
        folder = accepted(site, ACTIVATION_RUN)
        before, after = (load_model(one, with_network=False) for one in (model, folder))
        found = analyse_case(volumes_of(site)[0], build_toolkit(folder, device="cpu"))
        stale = analyse_case(volumes_of(site)[0], build_toolkit(model, device="cpu"))
        assert found.segmentation.distortion is not None
        assert found.ood["segmentation_distortion"] != stale.ood["segmentation_distortion"]
        assert found.ood["mask_autoencoder_pdc"] == stale.ood["mask_autoencoder_pdc"]
        assert found.ood["mahalanobis"] == stale.ood["mahalanobis"]
        gaussian: Any = after.ood["latent_mahalanobis"]
        latents = found.segmentation.distortion.latents.astype(np.float64)
        old: Any = before.ood["latent_mahalanobis"]
        assert gaussian.reference.distances(latents).mean() != pytest.approx(old.reference.distances(latents).mean())
        assert gaussian.reference.patient_count == PATIENTS
        for name in ("segmentation_distortion", "latent_mahalanobis"):
            assert after.validation[name] != OLD_RANGE
        for name in ("mahalanobis", "mask_autoencoder_pdc"):
            assert after.validation[name] == before.validation[name]
        assert load_fences(folder) == load_fences(model)

    def test_it_is_compared_on_images_of_patients_who_taught_it_nothing(self, site: Settings) -> None:
        found = prepare(site, ACTIVATION_RUN).comparison
        assert isinstance(found, AutoencoderComparison)
        assert (found.kind, found.on, found.cases) == (ACTIVATIONS, OWN_IMAGES, 2)
        assert 0 < (found.before or 0) < (found.after or 0) < 1

    def test_a_site_without_images_cannot_fit_what_hangs_on_it(self, site: Settings) -> None:
        with pytest.raises(NoData, match="AGENT_FEDERATION_IMAGES"):
            prepare(site.model_copy(update={"federation_images": None}), ACTIVATION_RUN)
        assert model_in_use(site) == site.model_dir


class TestComparison:
    @pytest.mark.parametrize(("before", "after", "objects"), [(0.5, 0.5, False), (0.5, 0.4, True), (None, None, True)])
    def test_objects_to_what_is_worse_or_unknown(self, before: Any, after: Any, objects: bool) -> None:
        assert (AutoencoderComparison(MASKS, "", 2, before, after).objection is not None) is objects

    def test_one_that_gives_back_nothing_is_objected_to(self, site: Settings, model: Path) -> None:
        from safetensors.numpy import load_file, save

        weights = load_file(model / WEIGHTS[MASKS])
        nothing = {name: np.zeros_like(array) for name, array in weights.items()}
        propose(site, WORSE_RUN, "train_mask_autoencoder", {WEIGHTS[MASKS]: save(nothing)})
        accepted(site, MASK_RUN)
        prepared = prepare(site, WORSE_RUN)
        assert isinstance(prepared.comparison, AutoencoderComparison)
        assert prepared.comparison.after == 0.0
        assert prepared.objection is not None

    def test_without_masks_it_is_over_phantoms(self, site: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hospital_agent.federation.refitted_autoencoder.COUNT", 2)
        monkeypatch.setattr(phantoms, "phantom_host", partial(phantom_host, shape=(24, 22, 26), spacing_mm=(9.0,) * 3))
        found = prepare(site.model_copy(update={"federation_references": None}), MASK_RUN).comparison
        assert isinstance(found, AutoencoderComparison)
        assert (found.on, found.cases) == (PHANTOM_MASKS, 2)
