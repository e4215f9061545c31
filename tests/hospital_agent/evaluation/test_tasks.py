"""The ready tasks, and tasks that a file describes."""

from pathlib import Path

import numpy as np
import pytest

from hospital_agent.evaluation.config import quick, task_from
from hospital_agent.evaluation.rows import Condition
from hospital_agent.evaluation.tasks import FolderTask, tasks
from hospital_agent.evaluation.tasks.reading import NoImages
from shared.errors import SettingsError, UnknownName
from tests.labelled_images import write_balls

TOML = """
name = "balls"
images = "images"
labels = "labels"
label_names = ["bright", "grey"]
modality = "MR"
patient = "^(p\\\\d+)"
[network]
spacing_mm = [2.0, 2.0, 2.0]
tile = [16, 24, 24]
channels = [4, 8]
[training]
patch = [16, 16, 16]
steps = 20
batch = 2
[split]
validation = 2
test = 2
[shifts]
families = ["contrast_and_noise", "blur_and_low_resolution"]
strengths = [1, 3]
"""


def described(folder: Path, text: str = TOML) -> FolderTask:
    path = folder / "task.toml"
    path.write_text(text)
    return task_from(path)


def test_the_ready_tasks_are_registered_with_a_network_that_fits_its_tiles() -> None:
    names = tasks.load("hospital_agent.evaluation.tasks").names()
    assert {"cardiac_mr", "cardiac_mr_3d", "hippocampus", "small_chest_lungs", "chest_ct"} <= set(names)
    for task in (task for _, task in tasks.items() if isinstance(task, FolderTask)):
        axes = slice(1 if task.shape.depth_stride == 1 else 0, 3)
        assert task.shape.classes == len(task.label_names) + 1
        assert not any(length % task.shape.divisor for length in (*task.grid.tile[axes], *task.plan.patch[axes]))


@pytest.mark.parametrize("name", ["cardiac_mr", "cardiac_mr_3d", "hippocampus"])
def test_images_smaller_than_a_larger_tile_are_read_in_the_tiles_of_training(name: str) -> None:
    """Padding that a network never met in training costs it Dice on every image; see docs/decisions/0006."""
    task = tasks.load("hospital_agent.evaluation.tasks").get(name)
    assert isinstance(task, FolderTask)
    assert task.grid.tile == task.plan.patch


def test_a_file_describes_a_task(tmp_path: Path) -> None:
    write_balls(tmp_path, patients=3, images=2)
    task = described(tmp_path)
    found = task.examples(tmp_path)
    assert [example.patient for example in found] == ["p00", "p00", "p01", "p01", "p02", "p02"]
    volume, labels = found[0].content
    assert volume.shape == labels.shape == (16, 24, 24)
    assert volume.spacing_mm == (2.0, 2.0, 2.0)
    assert set(np.unique(labels)) == {0, 1, 2}
    assert task.conditions(found[0])[0] == Condition()
    assert len(task.conditions(found[0])) == 5


def test_a_condition_changes_the_image_and_not_its_labels_and_a_seed_draws_the_same(tmp_path: Path) -> None:
    write_balls(tmp_path, patients=1)
    task = described(tmp_path)
    (example,) = task.examples(tmp_path)
    plain, first, again, other = (
        task.under(example, condition, seed)
        for condition, seed in (
            (Condition(), 0),
            (Condition("contrast_and_noise", 3), 0),
            (Condition("contrast_and_noise", 3), 0),
            (Condition("contrast_and_noise", 3), 1),
        )
    )
    assert plain.volume is example.content[0]
    np.testing.assert_array_equal(first.labels, plain.labels)
    np.testing.assert_array_equal(first.volume.array, again.volume.array)
    assert not np.array_equal(first.volume.array, plain.volume.array)
    assert not np.array_equal(first.volume.array, other.volume.array)


def test_quick_is_smaller_in_everything_that_costs(tmp_path: Path) -> None:
    short = quick(tasks.load("hospital_agent.evaluation.tasks").get("cardiac_mr"))  # type: ignore[arg-type]
    assert (short.plan.steps, short.split.test, short.strengths, short.members) == (60, 3, (2,), 2)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "balls"', "", "lacks 'name'"),
        ('modality = "MR"', 'modality = "PET"', "modality is CT or MR"),
        ("tile = [16, 24, 24]", "tile = [16, 24]", "says something that cannot be"),
        ("tile = [16, 24, 24]", "tile = [15, 24, 24]", "every axis of tile is a multiple of 2"),
        ("[network]", "[network", "cannot be read as TOML"),
        ('patient = "^(p', 'patient = "^((p', "says something that cannot be"),
    ],
)
def test_a_bad_file_is_refused_in_a_sentence(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        described(tmp_path, TOML.replace(old, new))


def test_an_unknown_shift_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'contrast_and_noise'"):
        described(tmp_path, TOML.replace("contrast_and_noise", "contrast_and_noises"))


def test_a_folder_without_pairs_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(NoImages, match="No pairs of images and labels"):
        described(tmp_path).examples(tmp_path)
