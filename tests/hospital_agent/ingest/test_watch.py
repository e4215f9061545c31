"""The inbox: an input is complete after a quiet period, however it came to lie there."""

import os
import shutil
from pathlib import Path

import pytest

from hospital_agent.ingest.watch import Inbox
from tests.series_files import chest_values, write_nifti, write_series

QUIET = 30.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def complete(inbox: Inbox, at: float) -> list[Path]:
    return sorted(path for item in inbox.look(at).complete for path in item.paths)


def test_an_input_is_complete_when_nothing_changed_for_the_quiet_period(folder: Path) -> None:
    path = write_nifti(folder / "v.nii", chest_values((3, 8, 8)))
    inbox = Inbox(folder, QUIET)
    assert complete(inbox, 0.0) == []
    assert complete(inbox, 29.0) == []
    assert complete(inbox, 30.0) == [path]


def test_a_half_written_file_waits_until_it_stops_growing(folder: Path) -> None:
    path = folder / "v.nii"
    inbox = Inbox(folder, QUIET)
    for second in range(0, 100, 20):
        with path.open("ab") as file:
            file.write(b"x" * 100)
        assert complete(inbox, float(second)) == []
    assert complete(inbox, 80.0 + QUIET) == [path]


def test_slices_that_trickle_in_belong_to_one_series(folder: Path) -> None:
    source = write_series(folder.parent / "source", chest_values((4, 8, 8)))
    target = folder / "series"
    target.mkdir()
    inbox = Inbox(folder, QUIET)
    for second, path in enumerate(sorted(source.iterdir())):
        shutil.copy(path, target)
        assert complete(inbox, second * 20.0) == []
    assert complete(inbox, 60.0 + QUIET) == [target]


def test_a_rename_in_place_is_a_change(folder: Path) -> None:
    path = write_nifti(folder / "a.nii", chest_values((3, 8, 8)))
    inbox = Inbox(folder, QUIET)
    inbox.look(0.0)
    path.rename(folder / "b.nii")
    assert complete(inbox, 31.0) == []
    assert complete(inbox, 62.0) == [folder / "b.nii"]


def test_a_file_rewritten_with_the_same_size_is_a_change(folder: Path) -> None:
    path = write_nifti(folder / "a.nii", chest_values((3, 8, 8)))
    inbox = Inbox(folder, QUIET)
    inbox.look(0.0)
    os.utime(path, ns=(1, 1))
    assert complete(inbox, 31.0) == []


@pytest.mark.parametrize("name", ["a.nii.gz.part", "b.tmp", "c.filepart"])
def test_files_that_say_they_are_unfinished_wait_for_ever(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    inbox = Inbox(folder, QUIET)
    inbox.look(0.0)
    assert complete(inbox, 1e6) == []


def test_hidden_files_are_not_seen(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"x")
    inbox = Inbox(folder, QUIET)
    assert inbox.look(0.0).pending == ()


def test_loose_files_are_put_together_by_series(folder: Path) -> None:
    for name in ("a", "b"):
        for path in write_series(folder.parent / name, chest_values((3, 8, 8))).iterdir():
            shutil.move(path, folder / f"{name}{path.name}")
    inbox = Inbox(folder, QUIET)
    inbox.look(0.0)
    sizes = sorted(len(item.paths) for item in inbox.look(QUIET).complete)
    assert sizes == [3, 3]


def test_a_loose_file_that_is_no_image_stands_for_itself(folder: Path) -> None:
    (folder / "notes.txt").write_text("hello")
    inbox = Inbox(folder, QUIET)
    inbox.look(0.0)
    assert complete(inbox, QUIET) == [folder / "notes.txt"]


def test_the_oldest_comes_first(folder: Path) -> None:
    for name in ("b", "a", "c"):
        write_nifti(folder / f"{name}.nii", chest_values((3, 8, 8)))
        os.sync()
    inbox = Inbox(folder, QUIET)
    inbox.look(0.0)
    items = inbox.look(QUIET).complete
    assert [item.arrived_at for item in items] == sorted(item.arrived_at for item in items)


def test_an_old_time_of_change_kept_by_a_copy_is_not_the_arrival(folder: Path) -> None:
    path = write_nifti(folder / "a.nii", chest_values((3, 8, 8)))
    os.utime(path, (0, 0))
    (item,) = Inbox(folder, QUIET).look(0.0).pending
    assert item.arrived_at.year > 2000


def test_paths_do_not_show_in_the_repr(folder: Path) -> None:
    write_nifti(folder / "DOE_JANE.nii", chest_values((3, 8, 8)))
    assert "DOE" not in repr(Inbox(folder, QUIET).look(0.0))
