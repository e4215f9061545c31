"""The activation autoencoder of a seed: beside its network, and without it the network is the same one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hospital_agent.evaluation.networks import network_name
from hospital_agent.evaluation.tasks import FolderTask, Setting, TrainingPlan, tasks
from tests.hospital_agent.evaluation.test_tasks import described
from tests.labelled_images import write_balls

ORDINARY = tasks.load("hospital_agent.evaluation.tasks")


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("balls")
    write_balls(folder, patients=8)
    return folder


@pytest.fixture
def task(balls: Path) -> FolderTask:
    torch.set_num_threads(1)
    found = described(balls)
    return replace(found, members=2, plan=replace(found.plan, steps=2, autoencoder_steps=2))


def test_networks_and_rows_of_old_keep_their_names_when_an_autoencoder_is_added(task: FolderTask) -> None:
    without = replace(task, plan=replace(task.plan, autoencoder_steps=0))
    assert network_name(task, ["a"], 0) == network_name(without, ["a"], 0)
    assert task.fingerprint() == without.fingerprint()
    other = replace(task, plan=replace(task.plan, steps=3))
    assert network_name(task, ["a"], 0) != network_name(other, ["a"], 0)
    assert task.fingerprint() != other.fingerprint()


def test_the_plan_of_a_network_is_told_as_before_there_were_autoencoders() -> None:
    plan = TrainingPlan((1, 2, 3), 4, 5, autoencoder_steps=6)
    assert plan.of_network() == {"patch": (1, 2, 3), "steps": 4, "batch": 5, "learning_rate": 3e-3}


def test_the_first_member_alone_tells_what_an_autoencoder_changes(
    task: FolderTask, balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = Setting(balls, tmp_path, device="cpu")
    experiment = task.experiment(setting, 0)
    example = experiment.parts.test[0]
    first, second = experiment.scorer(example).members
    assert first.segment(example.content[0]).distortion is not None
    assert second.segment(example.content[0]).distortion is None
    reference = experiment.scorer(example).reference
    assert {"segmentation_distortion", "latent_mahalanobis"} <= set(reference.scores)
    (made,) = tmp_path.glob("networks/seed0-*/member0/autoencoder-*/autoencoder.json")
    assert (made.parents[1] / "network.pt").exists()
    monkeypatch.setattr("hospital_agent.evaluation.networks.train_for", lambda *_: pytest.fail("trained again"))
    again = task.experiment(setting, 0).scorer(example).members[0].segment(example.content[0])
    told = first.segment(example.content[0]).distortion
    assert told is not None
    assert again.distortion is not None
    assert again.distortion.by_class.tolist() == told.by_class.tolist()


def test_without_one_the_scores_say_how_to_get_one(task: FolderTask, balls: Path, tmp_path: Path) -> None:
    without = replace(task, members=1, plan=replace(task.plan, autoencoder_steps=0))
    experiment = without.experiment(Setting(balls, tmp_path, device="cpu"), 0)
    refused = experiment.scorer(experiment.parts.test[0]).reference.refused
    for name in ("segmentation_distortion", "segmentation_distortion_foreground", "latent_mahalanobis"):
        assert "hospital-agent fit --method segmentation_distortion" in refused[name]
    assert not list(tmp_path.glob("networks/*/*/autoencoder*"))


@pytest.mark.parametrize("name", ["hippocampus", "cardiac_mr"])
def test_the_tasks_of_the_paper_s_kind_train_one(name: str) -> None:
    found = ORDINARY.get(name)
    assert isinstance(found, FolderTask)
    assert found.plan.autoencoder_steps > 0
