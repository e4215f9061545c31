"""Autoencoders that sites trained together, beside what else is accepted: together, one after the other, and back."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.federation.autoencoders import ACTIVATIONS, MASKS, WEIGHTS
from hospital_agent.federation.in_use import model_in_use, versions
from hospital_agent.federation.labelled import bundled, load, weights_file
from hospital_agent.federation.proposals import NETWORK, REFERENCE, reference_file
from hospital_agent.federation.versions import prepare, roll_back
from hospital_agent.fitting_inputs import find_inputs
from hospital_agent.ingest.series import read_series
from hospital_agent.mask_autoencoder_files import load_fences
from hospital_agent.model_folder import load_model
from hospital_agent.pipeline import analyse_case
from hospital_agent.settings import Settings
from hospital_agent.toolkit import build_toolkit
from shared.errors import SettingsError
from tests.autoencoded_model import OLD_RANGE, old_fences, write_autoencoded, write_ball_site
from tests.proposed_autoencoders import (
    ACTIVATION_RUN,
    MASK_RUN,
    PATIENTS,
    accepted,
    mask_weights,
    propose,
    volumes_of,
    write_proposed_site,
)
from tests.series_files import write_nifti

GAUSSIAN_RUN, NETWORK_RUN, LATENT_RUN = "3c" * 16, "4d" * 16, "5e" * 16


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


class TestVersions:
    def test_they_come_one_after_the_other_and_go_back_step_by_step(self, site: Settings) -> None:
        first = accepted(site, MASK_RUN)
        both = accepted(site, ACTIVATION_RUN)
        assert versions(site)[-1].runs == (MASK_RUN, ACTIVATION_RUN)
        for kind, run in ((MASKS, MASK_RUN), (ACTIVATIONS, ACTIVATION_RUN)):
            proposed = site.federation_dir / "proposals" / run / WEIGHTS[kind]
            assert (both / WEIGHTS[kind]).read_bytes() == proposed.read_bytes()
        manifest = json.loads((both / "manifest.json").read_text())
        assert manifest["version"] == "0.0.1+fed.2b2b2b2b"
        assert [one["run"] for one in manifest["made_from"]["federated"]] == [MASK_RUN, ACTIVATION_RUN]
        assert "train_mask_autoencoder over east, north, west" in (both / "MODEL_CARD.md").read_text()
        with pytest.raises(SettingsError, match="in use already"):
            prepare(site, ACTIVATION_RUN)
        roll_back(site)
        assert model_in_use(site) == first
        roll_back(site)
        assert model_in_use(site) == site.model_dir

    def test_a_reference_of_the_network_joins_and_one_of_latents_is_of_another_autoencoder(
        self, site: Settings, model: Path
    ) -> None:
        kept = {REFERENCE: reference_file(load_model(model, with_network=False).ood["mahalanobis"])}
        propose(site, GAUSSIAN_RUN, "gaussian", kept, score="mahalanobis", range=[1.0, 2.0, 3.0])
        accepted(site, GAUSSIAN_RUN)
        folder = accepted(site, ACTIVATION_RUN)
        assert versions(site)[-1].runs == (GAUSSIAN_RUN, ACTIVATION_RUN)
        assert load_model(folder, with_network=False).validation["mahalanobis"].high == 3.0
        latents = {REFERENCE: reference_file(load_model(model, with_network=False).ood["latent_mahalanobis"])}
        propose(site, LATENT_RUN, "gaussian", latents, score="latent_mahalanobis", range=[1.0, 2.0, 3.0])
        with pytest.raises(SettingsError, match="autoencoder before"):
            prepare(site, LATENT_RUN)
        roll_back(site)
        accepted(site, LATENT_RUN)
        said: list[str] = []
        prepared = prepare(site, ACTIVATION_RUN, say=said.append)
        assert prepared.change.runs == (GAUSSIAN_RUN, ACTIVATION_RUN)
        assert any("reference of latent_mahalanobis) is left out" in sentence for sentence in said)

    def test_a_new_network_leaves_the_activation_autoencoder_out_and_asks_masks_anew(
        self, site: Settings, model: Path
    ) -> None:
        segmenter = bundled(load(model, site))
        with torch.no_grad():
            for weights in segmenter.network.parameters():
                weights.mul_(1.5)
        propose(site, NETWORK_RUN, "train_segmenter", {NETWORK: weights_file(segmenter)})
        folder = accepted(site, NETWORK_RUN)
        loaded = load_model(folder, device="cpu")
        assert not any(path.name.startswith("autoencoder.") for path in folder.iterdir())
        assert set(loaded.ood) <= {"mahalanobis", "mask_autoencoder_pdc", "mask_autoencoder_phd"}
        assert loaded.validation["mask_autoencoder_pdc"] != OLD_RANGE
        assert load_fences(folder) != old_fences()
        found = analyse_case(volumes_of(site)[0], build_toolkit(folder, device="cpu"))
        assert found.segmentation.distortion is None
        assert found.ood["mask_autoencoder_pdc"] is not None
        for run in (MASK_RUN, ACTIVATION_RUN):
            with pytest.raises(SettingsError, match="roll back first"):
                prepare(site, run)

    def test_a_damaged_base_gets_no_new_hashes(self, site: Settings, model: Path, tmp_path: Path) -> None:
        base = tmp_path / "base"
        shutil.copytree(model, base)
        other = site.model_copy(update={"model_dir": base})
        ranges = base / "validation.json"
        ranges.write_text(ranges.read_text().replace("900.0", "901.0"))
        for run in (MASK_RUN, ACTIVATION_RUN):
            with pytest.raises(ModelMismatch, match=r"validation\.json"):
                prepare(other, run)

    def test_a_changed_file_is_not_put_to_use(self, site: Settings) -> None:
        file = site.federation_dir / "proposals" / MASK_RUN / WEIGHTS[MASKS]
        file.write_bytes(file.read_bytes()[:-1] + b"\1")
        with pytest.raises(SettingsError, match="card"):
            prepare(site, MASK_RUN)


class TestQualityModel:
    @pytest.fixture
    def looking(self, tmp_path: Path) -> Settings:
        """A site whose quality model looks at scores of both autoencoders."""
        model = write_autoencoded(tmp_path / "model", quality_looks=True)
        settings = write_ball_site(tmp_path / "site", "north", model, PATIENTS, seed=1)
        propose(settings, MASK_RUN, "train_mask_autoencoder", {WEIGHTS[MASKS]: mask_weights()})
        return settings

    def test_is_left_out_and_said_where_the_site_cannot_fit_another(self, looking: Settings) -> None:
        prepared = prepare(looking, MASK_RUN)
        folder = looking.federation_dir / "versions" / prepared.change.folder
        assert load_model(folder, with_network=False).quality is None
        assert prepared.objection is not None
        assert "quality model" in prepared.objection

    def test_is_fitted_anew_where_the_site_can(self, looking: Settings) -> None:
        assert looking.model_dir is not None
        assert looking.federation_images is not None
        assert looking.federation_references is not None
        segmenter: Any = load_model(looking.model_dir, device="cpu").segmenter
        for one in find_inputs(looking.federation_images, None):
            if one.patient in ("north0", "north2", "north4"):  # whose masks are good
                mask = segmenter.segment(read_series(one.path).volume).mask
                write_nifti(looking.federation_references / f"{one.name}.nii.gz", mask.astype(np.uint8))
        prepared = prepare(looking, MASK_RUN)
        folder = looking.federation_dir / "versions" / prepared.change.folder
        before, after = (load_model(one, with_network=False).quality for one in (looking.model_dir, folder))
        assert before is not None
        assert after is not None
        assert after.to_json() != before.to_json()
        found = analyse_case(volumes_of(looking)[0], build_toolkit(folder, device="cpu"))
        assert {name for name in after.inputs if name not in found.values} == set()
