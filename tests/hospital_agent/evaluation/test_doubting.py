"""Networks that were trained for doubting: lazily, beside the first member, kept, and told apart; or n/a, and why."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.evaluation.companions import MOST_OUTLIERS, companions_of
from hospital_agent.evaluation.config import quick
from hospital_agent.evaluation.doubting import NO_OUTLIERS, NO_TRAINING, NOT_THERE, DoubtingNetworks, outliers_of
from hospital_agent.evaluation.measured import lacking, measurements
from hospital_agent.evaluation.networks import FolderExperiment, network_name
from hospital_agent.evaluation.rows import Condition
from hospital_agent.evaluation.scoring import Scorer
from hospital_agent.evaluation.tasks import FolderTask, Setting, Split, tasks
from hospital_agent.evaluation.tasks.chest_ct import ChestCt
from hospital_agent.training.loop import TrainingDiverged
from tests.hospital_agent.evaluation.test_tasks import TOML, described
from tests.labelled_images import write_balls

sampled_scores.load("hospital_agent.analysis.uncertainty")
ORDINARY = tasks.load("hospital_agent.evaluation.tasks")
SOURCES = ("outlier_exposure", "lee_gan")
DOUBTING = "hospital_agent.evaluation.doubting"


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("balls")
    write_balls(folder, patients=5)
    write_balls(folder / "foreign", patients=3, images=5, shape=(12, 20, 10))
    return folder


@pytest.fixture(scope="module")
def task(balls: Path) -> FolderTask:
    told = TOML.replace("steps = 20", "steps = 2\ncompanion_steps = 2\noutliers = 'foreign/images'")
    return replace(described(balls, told), split=Split(1, 1), strengths=(1,))


@pytest.fixture(scope="module")
def trained(task: FolderTask, balls: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The judged network and its autoencoder of masks alone."""
    out = tmp_path_factory.mktemp("trained")
    made(task, balls, out)
    return out


@pytest.fixture
def out(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def made(task: FolderTask, balls: Path, out: Path) -> Scorer:
    experiment = FolderExperiment(task, Setting(balls, out, device="cpu"), 0)
    return experiment.scorer(experiment.parts.test[0])


def places(out: Path) -> set[str]:
    return {path.parent.name for path in out.glob("networks/*/member0/*/network.pt")}


def weights(segmenter: object) -> list[torch.Tensor]:
    assert isinstance(segmenter, BundledSegmenter)
    return list(segmenter.network.state_dict().values())


def test_each_is_trained_when_it_is_asked_for_kept_and_read_again(
    task: FolderTask, balls: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = made(task, balls, out)
    first = [value.clone() for value in weights(scorer.doubting.first)]  # type: ignore[attr-defined]
    assert not places(out)
    found = {}
    for number, source in enumerate(SOURCES, start=1):
        found[source] = scorer.doubting(source)
        assert scorer.doubting(source) is found[source]
        assert len(places(out)) == number
        assert any(not torch.equal(a, b) for a, b in zip(first, weights(found[source]), strict=True))
    for a, b in zip(first, weights(scorer.doubting.first), strict=True):  # type: ignore[attr-defined]
        assert torch.equal(a, b), "the judged network is as it was"
    for name in ("expose", "train_lee"):
        monkeypatch.setattr(f"{DOUBTING}.{name}", lambda *_: pytest.fail("trained again"))
    again = made(task, balls, out)
    for source in SOURCES:
        for a, b in zip(weights(found[source]), weights(again.doubting(source)), strict=True):
            assert torch.equal(a, b)


def test_another_length_lies_under_another_name_beside_the_same_network(
    task: FolderTask, balls: Path, out: Path
) -> None:
    longer = replace(task, plan=replace(task.plan, companion_steps=3))
    for one in (task, longer):
        made(one, balls, out).doubting("lee_gan")
    assert len(places(out)) == 2
    assert len(list((out / "networks").glob("seed0-*"))) == 1
    assert companions_of(task)["lee_gan"] != companions_of(longer)["lee_gan"]


def test_only_asked_scores_train_and_a_value_is_the_other_network_s_doubt(
    task: FolderTask, balls: Path, out: Path
) -> None:
    experiment = FolderExperiment(task, Setting(balls, out, device="cpu"), 0)
    example = experiment.parts.test[0]
    scorer, subject = experiment.scorer(example), task.under(example, Condition(), 0)
    scorer.score(subject, Condition(), "test", {"max_softmax": "1"})
    assert not places(out)
    row = scorer.score(subject, Condition(), "test", {"lee_gan": "1"})
    assert len(places(out)) == 1
    softmax = scorer.doubting("lee_gan").segment(subject.volume).class_probabilities
    assert softmax is not None
    classes = len(softmax)
    expected = (1 - softmax.astype(np.float64).max(axis=0).mean()) * classes / (2 * (classes - 1))
    assert row.values["lee_gan"] == pytest.approx(expected, rel=1e-4)
    assert row.seconds["lee_gan"] > 0


def test_what_cannot_be_trained_says_why(task: FolderTask, balls: Path, out: Path) -> None:
    for source, other, why in (
        ("lee_gan", replace(task, plan=replace(task.plan, companion_steps=0)), NO_TRAINING),
        ("outlier_exposure", replace(task, plan=replace(task.plan, companion_steps=0)), NO_TRAINING),
        ("outlier_exposure", replace(task, outliers=()), NO_OUTLIERS),
        ("outlier_exposure", replace(task, outliers=("nowhere",)), NOT_THERE),
    ):
        experiment = FolderExperiment(other, Setting(balls, out, device="cpu"), 0)
        example = experiment.parts.test[0]
        row = experiment.scorer(example).score(other.under(example, Condition(), 0), Condition(), "test", {source: "1"})
        assert row.failures == {source: why}
        assert source not in row.values
    assert not places(out)


def test_a_training_that_diverged_is_told_and_not_tried_again(
    task: FolderTask, balls: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def diverges(*_: object) -> None:
        tried.append(1)
        raise TrainingDiverged("The loss is not a number.")

    doubting = made(task, balls, out).doubting
    assert isinstance(doubting, DoubtingNetworks)
    monkeypatch.setattr(f"{DOUBTING}.train_lee", diverges)
    for _ in range(2):
        with pytest.raises(NotApplicable, match="not a number"):
            doubting("lee_gan")
    assert len(tried) == 1


def test_outliers_are_a_few_of_each_folder_spread_over_it(task: FolderTask, balls: Path) -> None:
    both = outliers_of(replace(task, outliers=("foreign/images", "images")), balls)
    names = [name for name, _ in both]
    assert sum(name.startswith("foreign/images/") for name in names) == MOST_OUTLIERS < 15
    assert {"p00", "p01", "p02"} == {name[15:18] for name in names if name.startswith("foreign")}
    assert sum(name.startswith("images/") for name in names) == 5
    assert both[0][1]().shape == (10, 20, 12)


def test_networks_rows_and_versions_of_old_stay_what_they_were(task: FolderTask) -> None:
    without = replace(task, plan=replace(task.plan, companion_steps=0), outliers=())
    assert network_name(task, ["a"], 0) == network_name(without, ["a"], 0)
    assert task.fingerprint() == without.fingerprint()
    old, new = (measurements(2, companions_of(one), several_passes=True) for one in (without, task))
    assert {name for name in new if old[name] != new[name]} == set(SOURCES)
    assert not set(SOURCES) & measurements(2, companions_of(task), several_passes=False).keys()
    assert {name for name, _ in lacking_of(old, new)} == set(SOURCES)
    elsewhere = measurements(2, companions_of(replace(task, outliers=("elsewhere",))), several_passes=True)
    assert {name for name in new if elsewhere[name] != new[name]} == {"outlier_exposure"}


def lacking_of(old: dict[str, str], new: dict[str, str]) -> list[tuple[str, str]]:
    from hospital_agent.evaluation.rows import Scored

    row = Scored("t", 0, "test", "p", "p", Condition(), 0.5, {}, None, None, None, None, {}, {}, {}, old)
    return list(lacking(row, new).items())


def test_the_hearts_train_both_with_other_organs() -> None:
    found = ORDINARY.get("cardiac_mr")
    assert isinstance(found, FolderTask)
    assert set(SOURCES) <= companions_of(found).keys()
    assert found.images not in found.outliers
    short = quick(found)
    assert isinstance(short, FolderTask)
    assert 0 < short.plan.companion_steps < found.plan.companion_steps
    assert companions_of(short)["lee_gan"] != companions_of(found)["lee_gan"]


def test_where_several_passes_are_too_dear_there_is_no_second_network_either() -> None:
    stack = ORDINARY.get("cardiac_mr_3d")
    assert isinstance(stack, FolderTask)
    assert stack.plan.companion_steps == 0
    assert not stack.several_passes
    assert not ChestCt().several_passes
