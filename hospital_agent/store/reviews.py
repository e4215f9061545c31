"""Cases drawn at random for a reader, and what the reader said.

Only random draws can say how often masks fail: cases that somebody picked because they looked odd cannot. So the draw
is made by the program, uniformly among the scored cases that were not drawn before, and its inclusion probability is
kept with it.
"""

from datetime import datetime
from random import Random
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hospital_agent.store.tables import CaseRow, ReviewRow

Verdict = Literal["good", "failed"]


def draw(session: Session, count: int, random: Random, now: datetime) -> list[str]:
    """Draw up to `count` cases uniformly among those never drawn; returns their case ids."""
    waiting = list(
        session.scalars(
            select(CaseRow)
            .outerjoin(ReviewRow, ReviewRow.case == CaseRow.id)
            .where(CaseRow.outcome == "scored", ReviewRow.case.is_(None))
            .order_by(CaseRow.id)
        )
    )
    drawn = random.sample(waiting, min(count, len(waiting)))
    for row in drawn:
        session.add(ReviewRow(case=row.id, drawn_at=now, inclusion_probability=len(drawn) / len(waiting)))
    return [row.case_id for row in drawn]


def record(session: Session, case_id: str, verdict: Verdict, category: str | None, now: datetime) -> bool:
    """Keep a reader's verdict on a drawn case; False where the case was not drawn. A later verdict replaces it."""
    row = session.scalar(
        select(ReviewRow).join(CaseRow, CaseRow.id == ReviewRow.case).where(CaseRow.case_id == case_id)
    )
    if row is None:
        return False
    row.verdict, row.category, row.reviewed_at = verdict, category, now
    return True


def waiting(session: Session) -> list[str]:
    """The case ids that were drawn and have no verdict yet, oldest draw first."""
    return list(
        session.scalars(
            select(CaseRow.case_id)
            .join(ReviewRow, ReviewRow.case == CaseRow.id)
            .where(ReviewRow.verdict.is_(None))
            .order_by(ReviewRow.drawn_at, CaseRow.id)
        )
    )


def counts(session: Session) -> dict[str, int]:
    """How many drawn cases have which verdict."""
    found = session.execute(select(ReviewRow.verdict, func.count()).group_by(ReviewRow.verdict)).all()
    return {"good": 0, "failed": 0, "waiting": 0, **{str(verdict or "waiting"): int(n) for verdict, n in found}}
