"""The study of several organs on phantoms: splits, networks, rows, resumption, and what it refuses."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.cli import app
from hospital_agent.evaluation.results_page import results_page
from hospital_agent.evaluation.rows import Scored
from hospital_agent.evaluation.several_organs import datasets as organs
from hospital_agent.evaluation.several_organs.datasets import CARDIAC, DATASETS, HIPPOCAMPI, LESIONS, LUNGS, TILE
from hospital_agent.evaluation.several_organs.measuring import asked_scores, judged_rows, segmented_rows
from hospital_agent.evaluation.several_organs.networks import (
    FINE_TUNED,
    JOINT,
    SINGLE,
    STRATEGIES,
    Networks,
    Recipe,
    TrainingPlan,
    recipe_of,
    recipe_without,
)
from hospital_agent.evaluation.several_organs.study import SeveralOrgans
from hospital_agent.evaluation.tasks import Split
from hospital_agent.evaluation.tasks.reading import NoImages
from hospital_agent.simulation.hosts import phantom_host
from hospital_agent.training.pool import IGNORE
from tests.labelled_images import write_balls

SHAPE = (20, 20, 12)  # on disk (x, y, z), 2 mm
SMALL = tuple(
    replace(
        dataset,
        split=Split(1, 1),
        scored_patients=1,
        most_training_patients=3,
        grid=replace(dataset.grid, spacing_mm=(8.0, 2.0, 2.0), tile=(1, 24, 24)),
    )
    for dataset in (CARDIAC, HIPPOCAMPI, LUNGS)
)
PLAN = TrainingPlan(
    replace(TrainingPlan().shape, channels=(4, 8)), steps=4, batch=2, learning_rate=1e-3, held_out_batches=1
)
STUDY = SeveralOrgans(SMALL, PLAN)


@pytest.fixture(scope="module", autouse=True)
def few_strangers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hospital_agent.evaluation.several_organs.measuring.MOST_STRANGERS", 2)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("data")
    for name in ("cardiac_mr", "hippocampus", "small_chest_ct"):
        write_balls(folder / name, patients=5, shape=SHAPE)
    (folder / "small_chest_ct" / "labels").rename(folder / "small_chest_ct" / "lungs")
    return folder


@pytest.fixture(scope="module")
def out(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    STUDY.run(data, folder, [0], quick=False, device="cpu", command="hospital-agent evaluate")
    return folder


def networks_of(data: Path, out: Path) -> Networks:
    parts = {one.name: one.parts(one.read(data, out), 0) for one in SMALL}
    return STUDY.networks(parts, out, 0, "cpu")


def test_every_dataset_has_one_tile_and_one_label(data: Path, tmp_path: Path) -> None:
    assert {dataset.grid.tile for dataset in DATASETS} == {TILE}
    assert [dataset.name for dataset in DATASETS] == ["cardiac_mr", "hippocampus", "small_chest_lungs", "chest_ct"]
    example = CARDIAC.read(data, tmp_path)[0]
    assert set(np.unique(example.content[1])) == {0, 1}  # the two balls are one organ
    subject = CARDIAC.subject(example)
    assert subject.label_count == 1
    assert subject.ignore is None


def test_no_patient_is_in_two_parts_and_strangers_are_never_repeated(data: Path, tmp_path: Path) -> None:
    for dataset in SMALL:
        parts = dataset.parts(dataset.read(data, tmp_path), 0)
        people = [{one.patient for one in part} for part in (parts.train, parts.validation, parts.test)]
        assert sum(map(len, people)) == len(set.union(*people)) == 5
        strangers = dataset.strangers(parts, 4)
        assert len({one.name for one in strangers}) == 4
        assert strangers[0] in parts.test


def test_the_working_image_is_normalised_and_what_is_not_known_stays_unknown(data: Path, tmp_path: Path) -> None:
    example = CARDIAC.read(data, tmp_path)[0]
    _, labels = example.content
    labels[:] = 0
    labels[:, :10] = IGNORE
    item = CARDIAC.item(example)
    assert item.image.shape == item.labels.shape
    assert float(item.image.mean()) == pytest.approx(0.0, abs=0.05)
    assert set(np.unique(item.labels)) == {0, IGNORE}
    subject = CARDIAC.subject(example)
    assert subject.ignore is not None
    assert subject.ignore.sum() == (labels == IGNORE).sum()
    assert not subject.labels.any()


def test_lesions_are_inserted_into_hosts_of_four_patients(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hosts = [phantom_host(number, (36, 34, 40), (6.0, 6.0, 6.0)) for number in range(4)]
    monkeypatch.setattr(organs, "shippable_hosts", lambda _: hosts)
    monkeypatch.setattr(organs, "SHIPPABLE", {})
    examples = LESIONS.read(tmp_path, tmp_path / "work")
    assert len(examples) == 4 * organs.LESION_COPIES
    parts = LESIONS.parts(examples, 0)
    assert [len({one.patient for one in part}) for part in (parts.train, parts.validation, parts.test)] == [2, 1, 1]
    volume, labels = examples[0].content
    assert volume.spacing_mm == LESIONS.grid.spacing_mm
    assert (labels == 1).any()
    assert volume.shape == labels.shape == LESIONS.item(examples[0]).labels.shape


def test_a_dataset_without_images_has_a_name(tmp_path: Path) -> None:
    for dataset in DATASETS:
        with pytest.raises(NoImages):
            dataset.read(tmp_path, tmp_path)


SIZES = {"a": 10, "b": 100, "c": 3}


def test_each_strategy_uses_its_own_network_and_fine_tuning_starts_from_the_largest_other() -> None:
    assert recipe_of(SINGLE, "a", SIZES) == Recipe(("a",))
    assert recipe_of(JOINT, "a", SIZES) == recipe_of(JOINT, "b", SIZES) == Recipe(("a", "b", "c"))
    assert recipe_of(FINE_TUNED, "c", SIZES) == Recipe(("c",), start=Recipe(("b",)))
    assert recipe_of(FINE_TUNED, "b", SIZES) == Recipe(("b",), start=Recipe(("a",)))
    made = {recipe_of(strategy, "a", SIZES) for strategy in STRATEGIES}
    assert len(made) == len({one.name for one in made}) == 5


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (lambda: recipe_of(JOINT, "a", {"a": 3}), "at least two datasets"),
        (lambda: recipe_without("a", ["a", "b"]), "at least three datasets"),
        (lambda: run(SMALL[:1]), "at least two datasets"),
        (lambda: run(SMALL[:2]), "at least three datasets"),
    ],
)
def test_too_few_datasets_are_refused_in_a_sentence(refused: Callable[[], object], says: str) -> None:
    with pytest.raises(TooFewCases, match=says):
        refused()


def run(datasets: tuple[organs.Dataset, ...]) -> Path:
    nowhere = Path("nowhere")  # refused before anything is read
    return SeveralOrgans(datasets, PLAN).run(nowhere, nowhere, [0], quick=True, device="cpu", command="")


def test_a_network_lies_under_a_name_that_changes_with_all_it_is_made_of(data: Path, tmp_path: Path) -> None:
    networks = networks_of(data, tmp_path)
    recipe = Recipe(("cardiac_mr",))
    others = [
        replace(networks, seed=1),
        replace(networks, plan=replace(PLAN, steps=5)),
        replace(networks, plan=replace(PLAN, alpha=0.5)),
    ]
    names = {one.fingerprint(recipe) for one in [networks, *others]}
    names |= {networks.fingerprint(one) for one in (Recipe(("cardiac_mr",), mixup=True), Recipe(("hippocampus",)))}
    start = Recipe(("hippocampus",))
    names |= {networks.fingerprint(Recipe(("cardiac_mr",), start=one)) for one in (start, replace(start, mixup=True))}
    fewer = {**networks.parts, "cardiac_mr": replace(networks.parts["cardiac_mr"], train=[])}
    names.add(replace(networks, parts=fewer).fingerprint(recipe))
    assert len(names) == 9


def test_every_registered_score_of_one_network_is_asked_for() -> None:
    asked = asked_scores()
    alone = {name for name, score in ood_scores.items() if not getattr(score, "needs", "")}
    assert (
        {"spectral_signature", "spectral_signature_paper", "mahalanobis", "mah_dist", "deep_knn"} <= alone <= set(asked)
    )
    assert {"odin", "unc_dropout", "max_softmax", "mean_entropy"} <= set(asked)
    assert not {"smoothness", "unc_ensemble", "segmentation_distortion", "mask_autoencoder_pdc"} & set(asked)


def test_the_whole_study_leaves_rows_networks_and_a_report(data: Path, out: Path) -> None:
    networks = networks_of(data, out)
    rows = list(segmented_rows(networks, out / "rows"))
    assert {(one.strategy, one.dataset) for one in rows} == {(a, b.name) for a in STRATEGIES for b in SMALL}
    assert all(one.row.ece is not None and one.row.dice is not None for one in rows)
    judged = list(judged_rows(networks, out / "rows"))
    for name in networks.datasets:
        its = [one for one in judged if one.left_out == name]
        assert {one.dataset for one in its if one.foreign} == {name}
        assert {one.row.split for one in its if one.foreign} == {"test"}
        assert {one.row.split for one in its if not one.foreign} == {"validation", "test"}
        trained = {one.row.patient for one in its if not one.foreign}
        assert not trained & {f"{kept}/{one.patient}" for kept in networks.parts for one in networks.parts[kept].train}
        assert all(one.row.values["spectral_signature"] is not None for one in its)
        assert {"spectral_signature", "spectral_signature_paper"} <= its[0].thresholds.keys()
    assert len(list((out / "networks").glob("*/network.pt"))) == 3 + 3 + 3 + 2 + 3
    report = (out / "report.md").read_text()
    for said in ("## What it says", "Training strategies", "Left out: hippocampus", "examples and no estimates"):
        assert said in report
    assert (out / "results.csv").read_text().startswith("experiment,dataset,method,seed,n,dice")


def test_a_second_run_trains_and_scores_nothing_and_writes_the_same(
    data: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: (out / name).read_bytes() for name in ("results.csv", "summary.json")}
    for place in ("networks.train", "networks.fine_tune", "measuring.fit_reference", "measuring._scored"):
        monkeypatch.setattr(f"hospital_agent.evaluation.several_organs.{place}", lambda *_: pytest.fail("again"))
    STUDY.run(data, out, [0], quick=False, device="cpu", command="hospital-agent evaluate")
    assert {name: (out / name).read_bytes() for name in before} == before


def test_a_score_in_another_version_is_computed_again_and_no_network_is_trained(
    data: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = networks_of(data, out)
    first = next(iter(judged_rows(networks, out / "rows"))).row
    asked: list[set[str]] = []

    def scored(_scorer: object, _dataset: object, _example: object, _split: object, wanted: dict[str, str]) -> Scored:
        asked.append(set(wanted))
        return replace(first, values={"mean_entropy": 0.5}, measured=dict(wanted))

    there = "hospital_agent.evaluation.several_organs"
    monkeypatch.setattr(f"{there}.measuring.asked_scores", lambda: {**asked_scores(), "mean_entropy": "99"})
    monkeypatch.setattr(f"{there}.measuring._scored", scored)
    monkeypatch.setattr(f"{there}.networks.train", lambda *_: pytest.fail("again"))
    monkeypatch.setattr("hospital_agent.evaluation.cache.RowCache.add", lambda *_: None)
    again = next(iter(judged_rows(networks, out / "rows"))).row
    assert asked
    assert all(one == {"mean_entropy"} for one in asked)
    assert again.values["mean_entropy"] == 0.5
    assert again.values["mahalanobis"] == first.values["mahalanobis"]


def test_the_results_page_shows_a_study_beside_tasks(out: Path) -> None:
    page = results_page([out])
    summary = json.loads((out / "summary.json").read_text())
    assert "## several_organs\n" in page
    assert all(said in page for said in summary["findings"])
    assert "### Training strategies, as in Table II" in page


def test_quick_is_smaller_in_everything_that_costs() -> None:
    short = SeveralOrgans().shortened()
    assert short.plan.steps < SeveralOrgans().plan.steps
    assert all(one.split.test <= 2 and one.images_per_patient == 1 for one in short.datasets)


@pytest.mark.parametrize("option", [["--members", "2"], ["--networks", "."], ["--test-data", "."]])
def test_options_of_tasks_are_refused(tmp_path: Path, option: list[str]) -> None:
    command = ["evaluate", "--task", "several_organs", "--data", str(tmp_path), "--out", str(tmp_path / "out"), *option]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 2
    assert "does not apply to" in told.output


def test_the_command_runs_the_study_by_name(tmp_path: Path) -> None:
    command = [
        "evaluate",
        "--task",
        "several_organs",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        "--quick",
    ]
    told = CliRunner().invoke(app, command)
    assert isinstance(told.exception, NoImages)


def test_a_joint_network_takes_a_share_of_what_its_datasets_take_one_by_one() -> None:
    """The paper's hours: 9 for three datasets of 5 each."""
    plan = replace(PLAN, steps=5)
    assert [plan.steps_for(count) for count in (1, 3)] == [5, 9]
