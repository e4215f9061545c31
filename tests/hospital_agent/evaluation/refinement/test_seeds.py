"""A seed's study from images to a file: candidates of one training, measured once, read afterwards."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hospital_agent.evaluation.networks import FolderExperiment
from hospital_agent.evaluation.refinement.seeds import refinement_of_seed, trained_candidates
from hospital_agent.evaluation.tasks import FolderTask, RefinementStudy, Setting, Split
from tests.hospital_agent.evaluation.test_tasks import TOML, described
from tests.labelled_images import write_balls

WANTED = RefinementStudy(strength=3, epochs=1)


@pytest.fixture(scope="module", autouse=True)
def hardly_trained_mask_autoencoder() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hospital_agent.evaluation.companions.MASK_STEPS", 10)
        yield


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("balls")
    write_balls(folder, patients=8)
    return folder


@pytest.fixture(scope="module")
def task(balls: Path) -> FolderTask:
    torch.set_num_threads(1)
    text = TOML.replace("steps = 20", "steps = 60").replace('"contrast_and_noise", ', "")
    return replace(described(balls, text), split=Split(validation=4, test=2))


def test_a_seed_is_studied_once_and_read_afterwards(
    task: FolderTask, balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = FolderExperiment(task, Setting(balls, tmp_path, device="cpu"), 0)
    first = refinement_of_seed(experiment, WANTED)
    assert first.seed == 0
    assert {case.patient for case in first.cases} <= {one.patient for one in experiment.parts.test}
    assert {(case.family, case.strength) for case in first.cases} <= {("none", 0), ("blur_and_low_resolution", 3)}
    assert first.cases or "Fences" in first.outcome

    def never(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("hospital_agent.evaluation.refinement.seeds.study", never)
    assert refinement_of_seed(experiment, WANTED) == first
    with pytest.raises(AssertionError, match="measured again"):
        refinement_of_seed(experiment, replace(WANTED, strength=2))


def test_the_candidates_are_the_three_best_of_one_training(task: FolderTask, balls: Path, tmp_path: Path) -> None:
    experiment = FolderExperiment(task, Setting(balls, tmp_path, device="cpu"), 0)
    found = trained_candidates(experiment)
    weights = [one.network.state_dict() for one in found]
    assert len(found) == 3
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    again = trained_candidates(experiment)
    assert all(torch.equal(again[2].network.state_dict()[name], weights[2][name]) for name in weights[2])
