"""Handled inputs leave the inbox once, also when the move is interrupted or crosses file systems."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from hospital_agent.ingest.filing import JOURNAL, Filing
from hospital_agent.ingest.watch import Inbox


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "data").mkdir()
    return tmp_path / "inbox"


def make_series(inbox: Path, name: str = "series") -> Path:
    folder = inbox / name
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.dcm").write_text(str(number))
    return folder


def test_a_folder_is_moved_whole(inbox: Path) -> None:
    filing = Filing(inbox.parent / "data")
    filing.put([make_series(inbox)], "done", "case")
    assert sorted(path.name for path in (inbox.parent / "data/done/series").iterdir()) == ["0.dcm", "1.dcm", "2.dcm"]
    assert list(inbox.iterdir()) == []


def test_a_second_one_of_the_same_name_does_not_overwrite(inbox: Path) -> None:
    filing = Filing(inbox.parent / "data")
    for _ in range(3):
        filing.put([make_series(inbox)], "done", "case")
    assert sorted(path.name for path in (inbox.parent / "data/done").iterdir()) == ["2-series", "3-series", "series"]


def test_loose_files_of_a_series_get_a_folder(inbox: Path) -> None:
    files = list(make_series(inbox).iterdir())
    Filing(inbox.parent / "data").put(files, "refused", "abc123")
    assert len(list((inbox.parent / "data/refused/abc123").iterdir())) == 3


def test_inputs_can_be_deleted_instead(inbox: Path) -> None:
    Filing(inbox.parent / "data", delete=True).put([make_series(inbox)], "done", "case")
    assert list(inbox.iterdir()) == []
    assert not (inbox.parent / "data/done").exists()


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_an_interrupted_move_is_finished_at_the_next_start(
    inbox: Path, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted(make_series(inbox).iterdir())
    data, rename, count = inbox.parent / "data", os.rename, 0

    def dying_rename(source: object, target: object) -> None:
        nonlocal count
        if count == moved:
            raise SystemExit
        count += 1
        rename(str(source), str(target))

    filing = Filing(data)
    monkeypatch.setattr(os, "rename", dying_rename)
    if moved < 3:
        with pytest.raises(SystemExit):
            filing.put(files, "done", "case")
    monkeypatch.undo()
    Filing(data).finish()
    if moved < 3:
        assert sorted(path.name for path in (data / "done/case").iterdir()) == ["0.dcm", "1.dcm", "2.dcm"]
    assert not (data / JOURNAL).exists()


@pytest.mark.parametrize("delete", [False, True])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_came_to_the_place_of_a_moved_input_stays(
    inbox: Path, monkeypatch: pytest.MonkeyPatch, delete: bool, kind: str
) -> None:
    def arrive(text: str) -> Path:
        path = inbox / "input"
        if kind == "folder":
            path.mkdir()
            (path / "0.dcm").write_text(text)
        else:
            path.write_text(text)
        return path

    def die(path: Path, missing_ok: bool = False) -> None:
        if path.name == JOURNAL:
            raise SystemExit
        unlink(path, missing_ok)

    data, unlink = inbox.parent / "data", Path.unlink
    monkeypatch.setattr(Path, "unlink", die)
    with pytest.raises(SystemExit):
        Filing(data, delete=delete).put([arrive("old")], "done", "case")
    monkeypatch.undo()
    new = arrive("new")
    Filing(data, delete=delete).finish()
    assert (new / "0.dcm" if kind == "folder" else new).read_text() == "new"
    assert not (data / JOURNAL).exists()


@pytest.mark.parametrize("across", [False, True])
def test_a_deletion_that_was_interrupted_leaves_no_half_of_an_input(
    inbox: Path, monkeypatch: pytest.MonkeyPatch, across: bool
) -> None:
    data, rename = inbox.parent / "data", os.rename

    def other_device(source: object, target: object) -> None:
        if across and str(source).startswith(str(inbox)) and not str(target).startswith(str(inbox)):
            raise OSError(errno.EXDEV, "other device")
        rename(str(source), str(target))

    def dying_rmtree(path: Path) -> None:
        (path / "0.dcm").unlink()
        raise SystemExit

    make_series(inbox)
    monkeypatch.setattr(os, "rename", other_device)
    rmtree = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", dying_rmtree)
    with pytest.raises(SystemExit):
        Filing(data, delete=not across).put([inbox / "series"], "done", "case")
    assert Inbox(inbox, 1.0).look(0.0).pending == ()
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    Filing(data, delete=not across).finish()
    assert list(inbox.iterdir()) == []
    assert len(list(data.rglob("*.dcm"))) == (3 if across else 0)


def test_a_journal_that_was_cut_short_moves_nothing(inbox: Path) -> None:
    series, data = make_series(inbox), inbox.parent / "data"
    (data / JOURNAL).write_text(json.dumps([[str(series), "x"]])[:10])
    Filing(data).finish()
    assert series.exists()
    assert not (data / JOURNAL).exists()


def test_across_file_systems_the_target_is_whole_before_the_source_goes(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, rename = inbox.parent / "data", os.rename

    def other_device(source: object, target: object) -> None:
        if str(source).startswith(str(inbox)) and not str(target).startswith(str(inbox)):
            raise OSError(errno.EXDEV, "other device")
        rename(str(source), str(target))

    def dying_copy(source: Path, target: Path) -> None:
        target.mkdir()
        (target / "0.dcm").write_text("half")
        raise SystemExit

    series = make_series(inbox)
    monkeypatch.setattr(os, "rename", other_device)
    copytree = shutil.copytree
    monkeypatch.setattr(shutil, "copytree", dying_copy)
    with pytest.raises(SystemExit):
        Filing(data).put([series], "done", "case")
    assert len(list(series.iterdir())) == 3
    assert not (data / "done/series").exists()
    monkeypatch.setattr(shutil, "copytree", copytree)
    Filing(data).finish()
    assert len(list((data / "done/series").iterdir())) == 3
    assert not series.exists()
