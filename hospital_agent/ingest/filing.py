"""Where inputs go when they have been handled. A move that a crash interrupts is finished at the next start.

An input that the agent may read and not take away stays where it is, and is told once in the log. It is not copied:
it would be found again at the next look, and copied again, until the disk is full.
"""

import errno
import json
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from shared.logs import logger

Shelf = Literal["done", "refused", "failed"]
JOURNAL = "moving.json"
log = logger("filing")


class Filing:
    """Moves handled inputs out of the inbox, or deletes them.

    Args:
        folder: the agent's data folder; inputs go to `done`, `refused` and `failed` in it.
        delete: delete instead of keeping.
    """

    def __init__(self, folder: Path, *, delete: bool = False) -> None:
        self._folder, self._delete = folder, delete
        self._journal = folder / JOURNAL
        self._stuck: set[Path] = set()

    def put(self, paths: Sequence[Path], shelf: Shelf, case_id: str) -> None:
        """Move the paths of one input to a shelf; loose files of one series go into a folder of their own."""
        if not all(_may_go(path) for path in paths):
            if not self._stuck.issuperset(paths):
                log.warning("input_cannot_be_moved", case_id=case_id)
            self._stuck.update(paths)
            return
        folder = self._folder / shelf / case_id if len(paths) > 1 else self._folder / shelf
        moves = [(str(path), str(_free(folder / path.name))) for path in paths]
        self._journal.write_text(json.dumps(moves))
        self._carry_out(moves)
        self._journal.unlink()

    def finish(self) -> None:
        """Finish the move that was under way when the program ended."""
        if not self._journal.exists():
            return
        try:
            moves = json.loads(self._journal.read_text())
        except ValueError:
            moves = []  # the crash came while the journal was written, before anything was moved
        self._carry_out(moves)
        self._journal.unlink()

    def _carry_out(self, moves: Sequence[tuple[str, str]]) -> None:
        for source, target in moves:
            if self._delete or Path(target).exists():
                _remove(Path(source))
            elif Path(source).exists():
                _relocate(Path(source), Path(target))


def _may_go(path: Path) -> bool:
    """Whether the input can be taken away; a folder of our own that is closed for writing is opened for it."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return False
    return path.is_symlink() or not path.is_dir() or all(_opened(Path(folder)) for folder, _, _ in os.walk(path))


def _opened(folder: Path) -> bool:
    if not os.access(folder, os.W_OK | os.X_OK):
        with suppress(OSError):
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)
    return os.access(folder, os.W_OK | os.X_OK)


def _free(target: Path) -> Path:
    """A name that is not taken."""
    number, free = 1, target
    while free.exists():
        number += 1
        free = target.with_name(f"{number}-{target.name}")
    return free


def _relocate(source: Path, target: Path) -> None:
    """Move in one step; across file systems copy aside first, so that the target is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        partial = target.with_name(f".{target.name}.partial")
        _remove(partial)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, partial)
        os.rename(partial, target)
        _remove(source)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
