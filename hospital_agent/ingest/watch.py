"""The inbox: what lies in it, and what of it is complete.

It is polled by size and time of change, because notifications do not cross SMB and NFS. An input is complete when
nothing about it has changed for the quiet period, by this machine's own steady clock; a half-written file, a rename
in place and a slow copy all count as changes.

    inbox/<folder>/...        one sub-folder is one series
    inbox/<name>.nii.gz       one NIfTI file is one series
    inbox/*                   loose DICOM files are put together by their SeriesInstanceUID
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hospital_agent.errors import InputRefused
from hospital_agent.ingest.dicom_headers import read_header
from hospital_agent.ingest.nifti import is_nifti

UNFINISHED_SUFFIXES = (".part", ".partial", ".tmp", ".filepart", ".crdownload", "~")

Stamp = tuple[str, int, int]
"""Name, size and time of change of one file."""


@dataclass(frozen=True)
class Item:
    """One input of the inbox.

    Args:
        source: what `read_series` is given: a folder, a file, or the files of one series.
        arrived_at: when its last part came, as the file system tells (not the time that a copy kept).
    """

    source: Path | tuple[Path, ...] = field(repr=False)
    arrived_at: datetime

    @property
    def paths(self) -> tuple[Path, ...]:
        """What lies in the inbox for it."""
        return (self.source,) if isinstance(self.source, Path) else self.source


@dataclass
class _Seen:
    stamp: frozenset[Stamp]
    since_s: float


@dataclass(frozen=True)
class Look:
    """What one look at the inbox found, oldest first."""

    complete: tuple[Item, ...]
    pending: tuple[Item, ...]


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
        seen: dict[str, _Seen] = {}
        for name, item, stamp, unfinished in self._inputs():
            before = self._seen.get(name)
            unchanged = before is not None and before.stamp == stamp
            since = before.since_s if before is not None and unchanged else steady_s
            seen[name] = _Seen(stamp, since)
            ready = unchanged and not unfinished and steady_s - since >= self._quiet_s
            (complete if ready else pending).append(item)
        self._seen = seen
        return Look(_oldest_first(complete), _oldest_first(pending))

    def _inputs(self) -> Iterable[tuple[str, Item, frozenset[Stamp], bool]]:
        loose: list[Path] = []
        for entry in sorted(os.scandir(self._folder), key=lambda entry: entry.name):
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield self._described(entry.name, path, [path, *path.rglob("*")])
            elif is_nifti(path):
                yield self._described(entry.name, path, [path])
            else:
                loose.append(path)
        for name, files in self._by_series(loose).items():
            yield self._described(name, files[0] if len(files) == 1 else tuple(files), files)

    def _described(
        self, name: str, source: Path | tuple[Path, ...], paths: Iterable[Path]
    ) -> tuple[str, Item, frozenset[Stamp], bool]:
        stamps, newest, unfinished = set(), 0.0, False
        for path in paths:
            try:
                status = path.stat()
            except FileNotFoundError:  # renamed or removed while we look: that is a change, too
                unfinished = True
                continue
            newest = max(newest, status.st_ctime)
            if not path.is_dir():
                stamps.add((str(path), status.st_size, status.st_mtime_ns))
                unfinished |= path.name.lower().endswith(UNFINISHED_SUFFIXES)
        return name, Item(source, datetime.fromtimestamp(newest, UTC)), frozenset(stamps), unfinished

    def _by_series(self, files: Iterable[Path]) -> dict[str, list[Path]]:
        """Loose files under their series; a file that is not DICOM, or not yet, stands for itself."""
        groups: dict[str, list[Path]] = {}
        known: dict[Stamp, str] = {}
        for path in files:
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            stamp = (str(path), status.st_size, status.st_mtime_ns)
            series = known[stamp] = self._series_of.get(stamp) or _series_uid(path)
            groups.setdefault(series, []).append(path)
        self._series_of = known
        return groups


def _series_uid(path: Path) -> str:
    try:
        header = read_header(path)
    except InputRefused:
        header = None
    return f"file {path.name}" if header is None else f"series {header.series_uid}"


def _oldest_first(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: item.arrived_at))
