"""Inputs that an ordinary user may read and not remove, as a container's user meets them in a shared inbox."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hospital_agent.ingest.filing import Filing

NOBODY = 65534


@pytest.fixture
def inbox() -> Iterator[Path]:
    """An inbox that its user may change, seen as that user also where the tests run as root."""
    root = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    for folder in (root / "inbox", root / "data"):
        folder.mkdir()
    was_root = os.geteuid() == 0
    if was_root:
        for folder in (root, root / "inbox", root / "data"):
            os.chown(folder, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield root / "inbox"
    finally:
        if was_root:
            os.setresuid(0, 0, 0)
        for folder, _, _ in os.walk(root):
            os.chmod(folder, 0o700)
        shutil.rmtree(root)


@pytest.fixture
def other_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inbox and the data folder lie on two file systems, as a mount and a volume do."""
    rename = os.rename

    def refuse(source: Path, target: Path) -> None:
        if "inbox" in Path(source).parts and "data" in Path(target).parts:
            raise OSError(errno.EXDEV, "other file system")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)


def _series(inbox: Path) -> Path:
    (inbox / "series" / "deep").mkdir(parents=True)
    (inbox / "series" / "deep" / "0.dcm").write_text("0")
    return inbox / "series"


@pytest.mark.usefixtures("other_file_system")
def test_a_folder_of_our_own_that_is_closed_for_writing_is_moved_all_the_same(inbox: Path) -> None:
    series = _series(inbox)
    for folder in (series / "deep", series):
        folder.chmod(0o555)
    Filing(inbox.parent / "data").put([series], "done", "case")
    assert list(inbox.iterdir()) == []
    moved = inbox.parent / "data" / "done" / "series"
    assert (moved / "deep" / "0.dcm").read_text() == "0"
    shutil.rmtree(moved)  # who cleans up later is not locked out


@pytest.mark.usefixtures("other_file_system")
@pytest.mark.parametrize("delete", [False, True])
def test_an_input_that_cannot_be_taken_away_stays_and_is_not_copied(inbox: Path, delete: bool) -> None:
    series = _series(inbox)
    inbox.chmod(0o555)
    assert not Filing(inbox.parent / "data", delete=delete).put([series], "done", "0" * 32)
    assert (series / "deep" / "0.dcm").read_text() == "0"
    assert list((inbox.parent / "data").iterdir()) == []


def test_a_folder_of_another_user_stays(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series = _series(inbox)
    (series / "deep").chmod(0o555)
    monkeypatch.setattr(Path, "chmod", _not_the_owner)
    assert not Filing(inbox.parent / "data").put([series], "done", "0" * 32)
    assert (series / "deep" / "0.dcm").exists()


def _not_the_owner(path: Path, mode: int) -> None:
    raise PermissionError(errno.EPERM, "not the owner")
