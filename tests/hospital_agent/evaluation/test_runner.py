"""One small task from images to rows: trained, shifted, segmented, scored by everything that is registered, resumed."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from hospital_agent.analysis.features.smoothness import Smoothness
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.uncertainty import sampled_scores, uncertainty_scores
from hospital_agent.analysis.uncertainty.mean_entropy import MeanEntropy
from hospital_agent.evaluation.rows import Condition, Scored
from hospital_agent.evaluation.runner import Plan, rows_of_seed
from hospital_agent.evaluation.tasks import FolderTask, Setting, Split, Subject
from tests.hospital_agent.evaluation.test_tasks import TOML, described
from tests.labelled_images import write_balls


@pytest.fixture(scope="module", autouse=True)
def hardly_trained_mask_autoencoder() -> Iterator[None]:
    """What its scores are worth is not looked at here, and its training would cost most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hospital_agent.evaluation.companions.MASK_STEPS", 4)
        yield


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("balls")
    write_balls(folder, patients=6)
    write_balls(folder / "foreign", patients=2, shape=(16, 20, 12))
    return folder


@pytest.fixture(scope="module")
def task(balls: Path) -> FolderTask:
    torch.set_num_threads(1)
    text = (
        TOML.replace("steps = 20", "steps = 80")
        .replace("[4, 8]", "[8, 16]")
        .replace('"contrast_and_noise", ', "")
        .replace("batch = 2", "batch = 2\nautoencoder_steps = 3\ncompanion_steps = 3\noutliers = 'foreign/images'")
    )
    return replace(described(balls, text), split=Split(validation=1, test=1), members=2)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def rows(task: FolderTask, balls: Path, out: Path) -> list[Scored]:
    return rows_of_seed(Plan(task, Setting(balls, out, device="cpu")), 0)


def test_every_image_is_there_under_every_condition(rows: list[Scored]) -> None:
    assert len(rows) == 2 * 3
    assert {row.split for row in rows} == {"validation", "test"}
    assert {row.condition for row in rows} == {
        Condition(),
        Condition("blur_and_low_resolution", 1),
        Condition("blur_and_low_resolution", 3),
    }


def test_the_network_has_learned_the_balls(rows: list[Scored]) -> None:
    plain = [row for row in rows if row.condition == Condition()]
    assert min(row.dice or 0.0 for row in plain) > 0.6
    assert all(row.ece is not None and row.hd95_mm is not None and row.assd_mm is not None for row in plain)


def test_every_registered_score_was_computed_where_it_is_due(rows: list[Scored]) -> None:
    one_pass = {*uncertainty_scores.names(), *ood_scores.names(), "volume", "smoothness", "label_1_smoothness"}
    for row in rows:
        several = row.split == "test" or row.condition == Condition()
        assert one_pass <= row.values.keys()
        assert (set(sampled_scores.names()) <= row.values.keys()) == several
    test = next(row for row in rows if row.split == "test")
    defined = {name for name in sampled_scores.names() if test.values[name] is not None}
    assert defined == set(sampled_scores.names())
    assert all(seconds >= 0 for seconds in test.seconds.values())


def test_one_network_has_no_ensemble_and_says_so(
    rows: list[Scored], task: FolderTask, balls: Path, out: Path, tmp_path: Path
) -> None:
    """Scored from nothing, with the networks at hand."""
    shutil.copytree(out / "networks", tmp_path / "networks")
    few = replace(task, members=1, strengths=(1,))
    alone = rows_of_seed(Plan(few, Setting(balls, tmp_path, device="cpu")), 0)
    assert {path.name for path in (tmp_path / "networks").iterdir()} == {
        path.name for path in (out / "networks").iterdir()
    }, "nothing is trained again"
    assert [one.split for one in alone].count("test") == 2
    ensembles = {name for name, unit in sampled_scores.items() if unit.source == "ensemble"}
    assert ensembles
    for one in (one for one in alone if one.split == "test"):
        assert dict.fromkeys(ensembles, "No ensemble was trained for this task.").items() <= one.failures.items()
        assert not ensembles & one.values.keys()


@pytest.fixture
def nothing_is_measured(rows: list[Scored], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image gets the values of one that was scored: no network is trained or asked."""

    class Fixed:
        def score(self, subject: Subject, condition: Condition, split: Literal["validation", "test"], _: Any) -> Scored:
            return replace(rows[0], patient=subject.patient, case=subject.name, condition=condition, split=split)

    monkeypatch.setattr("hospital_agent.evaluation.networks.FolderExperiment.scorer", lambda *_: Fixed())


@pytest.mark.usefixtures("nothing_is_measured")
def test_other_training_images_make_other_rows(task: FolderTask, balls: Path, out: Path, tmp_path: Path) -> None:
    shutil.copytree(out / "rows", tmp_path / "rows")
    before = set((tmp_path / "rows").iterdir())
    rows_of_seed(Plan(replace(task, split=Split(2, 1)), Setting(balls, tmp_path, device="cpu")), 0)
    assert set((tmp_path / "rows").iterdir()) - before


@pytest.mark.usefixtures("nothing_is_measured")
def test_all_images_of_a_part_are_scored_or_those_of_the_patients_that_are_looked_at(
    task: FolderTask, balls: Path, tmp_path: Path
) -> None:
    more = replace(task, split=Split(validation=2, test=2))
    every = rows_of_seed(Plan(more, Setting(balls, tmp_path / "every", device="cpu")), 0)
    assert len({(row.split, row.patient, row.condition) for row in every}) == len(every) == 4 * 3
    some = replace(more, looked_at=Split(validation=1, test=2), strengths=(1,))
    few = rows_of_seed(Plan(some, Setting(balls, tmp_path / "some", device="cpu")), 0)
    assert [len({row.patient for row in few if row.split == split}) for split in ("validation", "test")] == [1, 2]
    assert len(few) == 3 * 2


def test_a_second_run_reads_what_the_first_one_scored(
    rows: list[Scored], task: FolderTask, balls: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr("hospital_agent.evaluation.networks.trained_segmenter", never)
    assert rows_of_seed(Plan(task, Setting(balls, out, device="cpu")), 0) == rows


def test_images_for_testing_only_are_tested_and_never_trained_on(
    rows: list[Scored], task: FolderTask, balls: Path, out: Path, tmp_path: Path
) -> None:
    write_balls(tmp_path, patients=7)  # p00 ... p05 are ours, whatever folder they lie in; p06 is new
    more = rows_of_seed(Plan(task, Setting(balls, out, test_data=tmp_path, device="cpu")), 0)
    assert {row.patient for row in more} - {row.patient for row in rows} == {"p06"}
    assert all(row.split == "test" for row in more if row.patient == "p06")
    assert len(more) == len(rows) + 3, "under every condition, beside the image that was tested before"


def test_a_score_in_another_version_is_computed_again_and_nothing_else(
    rows: list[Scored], task: FolderTask, balls: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    newer = replace(MeanEntropy.quantity, version=99)
    monkeypatch.setattr(MeanEntropy, "quantity", newer)
    monkeypatch.setattr(MeanEntropy, "compute", lambda *_: 0.25)
    monkeypatch.setattr(Smoothness, "compute", lambda *_: pytest.fail("asked again"))
    again = rows_of_seed(Plan(task, Setting(balls, tmp_path, device="cpu")), 0)
    assert {row.values["mean_entropy"] for row in again} == {0.25}
    for old, new in zip(rows, again, strict=True):
        assert {**new.values, "mean_entropy": old.values["mean_entropy"]} == old.values
        assert new.measured == {**old.measured, "mean_entropy": "99"}


def test_another_autoencoder_asks_for_its_own_scores_alone(
    rows: list[Scored], task: FolderTask, balls: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(Smoothness, "compute", lambda *_: pytest.fail("asked again"))
    longer = replace(task, plan=replace(task.plan, autoencoder_steps=4))
    again = rows_of_seed(Plan(longer, Setting(balls, tmp_path, device="cpu")), 0)
    for old, new in zip(rows, again, strict=True):
        changed = {name for name, version in new.measured.items() if old.measured[name] != version}
        assert changed == {"segmentation_distortion", "segmentation_distortion_foreground", "latent_mahalanobis"}
        assert new.values["mask_autoencoder_pdc"] == old.values["mask_autoencoder_pdc"]


def test_an_ensemble_of_another_size_asks_for_its_own_scores_alone(
    rows: list[Scored], task: FolderTask, balls: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(Smoothness, "compute", lambda *_: pytest.fail("asked again"))
    alone = rows_of_seed(Plan(replace(task, members=1), Setting(balls, tmp_path, device="cpu")), 0)
    test = next(row for row in alone if row.split == "test")
    assert test.failures["ensemble_entropy"] == "No ensemble was trained for this task."
    assert "ensemble_entropy" not in test.values
    assert test.values["mc_dropout"] == next(row for row in rows if row.split == "test").values["mc_dropout"]
