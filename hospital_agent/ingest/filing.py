"""Where inputs go when they have been handled. A move that a crash interrupts is finished at the next start, if what
lies there is still the very thing that was to be moved.

An input that the agent may read and not take away stays where it is. It is not copied: it would be found again at the
next look, and copied again, until the disk is full.
"""

import errno
import json
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from shared.logs import logger

Shelf = Literal["done", "refused", "failed"]
JOURNAL = "moving.json"
log = logger("filing")

Mark = list[list[Any]]


@dataclass(frozen=True)
class _Move:
    """One line of the journal: from where, to where, and what the source looked like."""

    source: str
    target: str
    mark: Mark | None


class Filing:
    """Moves handled inputs out of the inbox, or deletes them.

    Args:
        folder: the agent's data folder; inputs go to `done`, `refused` and `failed` in it.
        delete: delete instead of keeping.
    """

    def __init__(self, folder: Path, *, delete: bool = False) -> None:
        self._folder, self._delete = folder, delete
        self._journal = folder / JOURNAL

    def put(self, paths: Sequence[Path], shelf: Shelf, case_id: str) -> bool:
        """Move the paths of one input to a shelf; loose files of one series go into a folder of their own.

        Returns:
            whether they could be moved; where not, all of them stay.
        """
        if not all(_may_go(path) for path in paths):
            log.warning("input_cannot_be_moved", case_id=case_id)
            return False
        folder = self._folder / shelf / case_id if len(paths) > 1 else self._folder / shelf
        moves = [_Move(str(path), str(_free(folder / path.name)), _mark(path)) for path in paths]
        self._journal.write_text(json.dumps([asdict(move) for move in moves]))
        for move in moves:
            self._carry_out(move)
        self._journal.unlink()
        return True

    def finish(self) -> None:
        """Finish the move that was under way when the program ended; what came to its place since then stays."""
        for move in self._noted():
            _remove(_partial(Path(move.target)))
            _remove(_going(Path(move.source)))
            if move.mark is not None and _mark(Path(move.source)) == move.mark:
                self._carry_out(move)
        self._journal.unlink(missing_ok=True)

    def _noted(self) -> list[_Move]:
        try:
            return [_Move(**move) for move in json.loads(self._journal.read_text())]
        except (FileNotFoundError, ValueError, TypeError):  # cut short by a crash, before anything was moved
            return []

    def _carry_out(self, move: _Move) -> None:
        source, target = Path(move.source), Path(move.target)
        if self._delete or target.exists():  # it exists where the crash came between a copy and its end
            _take_away(source)
        else:
            _relocate(source, target)


def _mark(path: Path) -> Mark | None:
    """What tells one input from another one of the same name; None where it cannot be looked at."""
    try:
        parts = [path, *sorted(path.rglob("*"))] if path.is_dir() and not path.is_symlink() else [path]
        found = [(str(part), part.lstat()) for part in parts]
    except OSError:
        return None
    return [[name, status.st_ino, status.st_size, status.st_mtime_ns] for name, status in found]


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
        partial = _partial(target)
        _remove(partial)
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, partial)
        os.rename(partial, target)
        _take_away(source)


def _take_away(source: Path) -> None:
    """Delete in one step: under a hidden name, which no look at the inbox sees, it may take its time."""
    going = _going(source)
    _remove(going)
    os.rename(source, going)
    _remove(going)


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def _going(source: Path) -> Path:
    return source.with_name(f".{source.name}.segwatch-going")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
