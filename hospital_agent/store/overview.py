"""Where an agent stands, for people and health checks; no value of a case is in it."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hospital_agent.store import cases, outbox, windows
from hospital_agent.store.database import Store
from hospital_agent.store.tables import Attempt, Fact, LedgerRow, PageRow, WindowRow
from shared.clock import Clock, rfc3339, utc_now


def overview(store: Store, clock: Clock = utc_now) -> dict[str, Any]:
    """Counts and states of everything that the agent keeps."""
    with store.read() as session:
        facts = {fact.name: fact.value for fact in session.scalars(select(Fact))}
        return {
            "inbox": {name: int(facts.get(f"inbox_{name}", 0)) for name in ("stalled", "set_aside")},
            "cases": cases.outcome_counts(session),
            # One forward pass over a series each, those that a crash has cut off included.
            "analyses_begun": session.scalar(select(func.sum(Attempt.count))) or 0,
            "window": _window(session, clock()),
            "baseline": _baseline(session),
            "pages": session.scalar(select(func.count()).select_from(PageRow)) or 0,
            "outbox": outbox.counts(session),
            "ledger_rows": session.scalar(select(func.count()).select_from(LedgerRow)) or 0,
            "centre": {name: value for name, value in facts.items() if name in _TOLD},
        }


_TOLD = ("clock_skew_s", "last_sign_of_life_at", "sign_of_life_failure")


def _window(session: Session, now: datetime) -> dict[str, Any] | None:
    window = windows.open_window(session)
    if window is None:
        return None
    closed = session.execute(select(WindowRow.state, func.count()).group_by(WindowRow.state)).all()
    return {
        "index": window.index,
        "start_at": rfc3339(window.start_at),
        "starts_in_the_future": window.start_at > now,  # the clock was ahead once: nothing is told before then
        "patients": cases.patient_count(session, [window.index]),
        "model_version": window.model_version,
        "closed": {str(state): int(count) for state, count in closed if state != "open"},
    }


def _baseline(session: Session) -> dict[str, Any]:
    window = windows.open_window(session)
    model = None if window is None else windows.model_of(window)
    frozen = None if model is None else windows.baseline_of(session, model)
    if frozen is None:
        waiting = [] if model is None else [row.index for row in windows.warm_up(session, model)]
        return {"state": "warming_up", "patients": cases.patient_count(session, waiting)}
    return {
        "state": "frozen",
        "version": frozen.version,
        "patients": frozen.patient_count,
        "frozen_at": rfc3339(frozen.frozen_at),
    }
