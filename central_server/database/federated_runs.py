"""Federated runs: proposed by a person, begun, told round by round, and ended.

Knows nothing of Flower or of what is computed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session, selectinload

from central_server.database import federation_keys
from central_server.database.audit import record
from central_server.database.federation_tables import RoundRow, RunRow, TotalPieceRow
from central_server.errors import NotFound, RunIsOver

PIECE_BYTES = 4 * 1024 * 1024
KEPT_TOTALS = 3
"""Of each job the totals of so many completed runs are kept, the newest; what is older stays without its totals."""
_OPEN = ("proposed", "running")


def propose(
    session: Session, job: str, options: Mapping[str, Any], now: datetime, actor: str,
    *, deadline_s: float, sites: Sequence[str] | None = None,
) -> RunRow:  # fmt: skip
    """A new run that nobody leads yet.

    Args:
        deadline_s: how long sites have for one answer.
        sites: ask these alone; None asks all that can be reached.
    """
    row = RunRow(
        run=token_hex(16), job=job, options=dict(options), deadline_s=deadline_s, actor=actor, state="proposed",
        asked_sites=None if sites is None else sorted(sites), created_at=now,
    )  # fmt: skip
    session.add(row)
    record(session, now, actor, "federated_run_proposed", f"{job} {row.run}")
    session.flush()
    return row


def run_row(session: Session, run: str) -> RunRow:
    """The run of this id.

    Raises:
        NotFound: there is none.
    """
    row = session.scalar(select(RunRow).where(RunRow.run == run).options(selectinload(RunRow.rounds)))
    if row is None:
        raise NotFound("There is no federated run of this id.")
    return row


def run_rows(session: Session, before_id: int | None, limit: int) -> list[RunRow]:
    """Runs, newest first."""
    query = select(RunRow).order_by(RunRow.id.desc()).limit(limit)
    return list(session.scalars(query if before_id is None else query.where(RunRow.id < before_id)))


@dataclass(frozen=True)
class RoundsSoFar:
    """The rounds of a run taken together: how many, their sums, and the newest."""

    count: int
    seconds: float
    bytes_per_site: int
    newest: RoundRow | None


NO_ROUNDS = RoundsSoFar(0, 0.0, 0, None)


def rounds_so_far(session: Session, run_row_ids: Collection[int]) -> dict[int, RoundsSoFar]:
    """By the run's row id; a run without rounds is left out."""
    found = session.execute(
        select(
            RoundRow.run_row_id, func.count(), func.sum(RoundRow.seconds), func.sum(RoundRow.bytes_per_site),
            func.max(RoundRow.id),
        ).where(RoundRow.run_row_id.in_(run_row_ids)).group_by(RoundRow.run_row_id)
    ).all()  # fmt: skip
    newest = {
        row.id: row for row in session.scalars(select(RoundRow).where(RoundRow.id.in_([one[4] for one in found])))
    }
    return {
        run: RoundsSoFar(count, float(seconds), int(sent), newest.get(last))
        for run, count, seconds, sent, last in found
    }


def begin(session: Session, run: str, invited: Sequence[str], now: datetime) -> None:
    """The run is led from now on; one whose leader died may begin again.

    Raises:
        RunIsOver: it ended before.
    """
    row = _open_run(session, run)
    row.state, row.alive_at, row.invited = "running", now, sorted(invited)
    row.started_at = row.started_at or now
    record(session, now, row.actor, "federated_run_started", f"{row.job} {run}")


def note_alive(session: Session, run: str, now: datetime) -> None:
    """Whoever leads the run is still there."""
    session.execute(update(RunRow).where(RunRow.run == run, RunRow.state == "running").values(alive_at=now))


def add_round(
    session: Session, run: str, now: datetime, *, attempt: int, number: int, contributors: Sequence[str],
    missing: Mapping[str, str], seconds: float, bytes_per_site: int,
) -> None:  # fmt: skip
    """One more sum is done.

    Raises:
        RunIsOver: the run ended before.
    """
    row = _open_run(session, run)
    row.alive_at = now
    told = RoundRow(
        run_row_id=row.id, attempt=attempt, number=number, contributors=sorted(contributors), missing=dict(missing),
        seconds=seconds, bytes_per_site=bytes_per_site, ended_at=now,
    )  # fmt: skip
    session.add(told)
    federation_keys.note_seen(session, contributors, now)


def end(
    session: Session, run: str, now: datetime, *, completed: bool, sentence: str, contributors: Sequence[str] = (),
    missing: Mapping[str, str] | None = None, told: Mapping[str, Any] | None = None,
    totals: Sequence[bytes | memoryview] = (),
) -> None:  # fmt: skip
    """The run is over.

    Args:
        totals: of all rounds, float64 little-endian.

    Raises:
        RunIsOver: it ended before.
    """
    row = _open_run(session, run)
    row.state, row.ended_at, row.sentence = "completed" if completed else "failed", now, sentence
    row.contributors, row.missing = sorted(contributors), dict(missing or {})
    row.told = None if told is None else dict(told)
    for number, total in enumerate(totals, start=1):
        for piece, data in enumerate(_pieces(total)):
            session.execute(insert(TotalPieceRow).values(run_row_id=row.id, number=number, piece=piece, data=data))
    if completed:
        _forget_older_totals(session, row.job)
    record(session, now, row.actor, f"federated_run_{row.state}", f"{row.job} {run}")


def _forget_older_totals(session: Session, job: str) -> None:
    session.flush()
    older = (
        select(RunRow.id)
        .where(RunRow.job == job, RunRow.state == "completed")
        .order_by(RunRow.id.desc())
        .offset(KEPT_TOTALS)
    )
    session.execute(delete(TotalPieceRow).where(TotalPieceRow.run_row_id.in_(session.scalars(older).all())))


def total_bytes(session: Session, run: str) -> list[bytes]:
    """The totals of a run as they were stored; none where it has no result, or newer ones of its job do."""
    row = run_row(session, run)
    query = (
        select(TotalPieceRow.number, TotalPieceRow.data)
        .where(TotalPieceRow.run_row_id == row.id)
        .order_by(TotalPieceRow.number, TotalPieceRow.piece)
    )
    found: dict[int, list[bytes]] = {}
    for number, data in session.execute(query):
        found.setdefault(number, []).append(data)
    return [b"".join(found[number]) for number in sorted(found)]


def _open_run(session: Session, run: str) -> RunRow:
    row = run_row(session, run)
    if row.state not in _OPEN:
        raise RunIsOver(f"This run is over: it {row.state}.")
    return row


def _pieces(total: bytes | memoryview) -> Iterator[bytes]:
    for start in range(0, len(total), PIECE_BYTES):
        yield bytes(total[start : start + PIECE_BYTES])
