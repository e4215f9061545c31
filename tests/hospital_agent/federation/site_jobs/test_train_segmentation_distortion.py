"""Training the activation autoencoder over three sites: images alone, a frozen network, and what is proposed."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import NotApplicable, TileMismatch
from hospital_agent.analysis.segmentation.autoencoder import AutoencoderShape, fresh_autoencoder
from hospital_agent.autoencoder_files import AUTOENCODER_FILES, load_autoencoder, save_autoencoder
from hospital_agent.federation.asked import NoData, OptionRefused
from hospital_agent.federation.autoencoders import ACTIVATIONS, WEIGHTS
from hospital_agent.federation.jobs.errors import NotFinite
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.proposals import proposals
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.settings import Settings
from hospital_agent.training.local_training import SharedWeights
from tests.autoencoded_model import rehash, write_autoencoded, write_ball, write_ball_site
from tests.fitted_model import write_fitted

JOB = "train_segmentation_distortion"
SITES = ("east", "north", "west")
RUN = "0123456789abcdef" * 2
SHORT: dict[str, Any] = {"rounds": 2, "steps": 4, "learning_rate": 5e-3}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It has a mask autoencoder too, behind which the network stands."""
    torch.set_num_threads(1)
    return write_autoencoded(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, model: Path) -> dict[str, Settings]:
    """No site has a reference mask that the job could look at."""
    return {
        name: write_ball_site(
            tmp_path_factory.mktemp(name), name, model, patients=3, seed=seed
        ).model_copy(update={"federation_references": None})
        for seed, name in enumerate(SITES)
    }  # fmt: skip


def at(settings: Settings, **options: Any) -> AtSite[Any, Any]:
    return site_jobs.load("hospital_agent.federation.site_jobs").get(JOB)(settings, options)


@pytest.fixture(scope="module")
def run(sites: dict[str, Settings]) -> Any:
    there = {name: at(settings, **SHORT) for name, settings in sites.items()}
    result = rehearse(there["east"].job, [one.data() for one in there.values()]).result
    return result, {name: one.conclude(result, Ended(RUN, SITES)) for name, one in there.items()}


def test_images_of_patients_who_taught_nothing_are_preserved_better(run: Any) -> None:
    result, told = run
    assert (result.cohort.sites, result.cohort.patients) == (3, 6)
    assert 0 < result.dice[0] < result.dice[-1] < 1
    assert told["east"] == told["north"] == told["west"]
    assert told["east"]["preserved_after"] == round(result.dice[-1], 4)
    assert told["east"]["proposed"] is True


def test_every_site_has_the_averaged_weights_as_a_proposal(run: Any, sites: dict[str, Settings], model: Path) -> None:
    from safetensors.torch import load

    result, _ = run
    for settings in sites.values():
        (found,) = [one for one in proposals(settings) if one.run == RUN]
        assert found.card["job"] == JOB
        assert len(found.own_patients()) == 2
        autoencoder = load_autoencoder(model)
        autoencoder.load_state_dict(load(found.checked(WEIGHTS[ACTIVATIONS])))
        np.testing.assert_allclose(SharedWeights(autoencoder).read(), result.weights, atol=1e-6)


def test_all_sites_begin_with_the_autoencoder_of_the_model(sites: dict[str, Settings], model: Path) -> None:
    east, north = at(sites["east"]), at(sites["north"], rounds=3)
    np.testing.assert_array_equal(east.job.start, SharedWeights(load_autoencoder(model)).read())
    np.testing.assert_array_equal(east.job.start, north.job.start)
    assert east.quantity == north.quantity


def test_the_same_patients_teach_until_k_have_come(tmp_path: Path, model: Path) -> None:
    site = write_ball_site(tmp_path, "south", model, patients=3, seed=5)
    before = at(site).data()
    write_ball(site, "south9__0", 99)
    again = at(site).data()
    assert (again.cases, again.patients, again.judged_cases) == (before.cases, before.patients, before.judged_cases)


class TestRefusals:
    def test_a_model_without_an_activation_autoencoder(self, sites: dict[str, Settings], tmp_path: Path) -> None:
        plain = write_autoencoded(tmp_path, activations=False)
        with pytest.raises(NoData, match="no activation autoencoder"):
            at(sites["east"].model_copy(update={"model_dir": plain}))

    @pytest.mark.parametrize(
        ("shape", "when"), [(((8, 4, 4, 4), (8, 16, 16)), "prepared"), (((6, 4, 4, 4), (16, 16, 16)), "trained")]
    )
    def test_an_autoencoder_of_another_network(
        self, sites: dict[str, Settings], model: Path, tmp_path: Path, shape: Any, when: str
    ) -> None:
        other = tmp_path / "model"
        shutil.copytree(model, other)
        save_autoencoder(other, fresh_autoencoder(AutoencoderShape.chosen(*shape), 0))
        rehash(other)
        settings = sites["east"].model_copy(update={"model_dir": other, "data_dir": tmp_path / "data"})
        if when == "prepared":
            with pytest.raises(TileMismatch, match="8 x 16 x 16"):
                at(settings)
        else:
            there = at(settings, **SHORT)
            with pytest.raises(TileMismatch, match="6 x 4 x 4 x 4"):
                rehearse(there.job, [there.data(), at(sites["north"], **SHORT).data(), there.data()])

    def test_a_model_whose_features_cannot_be_changed(self, sites: dict[str, Settings], tmp_path: Path) -> None:
        folder, digest = write_fitted(tmp_path, patients=2)
        save_autoencoder(folder, fresh_autoencoder(AutoencoderShape.chosen((8, 4, 4, 4), (16, 16, 16)), 0))
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "allowed_models").write_text(f"{digest}\n")
        settings = sites["east"].model_copy(update={"model_dir": folder, "data_dir": tmp_path / "data"})
        with pytest.raises(NoData, match="no activation autoencoder"):
            at(settings)  # the files lie there, and the manifest does not name them
        manifest = json.loads((folder / "manifest.json").read_text())
        rehash(folder, [*manifest["files"], *AUTOENCODER_FILES])
        with pytest.raises(NotApplicable, match="listened to"):
            at(settings)

    def test_weights_that_are_not_finite(self, sites: dict[str, Settings], model: Path, tmp_path: Path) -> None:
        broken = tmp_path / "model"
        shutil.copytree(model, broken)
        autoencoder = load_autoencoder(broken)
        with torch.no_grad():
            next(autoencoder.parameters()).fill_(float("inf"))
        save_autoencoder(broken, autoencoder)
        rehash(broken)
        with pytest.raises(NotFinite):
            at(sites["east"].model_copy(update={"model_dir": broken}))

    def test_a_site_without_images_or_with_one_patient(self, sites: dict[str, Settings], tmp_path: Path) -> None:
        east, model = sites["east"], sites["east"].model_dir
        assert model is not None
        with pytest.raises(NoData, match="no images"):
            at(east.model_copy(update={"federation_images": None})).data()
        with pytest.raises(NoData, match="two patients"):
            at(write_ball_site(tmp_path, "south", model, patients=1, seed=5)).data()

    def test_what_the_centre_asks_is_checked(self, sites: dict[str, Settings]) -> None:
        with pytest.raises(OptionRefused, match="latent"):
            at(sites["east"], latent=3)
