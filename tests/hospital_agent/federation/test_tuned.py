"""A proposed network that a site trains on with its own images before it puts it to use."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hospital_agent.assembly import site_pseudonyms
from hospital_agent.federation import tuned
from hospital_agent.federation.asked import NoData
from hospital_agent.federation.in_use import versions
from hospital_agent.federation.labelled import bundled, load, weights_file
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.proposals import NETWORK, OWN_PATIENTS, keep_proposal, patients_file, proposal
from hospital_agent.federation.site_jobs import Ended
from hospital_agent.federation.versions import accept, prepare
from hospital_agent.settings import Settings
from shared.errors import SettingsError
from tests.federated_sites import write_site
from tests.model_folder import write_model

RUN, NOBODY, EVERYBODY, GAUSSIAN = "5a" * 16, "4b" * 16, "3c" * 16, "2d" * 16


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A site with three proposals of a network: four, none and all of its five patients have taught it."""
    torch.set_num_threads(1)
    model = write_model(tmp_path_factory.mktemp("model"))
    settings = write_site(tmp_path_factory.mktemp("site"), "north", model, patients=5, seed=1)
    pseudonyms = site_pseudonyms(settings.data_dir)
    network = weights_file(bundled(load(model, settings)))
    for run, taught in ((RUN, 4), (NOBODY, 0), (EVERYBODY, 5)):
        patients = [pseudonyms.of("patient", f"north{i}") for i in range(taught)]
        files = {NETWORK: network, OWN_PATIENTS: patients_file(patients)}
        keep_proposal(settings, "train_segmenter", hash_of(model), Ended(run, ("east", "north", "west")), {}, files)
    return settings


def test_it_is_trained_on_and_is_another_version(site: Settings) -> None:
    plain = prepare(site, RUN)
    accept(site, plain)
    said: list[str] = []
    prepared = prepare(site, RUN, say=said.append, tune=4)
    images = len(list((site.federation_images or Path()).glob("north4__*")))
    assert any(line.startswith(f"trained on for 4 steps: Dice of {images} held-out image") for line in said)
    one, other = (site.federation_dir / "versions" / change.folder for change in (plain.change, prepared.change))
    assert (one / NETWORK).read_bytes() != (other / NETWORK).read_bytes()
    told = [json.loads((folder / "manifest.json").read_text())["version"] for folder in (one, other)]
    assert told == ["0.0.1+fed.5a5a5a5a", "0.0.1+fed.5a5a5a5a.tuned4"]
    assert "trained on for 4 steps" in (other / "MODEL_CARD.md").read_text()
    assert "trained on" not in (one / "MODEL_CARD.md").read_text()
    accept(site, prepared)
    assert [change.folder for change in versions(site)] == [plain.change.folder, prepared.change.folder]
    with pytest.raises(SettingsError, match="in use already"):
        prepare(site, RUN, tune=4)


def test_it_begins_at_the_proposed_weights_and_at_no_step_ends_there(site: Settings, monkeypatch) -> None:
    from safetensors.numpy import load as arrays

    base = site.model_dir
    assert base is not None
    one = proposal(site, RUN)
    monkeypatch.setattr(tuned, "LEARNING_RATE", 0.0)
    still = arrays(tuned.trained_on(site, base, one, 2, lambda _: None))
    proposed = arrays(one.checked(NETWORK))
    assert all(np.array_equal(still[name], proposed[name]) for name in proposed)


def test_one_that_is_worse_here_is_refused_and_leaves_nothing(site: Settings, monkeypatch) -> None:
    judged = iter([0.8, 0.7])
    monkeypatch.setattr(
        "hospital_agent.training.local_training.LocalTrainer.dice_sum", lambda self, weights: next(judged)
    )
    with pytest.raises(tuned.WorseHere, match="accept it as proposed"):
        prepare(site, RUN, tune=2)
    assert not list(site.federation_dir.glob("versions/*tuned2*"))


@pytest.mark.parametrize("run", [NOBODY, EVERYBODY])
def test_it_needs_patients_who_teach_and_others_who_judge(site: Settings, run: str) -> None:
    with pytest.raises(NoData, match="others who judge"):
        prepare(site, run, tune=2)


def test_only_a_network_can_be_trained_on(site: Settings) -> None:
    base = site.model_dir or Path()
    card = {"score": "mahalanobis"}
    keep_proposal(site, "gaussian", hash_of(base), Ended(GAUSSIAN, ("east", "north", "west")), card, {})
    with pytest.raises(SettingsError, match="no network"):
        prepare(site, GAUSSIAN, tune=2)
