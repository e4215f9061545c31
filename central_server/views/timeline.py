"""The windows of a site in order, with those that never arrived in their place."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from central_server.database.tables import ReportRow
from shared.report import Window, report_id_for

LONGEST_GAP = 400
"""A gap of more window numbers than this is a site that began to count anew, not so many lost reports."""


@dataclass(frozen=True)
class Slot:
    """One window of one stratum; `report` is None where no report came."""

    report_id: UUID
    window: Window
    report: ReportRow | None


@dataclass(frozen=True)
class Timeline:
    """All windows of one site in one stratum, oldest first."""

    site: str
    stratum: str
    slots: tuple[Slot, ...]


def window_of(row: ReportRow) -> Window:
    """The window of a stored report."""
    return Window(index=row.window_index, start_at=row.start_at, end_at=row.end_at)


def timeline(rows: Iterable[ReportRow], site: str, stratum: str) -> Timeline:
    """The site's windows in one stratum.

    A window that arrived in another stratum only, and a number that was skipped between two arrived windows, are
    slots without a report; the time of a skipped one is an equal share of the time between its neighbours.
    """
    known: dict[int, Window] = {}
    wanted: dict[int, ReportRow] = {}
    for row in rows:
        if row.stratum == stratum:
            wanted[row.window_index] = row
        if row.stratum == stratum or row.window_index not in known:
            known[row.window_index] = window_of(row)
    ordered = [known[index] for index in sorted(known)]
    filled = _without_gaps(ordered)
    return Timeline(site, stratum, tuple(_slot(window, site, stratum, wanted.get(window.index)) for window in filled))


def _slot(window: Window, site: str, stratum: str, row: ReportRow | None) -> Slot:
    report_id = row.report_id if row else report_id_for(site, "window", window.index, stratum, 0, None)
    return Slot(report_id, window, row)


def _without_gaps(windows: Sequence[Window]) -> list[Window]:
    filled: list[Window] = []
    for window in windows:
        if filled:
            filled += _between(filled[-1], window)
        filled.append(window)
    return filled


def _between(before: Window, after: Window) -> list[Window]:
    count = after.index - before.index - 1
    room = after.start_at - before.end_at
    if not 0 < count <= LONGEST_GAP or room.total_seconds() <= 0:
        return []
    share = room / count
    starts = [before.end_at + share * i for i in range(count)]
    return [Window(index=before.index + 1 + i, start_at=start, end_at=start + share) for i, start in enumerate(starts)]
