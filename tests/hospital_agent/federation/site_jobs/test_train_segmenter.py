"""Training the segmenter over three sites: what each learns from, what is refused, and what is proposed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hospital_agent.federation.asked import NoData, NoPrivacyRule, OptionRefused
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.labelled import labelled_cases
from hospital_agent.federation.network_training import parted
from hospital_agent.federation.proposals import NETWORK, proposals
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.model_folder import load_model
from hospital_agent.settings import Settings
from hospital_agent.training.local_training import SharedWeights
from tests.federated_sites import write_site
from tests.model_folder import write_model

SITES = ("east", "north", "west")
RUN = "0123456789abcdef" * 2
SHORT: dict[str, Any] = {"rounds": 2, "steps": 6, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, model: Path) -> dict[str, Settings]:
    return {
        name: write_site(tmp_path_factory.mktemp(name), name, model, patients=3, seed=seed)
        for seed, name in enumerate(SITES)
    }


def at(settings: Settings, **options: Any) -> AtSite[Any, Any]:
    return site_jobs.load("hospital_agent.federation.site_jobs").get("train_segmenter")(settings, options)


@pytest.fixture(scope="module")
def run(sites: dict[str, Settings]) -> Any:
    there = {name: at(settings, **SHORT) for name, settings in sites.items()}
    result = rehearse(there["east"].job, [one.data() for one in there.values()]).result
    return there, result, {name: one.conclude(result, Ended(RUN, SITES)) for name, one in there.items()}


def test_all_sites_begin_with_the_same_weights_and_name_the_same_thing(sites: dict[str, Settings]) -> None:
    east, north = at(sites["east"]), at(sites["north"], rounds=3)
    np.testing.assert_array_equal(east.job.start, north.job.start)
    assert east.quantity == north.quantity


def test_patients_are_learnt_from_or_judged_on_and_never_both(sites: dict[str, Settings], model: Path) -> None:
    patients = {case.patient for case in labelled_cases(sites["east"], load_model(model), 1, lambda said: None)}
    teachers, judges = parted(patients)
    assert (len(teachers), len(judges)) == (2, 1)
    assert (teachers | judges, teachers & judges) == (patients, set())
    there = at(sites["east"]).data()
    assert (there.patients, there.cases + there.judged_cases) == (2, 4)


def test_the_loss_of_all_sites_falls_and_every_site_is_told_the_same(run: Any) -> None:
    _, result, told = run
    assert result.cohort.sites == 3
    assert len(result.dice) == 3
    assert told["east"] == told["north"] == told["west"]
    assert told["east"]["sites"] == 3
    assert told["east"]["proposed"] == result.is_better


def test_better_weights_are_proposed_and_no_others(run: Any, sites: dict[str, Settings]) -> None:
    there, result, _ = run
    better = type(result)(result.weights, result.cohort, (0.1, 0.2), None)
    worse = type(result)(result.weights, result.cohort, (0.2, 0.1), None)
    kept = "1" * 32
    there["east"].conclude(better, Ended(kept, SITES))
    there["east"].conclude(worse, Ended("2" * 32, SITES))
    found = {one.run: one for one in proposals(sites["east"])}
    assert kept in found
    assert "2" * 32 not in found
    card = found[kept].card
    assert (card["job"], card["sites"], card["patients"]) == ("train_segmenter", list(SITES), result.cohort.patients)
    assert (found[kept].folder / NETWORK).exists()


def test_the_proposed_file_holds_the_averaged_weights(run: Any, sites: dict[str, Settings], model: Path) -> None:
    from safetensors.torch import load_file

    there, result, _ = run
    there["east"].conclude(type(result)(result.weights, result.cohort, (0.1, 0.2), None), Ended("3" * 32, SITES))
    (proposal,) = [one for one in proposals(sites["east"]) if one.run == "3" * 32]
    segmenter: Any = load_model(model).segmenter
    segmenter.network.load_state_dict(load_file(proposal.folder / NETWORK))
    np.testing.assert_allclose(SharedWeights(segmenter.network).read(), result.weights, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rounds": 0}, "rounds"),
        ({"steps": 10**6}, "steps"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"noise": "much"}, "noise"),
        ({"layers": 3}, "layers"),
    ],
)
def test_what_the_centre_asks_is_checked(sites: dict[str, Settings], options: Any, named: str) -> None:
    with pytest.raises(OptionRefused, match=named):
        at(sites["east"], **options)


def test_without_a_k_nothing_is_given(sites: dict[str, Settings]) -> None:
    with pytest.raises(NoPrivacyRule):
        at(sites["east"].model_copy(update={"k": None}))


def test_a_site_without_reference_masks_has_nothing_to_train_on(sites: dict[str, Settings]) -> None:
    with pytest.raises(NoData, match="reference masks"):
        at(sites["east"].model_copy(update={"federation_references": None})).data()


def test_noise_is_told_with_what_it_costs(sites: dict[str, Settings]) -> None:
    there = at(sites["east"], noise=4.0, **SHORT)
    assert there.job.noise.multiplier == 4.0
    result = rehearse(there.job, [at(settings, noise=4.0, **SHORT).data() for settings in sites.values()]).result
    assert there.conclude(result, Ended("4" * 32, SITES))["epsilon"] == pytest.approx(1.76, abs=0.01)
