"""Three sites with stores, keys and policies train both autoencoders under a real centre; one site accepts."""

from typing import Any

import numpy as np
import pytest
import torch

from hospital_agent.federation.autoencoders import ACTIVATIONS, MASKS, WEIGHTS
from hospital_agent.federation.in_use import model_in_use
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.proposals import proposal
from hospital_agent.federation.site_jobs import site_jobs
from hospital_agent.federation.versions import accept, prepare, roll_back
from hospital_agent.store import ledger
from tests.autoencoded_model import write_autoencoded, write_ball_site
from tests.federated_sites import FederatedSites

NAMES = ("east", "north", "west")
JOBS = {"train_mask_autoencoder": MASKS, "train_segmentation_distortion": ACTIVATIONS}
OPTIONS = {
    "train_mask_autoencoder": {"rounds": 1, "steps": 8, "learning_rate": 0.02},
    "train_segmentation_distortion": {"rounds": 1, "steps": 4, "learning_rate": 0.005},
}
POLICY = 'partners = "pinned"\nmost_numbers = 100000\ntraining = {training}\n' + "".join(
    f"[jobs.{job}]\nallowed = true\n" for job in JOBS
)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("sites")
    model = write_autoencoded(folder / "model")
    settings = [
        write_ball_site(folder / name, name, model, patients=3, seed=number) for number, name in enumerate(NAMES)
    ]
    for one in settings:
        allow(one, training=True)
    sites = FederatedSites(settings)
    yield sites
    sites.close()


def allow(settings: Any, training: bool) -> None:
    settings.federation_policy_file.write_text(POLICY.replace("{training}", str(training).lower()))


def run_of(job: str) -> str:
    return ("a1" if job == "train_mask_autoencoder" else "b2") * 16


@pytest.mark.parametrize("job", list(JOBS))
def test_under_secure_sums_it_comes_to_what_plain_addition_would(federation: FederatedSites, job: str) -> None:
    from safetensors.numpy import load

    ended = federation.conduct(run_of(job), job, OPTIONS[job])
    assert ended.completed, ended.sentence
    assert ended.told is not None
    assert (ended.told["sites"], ended.told["proposed"]) == (3, True)
    there = [site_jobs.get(job)(one, OPTIONS[job]) for one in federation.settings.values()]
    expected = rehearse(there[0].job, [one.data() for one in there]).result
    for settings in federation.settings.values():
        weights = load(proposal(settings, run_of(job)).checked(WEIGHTS[JOBS[job]]))
        names = sorted(name for name, value in weights.items() if value.dtype.kind == "f")
        found = np.concatenate([weights[name].ravel() for name in names])
        np.testing.assert_allclose(found, expected.weights, atol=1e-5)


@pytest.mark.parametrize("job", list(JOBS))
def test_what_left_stands_in_the_ledger_and_one_site_accepts_and_returns(federation: FederatedSites, job: str) -> None:
    north = federation.settings["north"]
    with federation.stores["north"].read() as session:
        assert ledger.verify(session).count > 0
        rows = [told for row in ledger.rows(session) if (told := ledger.told_of(row.body))["run"] == run_of(job)]
    masked = [body for body in rows if body["what"] == "masked vector"]
    assert [body["round"] for body in masked] == [1, 2, 3]
    assert {body["quantity"].partition("/")[0] for body in masked} == {job}
    assert rows[-1]["what"] == "outcome"
    prepared = prepare(north, run_of(job))
    assert prepared.comparison is not None
    accept(north, prepared)
    folder = model_in_use(north)
    assert folder is not None
    assert folder != north.model_dir
    roll_back(north)
    assert model_in_use(north) == north.model_dir
    assert model_in_use(federation.settings["east"]) == federation.settings["east"].model_dir


@pytest.mark.parametrize("job", list(JOBS))
def test_a_site_that_forbids_training_is_not_even_asked_for_its_model(
    federation: FederatedSites, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[str] = []
    inside = site_jobs.get(job)
    monkeypatch.setitem(site_jobs._things, job, lambda one, options: prepared.append(one.site) or inside(one, options))
    allow(federation.settings["west"], training=False)
    try:
        ended = federation.conduct("c3" * 16, job, OPTIONS[job], tries=1, attempts=1)
    finally:
        allow(federation.settings["west"], training=True)
    assert not ended.completed
    assert "west" not in prepared


def test_what_no_site_would_choose_is_refused(federation: FederatedSites) -> None:
    ended = federation.conduct("d4" * 16, "train_mask_autoencoder", {"steps": 10**6}, tries=1, attempts=1)
    assert not ended.completed
