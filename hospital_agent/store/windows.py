"""Windows and baselines as rows; when a window closes is decided in `reporting.calendar`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from hospital_agent.store.tables import BaselineRow, WindowRow


@dataclass(frozen=True)
class ModelKey:
    """What made the numbers; numbers of two keys are never put together.

    Args:
        backend, version, hash: what makes the masks.
        measures: a short hash of the quantities with their versions, and of what they are measured with.
    """

    backend: str
    version: str
    hash: str
    measures: str = ""


def open_window(session: Session) -> WindowRow | None:
    """The window that is open now; None in a new store."""
    return session.scalar(select(WindowRow).where(WindowRow.state == "open"))


def start(session: Session, index: int, start_at: datetime, model: ModelKey) -> WindowRow:
    """Open a window."""
    row = WindowRow(
        index=index,
        start_at=start_at,
        state="open",
        backend=model.backend,
        model_version=model.version,
        model_hash=model.hash,
        measures=model.measures,
    )
    session.add(row)
    session.flush()
    return row


def model_of(window: WindowRow) -> ModelKey:
    """The model whose numbers a window holds."""
    return ModelKey(window.backend, window.model_version, window.model_hash, window.measures)


def baseline_of(session: Session, model: ModelKey) -> BaselineRow | None:
    """The frozen baseline in force for a model: its newest."""
    return session.scalar(
        select(BaselineRow)
        .where(BaselineRow.model_hash == model.hash, BaselineRow.measures == model.measures)
        .order_by(BaselineRow.version.desc())
        .limit(1)
    )


def warm_up(session: Session, model: ModelKey) -> list[WindowRow]:
    """The released windows of a model that belong to no baseline, in order: what its first baseline is made of."""
    return list(
        session.scalars(
            select(WindowRow)
            .where(
                WindowRow.model_hash == model.hash,
                WindowRow.measures == model.measures,
                WindowRow.state == "released",
                WindowRow.baseline_version.is_(None),
            )
            .order_by(WindowRow.index)
        )
    )


def released_after(session: Session, baseline: BaselineRow) -> list[int]:
    """The windows of the baseline's model that were released since it was frozen."""
    return list(
        session.scalars(
            select(WindowRow.index).where(
                WindowRow.model_hash == baseline.model_hash,
                WindowRow.measures == baseline.measures,
                WindowRow.state == "released",
                WindowRow.index > baseline.last_window,
            )
        )
    )


def members(session: Session, baseline: BaselineRow) -> list[int]:
    """The windows that a baseline is made of."""
    return list(session.scalars(select(WindowRow.index).where(WindowRow.baseline_version == baseline.version)))


def next_baseline_version(session: Session) -> int:
    """One more than the newest."""
    newest = session.scalar(select(BaselineRow.version).order_by(BaselineRow.version.desc()).limit(1))
    return (newest or 0) + 1


def starts(session: Session) -> dict[int, datetime]:
    """Where each window begins."""
    return {window.index: window.start_at for window in session.scalars(select(WindowRow))}


def freeze(
    session: Session, windows_: Sequence[WindowRow], patient_count: int, case_count: int, last_case: int, now: datetime
) -> BaselineRow:
    """Make a baseline of some released windows."""
    first, last = windows_[0], windows_[-1]
    baseline = BaselineRow(
        version=next_baseline_version(session),
        frozen_at=now,
        start_at=first.start_at,
        end_at=last.end_at,
        last_window=last.index,
        model_version=last.model_version,
        model_hash=last.model_hash,
        measures=last.measures,
        patient_count=patient_count,
        case_count=case_count,
        last_case=last_case,
    )
    session.add(baseline)
    session.flush()
    for window in windows_:
        window.baseline_version = baseline.version
    return baseline
