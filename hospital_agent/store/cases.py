"""Arrivals and what became of them: every series once, whatever happens in between."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hospital_agent.reporting.aggregate import Arrivals, CountedCase
from hospital_agent.store.tables import Attempt, BaselineRow, CaseRow, WindowRow

Outcome = Literal["scored", "refused", "failed"]
Known = Literal["new", "same", "scored_before"]


@dataclass(frozen=True)
class Earlier:
    """What is known of an input from before, how often its very bytes failed, and what became of them last."""

    known: Known
    failures: int
    outcome: Outcome = "scored"


@dataclass(frozen=True)
class Arrival:
    """An input under its pseudonyms.

    Args:
        case_id: pseudonym of this series with this content; another one for each time that it failed and came again.
        series, instances, content, patient: pseudonyms; see `ingest.series.Identity`.
        received_at: when it became complete.
    """

    case_id: str
    series: str = field(repr=False)
    instances: str = field(repr=False)
    content: str = field(repr=False)
    patient: str = field(repr=False)
    received_at: datetime


@dataclass(frozen=True)
class Finding:
    """What became of an arrival.

    Args:
        stage, reason: of a refusal or a failure.
        values, events, result: of a scored case; an event that cannot be known is None.
    """

    outcome: Outcome
    stage: str | None = None
    reason: str | None = None
    values: dict[str, float | None] | None = None
    events: dict[str, bool | None] | None = None
    result: dict[str, Any] | None = None


def known(session: Session, arrival: Arrival) -> Earlier:
    """What is known of an input from before.

    "same": these very bytes, or these images of a series that was scored. "scored_before": the series was scored, from
    other images. What was refused may come again in another form, and what failed may be put into the inbox again as
    it is: both are then new.
    """
    rows = list(session.scalars(select(CaseRow).where(CaseRow.series == arrival.series).order_by(CaseRow.id)))
    scored = [row.instances for row in rows if row.outcome == "scored"]
    same = [row for row in rows if row.content == arrival.content]
    put_back = bool(same) and all(r.outcome == "failed" and r.stored_at < arrival.received_at for r in same)
    if arrival.instances in scored or (same and not put_back):
        return Earlier("same", len(same), cast(Outcome, same[-1].outcome) if same else "scored")
    return Earlier("scored_before" if scored else "new", len(same))


def begin_attempt(session: Session, arrival: Arrival, now: datetime) -> int:
    """Count one more try of an input; the count survives a crash during it. Returns the number of this try."""
    row = session.get(Attempt, arrival.case_id)
    if row is None:
        row = Attempt(case_id=arrival.case_id, count=0, begun_at=now)
        session.add(row)
    row.count += 1
    row.begun_at = now
    return row.count


def add(
    session: Session, arrival: Arrival, finding: Finding, window: WindowRow, now: datetime, *, late: bool = False
) -> CaseRow:
    """Store an arrival in the open window; the first scored case of a patient in a window is the one that counts."""
    scored = finding.outcome == "scored"
    row = CaseRow(
        case_id=arrival.case_id,
        series=arrival.series,
        instances=arrival.instances,
        content=arrival.content,
        patient=arrival.patient,
        received_at=arrival.received_at,
        stored_at=now,
        outcome=finding.outcome,
        stage=finding.stage,
        reason=finding.reason,
        window_index=window.index,
        late=late,
        counted=scored and not _counted_already(session, arrival.patient, window.index),
        model_version=window.model_version if scored else None,
        model_hash=window.model_hash if scored else None,
        values=finding.values,
        events=finding.events,
        result=finding.result,
    )
    session.add(row)
    session.flush()
    return row


def counted(session: Session, windows: Sequence[int]) -> list[CountedCase]:
    """The cases that count in some windows, in order of arrival."""
    found = session.scalars(
        select(CaseRow).where(CaseRow.window_index.in_(windows), CaseRow.counted).order_by(CaseRow.id)
    )
    return [as_counted(row) for row in found]


def stream(session: Session, baseline: BaselineRow) -> list[CaseRow]:
    """The counted cases that came after a baseline was frozen, with its model, in order of arrival."""
    return list(
        session.scalars(
            select(CaseRow)
            .join(WindowRow, WindowRow.index == CaseRow.window_index)
            .where(
                CaseRow.counted,
                WindowRow.model_hash == baseline.model_hash,
                WindowRow.measures == baseline.measures,
                WindowRow.index > baseline.last_window,
            )
            .order_by(CaseRow.id)
        )
    )


def patient_count(session: Session, windows: Sequence[int]) -> int:
    """How many distinct patients were scored in some windows."""
    distinct = select(func.count(CaseRow.patient.distinct())).where(CaseRow.window_index.in_(windows), CaseRow.counted)
    return session.scalar(distinct) or 0


def last_received(session: Session, window: int, now: datetime) -> datetime | None:
    """When the last input of a window arrived, or None.

    What came while the clock was ahead of what it says now does not count: it would keep the window open until then.
    """
    return session.scalar(
        select(CaseRow.received_at)
        .where(CaseRow.window_index == window, CaseRow.received_at <= now)
        .order_by(CaseRow.received_at.desc())
        .limit(1)
    )


def last_id(session: Session) -> int:
    """The newest case, 0 where there is none."""
    return session.scalar(select(func.max(CaseRow.id))) or 0


def arrivals(session: Session, window: int) -> Arrivals:
    """What became of all inputs of a window."""
    found = session.execute(select(CaseRow.outcome, CaseRow.reason).where(CaseRow.window_index == window)).all()
    outcomes = Counter(outcome for outcome, _ in found)
    reasons = Counter(str(reason) for outcome, reason in found if outcome == "refused")
    return Arrivals(outcomes["scored"], outcomes["failed"], dict(reasons))


def outcome_counts(session: Session) -> dict[str, int]:
    """How many inputs ended in each way, over all time."""
    found = session.execute(select(CaseRow.outcome, func.count()).group_by(CaseRow.outcome)).all()
    return {"scored": 0, "refused": 0, "failed": 0, **{str(outcome): int(count) for outcome, count in found}}


def as_counted(row: CaseRow) -> CountedCase:
    """A stored case as reports see it."""
    return CountedCase(row.patient, row.values or {}, row.events or {}, row.late)


def _counted_already(session: Session, patient: str, window: int) -> bool:
    same = select(CaseRow.id).where(CaseRow.patient == patient, CaseRow.window_index == window, CaseRow.counted)
    return session.scalar(same.limit(1)) is not None
