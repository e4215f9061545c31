"""Training the mask autoencoder over three sites: what it learns from, what is refused, and what is proposed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import ModelMismatch, UnknownLabel
from hospital_agent.federation.asked import NoData, NoPrivacyRule, OptionRefused, OtherModel
from hospital_agent.federation.autoencoders import MASKS, WEIGHTS
from hospital_agent.federation.jobs.errors import NotFinite, TooFewPatients
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.network_training import parted
from hospital_agent.federation.proposals import proposals
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.federation.steady import given_patients
from hospital_agent.mask_autoencoder_files import DESCRIPTION, load_mask_autoencoder
from hospital_agent.settings import Settings
from hospital_agent.training.local_training import SharedWeights
from hospital_agent.training.loop import TrainingDiverged
from tests.autoencoded_model import (
    MASK_SHAPE,
    ball,
    fresh_mask_autoencoder,
    rehash,
    write_autoencoded,
    write_ball,
    write_ball_site,
)
from tests.series_files import write_nifti

JOB = "train_mask_autoencoder"
SITES = ("east", "north", "west")
RUN = "0123456789abcdef" * 2
SHORT: dict[str, Any] = {"rounds": 2, "steps": 5, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_autoencoded(tmp_path_factory.mktemp("model"), activations=False)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, model: Path) -> dict[str, Settings]:
    return {
        name: write_ball_site(tmp_path_factory.mktemp(name), name, model, patients=4, seed=seed)
        for seed, name in enumerate(SITES)
    }


def at(settings: Settings, **options: Any) -> AtSite[Any, Any]:
    return site_jobs.load("hospital_agent.federation.site_jobs").get(JOB)(settings, options)


@pytest.fixture(scope="module")
def run(sites: dict[str, Settings]) -> Any:
    there = {name: at(settings, **SHORT) for name, settings in sites.items()}
    result = rehearse(there["east"].job, [one.data() for one in there.values()]).result
    return result, {name: one.conclude(result, Ended(RUN, SITES)) for name, one in there.items()}


def test_masks_of_patients_who_taught_nothing_come_back_better(run: Any) -> None:
    result, told = run
    assert result.cohort.sites == 3
    assert result.is_better
    assert told["east"] == told["north"] == told["west"]
    assert told["east"]["proposed"] is True
    assert told["east"]["dice_after"] == round(result.dice[-1], 4)


def test_every_site_has_the_averaged_weights_as_a_proposal(run: Any, sites: dict[str, Settings], model: Path) -> None:
    from safetensors.numpy import load

    result, _ = run
    for settings in sites.values():
        (found,) = [one for one in proposals(settings) if one.run == RUN]
        assert found.card["job"] == JOB
        autoencoder = load_mask_autoencoder(model)
        weights = load(found.checked(WEIGHTS[MASKS]))
        autoencoder.network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        np.testing.assert_allclose(SharedWeights(autoencoder.network).read(), result.weights, atol=1e-6)


def test_the_proposal_names_who_taught_it_here(run: Any, sites: dict[str, Settings]) -> None:
    east = sites["east"]
    (found,) = [one for one in proposals(east) if one.run == RUN]
    teachers, judges = parted(given_patients(east, at(east).quantity))
    assert found.own_patients() == teachers
    assert (len(teachers), len(judges)) == (3, 1)
    result, _ = run
    at(east).conclude(result, Ended("5" * 32, ("north", "west")))  # this site fell out of the run
    (without,) = [one for one in proposals(east) if one.run == "5" * 32]
    assert without.own_patients() == frozenset()


def test_worse_weights_are_not_proposed(run: Any, sites: dict[str, Settings]) -> None:
    result, _ = run
    worse = type(result)(result.weights, result.cohort, (0.3, 0.2), None)
    assert at(sites["west"]).conclude(worse, Ended("6" * 32, SITES))["proposed"] is False
    assert "6" * 32 not in {one.run for one in proposals(sites["west"])}


def test_all_sites_begin_with_the_weights_of_the_model_and_name_one_thing(
    sites: dict[str, Settings], model: Path
) -> None:
    east, north = at(sites["east"]), at(sites["north"], rounds=3, noise=1.0)
    np.testing.assert_array_equal(east.job.start, SharedWeights(load_mask_autoencoder(model).network).read())
    np.testing.assert_array_equal(east.job.start, north.job.start)
    assert east.quantity == north.quantity
    assert east.quantity.startswith(f"{JOB}/")


def test_the_same_patients_teach_until_k_have_come(tmp_path: Path, model: Path) -> None:
    site = write_ball_site(tmp_path, "south", model, patients=3, seed=5)
    before = at(site).data()
    write_ball(site, "south9__0", 99)
    again = at(site).data()
    assert (again.cases, again.patients, again.judged_cases) == (before.cases, before.patients, before.judged_cases)
    for number in range(10, 10 + (site.k or 0)):
        write_ball(site, f"south{number}__0", number)
    assert at(site).data().patients > before.patients


def test_fedprox_fedbn_and_noise_are_the_centres_to_choose(sites: dict[str, Settings]) -> None:
    whole, own_norms = at(sites["east"]), at(sites["east"], local_norms=True)
    assert own_norms.job.start.size < whole.job.start.size
    there = at(sites["east"], proximal=0.1, noise=4.0, longest_change=5.0, **SHORT)
    assert there.data().plan.proximal == 0.1
    assert (there.job.noise.multiplier, there.job.longest_change) == (4.0, 5.0)


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "named"),
        [({"rounds": 0}, "rounds"), ({"steps": 10**6}, "steps"), ({"learning_rate": -1.0}, "learning_rate"),
         ({"noise": "much"}, "noise"), ({"grid": 3}, "grid")],
    )  # fmt: skip
    def test_what_the_centre_asks_is_checked(self, sites: dict[str, Settings], options: Any, named: str) -> None:
        with pytest.raises(OptionRefused, match=named):
            at(sites["east"], **options)

    def test_another_model_and_no_rule(self, sites: dict[str, Settings]) -> None:
        with pytest.raises(OtherModel):
            at(sites["east"], model="0" * 64)
        with pytest.raises(NoPrivacyRule):
            at(sites["east"].model_copy(update={"k": None}))

    def test_a_model_without_a_mask_autoencoder(self, sites: dict[str, Settings], tmp_path: Path) -> None:
        plain = write_autoencoded(tmp_path, masks=False, activations=False)
        with pytest.raises(NoData, match="no mask autoencoder"):
            at(sites["east"].model_copy(update={"model_dir": plain}))

    def test_an_autoencoder_of_another_shape_than_it_says(
        self, sites: dict[str, Settings], model: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(ModelMismatch, match="do not fit its description"):
            at(sites["east"].model_copy(update={"model_dir": changed(model, tmp_path / "model", latent=4)}))

    def test_masks_with_labels_that_it_does_not_know(self, tmp_path: Path, model: Path) -> None:
        two = changed(model, tmp_path / "model", label_count=2)
        fresh = load_two(two)
        site = write_ball_site(tmp_path / "site", "south", fresh, patients=2, seed=5)
        assert site.federation_references is not None
        write_nifti(site.federation_references / "south1__0.nii.gz", 5 * ball(51))
        with pytest.raises(UnknownLabel, match="label 5"):
            at(site).data()

    def test_a_site_without_masks_or_with_one_patient(self, sites: dict[str, Settings], tmp_path: Path) -> None:
        with pytest.raises(NoData, match="reference masks"):
            at(sites["east"].model_copy(update={"federation_references": None})).data()
        model = sites["east"].model_dir
        assert model is not None
        lonely = write_ball_site(tmp_path, "south", model, patients=1, seed=5)
        with pytest.raises(NoData, match="two patients"):
            at(lonely).data()

    def test_too_few_patients_of_all_sites_together(self, sites: dict[str, Settings]) -> None:
        """Nine teach here; the rule of the first site asks for ten."""
        there = [at(settings.model_copy(update={"k": 10}), **SHORT) for settings in sites.values()]
        with pytest.raises(TooFewPatients):
            rehearse(there[0].job, [one.data() for one in there])

    def test_weights_that_are_not_finite(self, sites: dict[str, Settings], model: Path, tmp_path: Path) -> None:
        from safetensors.numpy import load_file, save_file

        broken = changed(model, tmp_path / "model")
        weights = load_file(model / WEIGHTS[MASKS])
        next(array for array in weights.values() if array.dtype.kind == "f").flat[0] = np.nan
        save_file(weights, broken / WEIGHTS[MASKS])
        rehash(broken)
        with pytest.raises(NotFinite):
            at(sites["east"].model_copy(update={"model_dir": broken}))

    def test_a_training_that_diverges(self, sites: dict[str, Settings]) -> None:
        trainer = at(sites["east"], **SHORT).data()
        start = trainer.shared.read()
        with pytest.raises(TrainingDiverged):
            trainer.trained(np.full_like(start, 1e38), 1)


def changed(model: Path, folder: Path, **shape: Any) -> Path:
    """A copy of a model folder whose mask autoencoder says another shape; its manifest fits."""
    shutil.copytree(model, folder)
    told = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps({**told, "shape": {**told["shape"], **shape}}))
    rehash(folder)
    return folder


def load_two(folder: Path) -> Path:
    """Weights that fit a description of two labels."""
    from safetensors.numpy import save_file

    fresh = fresh_mask_autoencoder(replace(MASK_SHAPE, label_count=2))
    save_file(fresh.weights(), folder / WEIGHTS[MASKS])
    rehash(folder)
    return folder
