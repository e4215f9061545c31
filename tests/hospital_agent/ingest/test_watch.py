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


@pytest.mark.parametrize("kind", ["part", "part_in_a_folder", "nowhere", "nowhere_in_a_folder", "circle", "circle.dcm"])
def test_a_leftover_is_pending_for_an_hour_and_stalled_from_then_on(folder: Path, kind: str) -> None:
    place = folder / "series" if "folder" in kind else folder
    place.mkdir(exist_ok=True)
    if kind.startswith("part"):
        (place / "y.dcm.part").write_bytes(b"x")
    elif kind.startswith("nowhere"):
        (place / "x.nii.gz").symlink_to("nothing")
    else:
        (place / kind).symlink_to(kind)
    write_nifti(folder / "v.nii", chest_values((3, 8, 8)))
    inbox = Inbox(folder, QUIET)
    inbox.look(0.0)
    assert complete(inbox, QUIET) == [folder / "v.nii"]
    for second, pending, stalled in ((3599.0, 1, 0), (3600.0, 0, 1)):
        look = inbox.look(second)
        assert (len(look.pending), len(look.stalled)) == (pending, stalled)


@pytest.mark.parametrize("closed", ["series", "series/deep"])
def test_a_folder_that_cannot_be_looked_into_holds_up_no_other(
    folder: Path, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "series" / "deep").mkdir(parents=True)
    write_nifti(folder / "v.nii", chest_values((3, 8, 8)))
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path) == str(folder / closed):
            raise PermissionError
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    inbox = Inbox(folder, QUIET)
    inbox.look(0.0)
    assert complete(inbox, QUIET) == [folder / "v.nii"]
    assert len(inbox.look(3600.0).stalled) == 1


def test_a_leftover_that_is_completed_after_all_is_an_input(folder: Path) -> None:
    path = write_nifti(folder / "v.nii", chest_values((3, 8, 8)))
    path.rename(folder / "v.nii.part")
    inbox = Inbox(folder, QUIET)
    inbox.look(0.0)
    assert len(inbox.look(3600.0).stalled) == 1
    (folder / "v.nii.part").rename(path)
    inbox.look(3601.0)
    assert complete(inbox, 3601.0 + QUIET) == [path]


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
