"""The inbox: what lies in it, and what of it is complete.

It is polled by size and time of change, because notifications do not cross SMB and NFS. An input is complete when
nothing about it has changed for the quiet period, by this machine's own steady clock; a half-written file, a rename
in place and a slow copy all count as changes.

    inbox/<folder>/...        one sub-folder is one series
    inbox/<name>.nii.gz       one NIfTI file is one series
    inbox/*                   loose DICOM files are put together by their SeriesInstanceUID

What calls itself unfinished (`.part`), leads nowhere or cannot be read waits. After an hour without change it is
stalled: it may still be completed, and nothing else waits for it any longer.
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hospital_agent.errors import InputRefused
from hospital_agent.ingest.dicom_headers import read_header
from hospital_agent.ingest.nifti import is_nifti

UNFINISHED_SUFFIXES = (".part", ".partial", ".tmp", ".filepart", ".crdownload", "~")

STALLED_AFTER_S = 3600.0

Stamp = tuple[str, int, int]
"""Name, size and time of change of one file."""


@dataclass(frozen=True)
class Item:
    """One input of the inbox.

    Args:
        source: what `read_series` is given: a folder, a file, or the files of one series.
        arrived_at: when its last part came, as the file system tells (not the time that a copy kept).
        stamps: its files as they were when it was looked at.
    """

    source: Path | tuple[Path, ...] = field(repr=False)
    arrived_at: datetime
    stamps: frozenset[Stamp] = field(repr=False)

    @property
    def paths(self) -> tuple[Path, ...]:
        """What lies in the inbox for it."""
        return (self.source,) if isinstance(self.source, Path) else self.source


@dataclass
class _Seen:
    stamps: frozenset[Stamp]
    since_s: float


@dataclass(frozen=True)
class Look:
    """What one look at the inbox found, oldest first."""

    complete: tuple[Item, ...]
    pending: tuple[Item, ...]
    stalled: tuple[Item, ...]


class Inbox:
    """A folder that is looked at again and again.

    Args:
        folder: the inbox.
        quiet_s: how long an input must not change.
    """

    def __init__(self, folder: Path, quiet_s: float) -> None:
        self._folder, self._quiet_s = folder, quiet_s
        self._seen: dict[str, _Seen] = {}
        self._series_of: dict[Stamp, str] = {}

    def look(self, steady_s: float) -> Look:
        """What lies there now.

        Args:
            steady_s: seconds on a clock that never jumps.
        """
        complete: list[Item] = []
        pending: list[Item] = []
        stalled: list[Item] = []
        seen: dict[str, _Seen] = {}
        for name, item, finished in self._inputs():
            before = self._seen.get(name)
            same = before is not None and before.stamps == item.stamps
            since = before.since_s if before is not None and same else steady_s
            seen[name] = _Seen(item.stamps, since)
            still_for_s = steady_s - since
            if finished:
                (complete if same and still_for_s >= self._quiet_s else pending).append(item)
            else:
                (stalled if still_for_s >= STALLED_AFTER_S else pending).append(item)
        self._seen = seen
        return Look(_oldest_first(complete), _oldest_first(pending), _oldest_first(stalled))

    def _inputs(self) -> Iterable[tuple[str, Item, bool]]:
        """Name of each input, what lies there, and whether all of it can be read and calls itself finished."""
        loose: list[Path] = []
        for entry in sorted(os.scandir(self._folder), key=lambda entry: entry.name):
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if os.path.isdir(path) or is_nifti(path):  # a link that leads in a circle is no folder, and no error
                yield entry.name, *_described(path)
            else:
                loose.append(path)
        for name, files in self._by_series(loose).items():
            yield name, *_described(files[0] if len(files) == 1 else tuple(files))

    def _by_series(self, files: Iterable[Path]) -> dict[str, list[Path]]:
        """Loose files under their series; a file that is not DICOM, or not yet, stands for itself."""
        groups: dict[str, list[Path]] = {}
        known: dict[Stamp, str] = {}
        for path in files:
            try:
                status = path.stat()
            except OSError:
                groups[f"file {path.name}"] = [path]
                continue
            stamp = (str(path), status.st_size, status.st_mtime_ns)
            series = known[stamp] = self._series_of.get(stamp) or _series_uid(path)
            groups.setdefault(series, []).append(path)
        self._series_of = known
        return groups


def unchanged(item: Item) -> bool:
    """Whether an input still lies there as it was when it was looked at."""
    return _described(item.source)[0].stamps == item.stamps


def _described(source: Path | tuple[Path, ...]) -> tuple[Item, bool]:
    """An input as it lies there, and whether all of it can be read and calls itself finished."""
    paths, unreadable = _paths_of(source)
    stamps, newest, finished = set(), 0.0, not unreadable
    for path in paths:
        try:
            status = path.stat()
        except OSError:  # renamed or removed while we look, or a link that leads nowhere
            finished = False
            continue
        newest = max(newest, status.st_ctime)
        if not stat.S_ISDIR(status.st_mode):
            stamps.add((str(path), status.st_size, status.st_mtime_ns))
            finished &= not path.name.lower().endswith(UNFINISHED_SUFFIXES)
    return Item(source, datetime.fromtimestamp(newest, UTC), frozenset(stamps)), finished


def _paths_of(source: Path | tuple[Path, ...]) -> tuple[list[Path], list[OSError]]:
    """All files and folders of an input, and why some of them cannot be looked into."""
    if not isinstance(source, Path):
        return list(source), []
    paths, unreadable = [source], list[OSError]()
    if source.is_dir():
        for folder, folders, files in os.walk(source, onerror=unreadable.append):
            paths += [Path(folder, name) for name in (*folders, *files)]
    return paths, unreadable


def _series_uid(path: Path) -> str:
    try:
        header = read_header(path)
    except InputRefused:
        header = None
    return f"file {path.name}" if header is None else f"series {header.series_uid}"


def _oldest_first(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: item.arrived_at))
