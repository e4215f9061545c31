"""What the site keeps: every arrival with its outcome, windows, baselines, detector states, what left it.

Patients and series appear under keyed pseudonyms only. Times are UTC, written as fixed-width text, so that they sort.
The tables are made by the migrations; a test holds the two together.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Float, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

PSEUDONYM = String(32)
SHA256 = String(64)
MEASURES_LENGTH = 16
MEASURES = String(MEASURES_LENGTH)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime as text of fixed width."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To text; a moment without a time zone is a mistake of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A moment without a time zone cannot be stored.")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Back to an aware datetime."""
        return None if value is None else datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z")


class Base(DeclarativeBase):
    """All tables of the store."""


class Fact(Base):
    """Single facts about the store: the site, the check value of its secret, the clock's skew."""

    __tablename__ = "facts"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(String(200))


class Attempt(Base):
    """An input whose analysis was begun, and how often; the row survives a crash in the middle of it."""

    __tablename__ = "attempts"

    case_id: Mapped[str] = mapped_column(PSEUDONYM, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    begun_at: Mapped[datetime] = mapped_column(Moment)


class CaseRow(Base):
    """One series that arrived, whatever became of it; `id` is the order of arrival.

    `counted` marks the first scored case of a patient in its window: the one that reports and detectors look at.
    """

    __tablename__ = "cases"
    __table_args__ = (
        Index("ix_cases_series", "series"),
        Index("ix_cases_window", "window_index", "outcome"),
        Index("ix_cases_patient", "patient", "window_index"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    case_id: Mapped[str] = mapped_column(PSEUDONYM, unique=True)
    series: Mapped[str] = mapped_column(PSEUDONYM)
    instances: Mapped[str] = mapped_column(PSEUDONYM)
    content: Mapped[str] = mapped_column(PSEUDONYM)
    patient: Mapped[str] = mapped_column(PSEUDONYM)
    received_at: Mapped[datetime] = mapped_column(Moment)
    stored_at: Mapped[datetime] = mapped_column(Moment)
    outcome: Mapped[str] = mapped_column(String(8))  # scored, refused, failed
    stage: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str | None] = mapped_column(String(64))
    window_index: Mapped[int] = mapped_column(ForeignKey("windows.index"))
    late: Mapped[bool] = mapped_column(Boolean)
    counted: Mapped[bool] = mapped_column(Boolean)
    model_version: Mapped[str | None] = mapped_column(String(64))
    model_hash: Mapped[str | None] = mapped_column(SHA256)
    values: Mapped[dict[str, float | None] | None] = mapped_column(JSON)
    events: Mapped[dict[str, bool | None] | None] = mapped_column(JSON)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class WindowRow(Base):
    """A half-open span of time; exactly one is open, its end unknown."""

    __tablename__ = "windows"
    __table_args__ = (Index("uq_windows_one_open", "state", unique=True, sqlite_where=text("state = 'open'")),)

    index: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    start_at: Mapped[datetime] = mapped_column(Moment)
    end_at: Mapped[datetime | None] = mapped_column(Moment)
    state: Mapped[str] = mapped_column(String(10))  # open, released, suppressed, unreported
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    backend: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[str] = mapped_column(String(64))
    model_hash: Mapped[str] = mapped_column(SHA256)
    measures: Mapped[str] = mapped_column(MEASURES, server_default="")
    baseline_version: Mapped[int | None] = mapped_column(
        ForeignKey("baselines.version")
    )  # the baseline it became part of


class BaselineRow(Base):
    """A frozen site baseline: the counted cases of the released windows that carry its version."""

    __tablename__ = "baselines"

    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    frozen_at: Mapped[datetime] = mapped_column(Moment)
    start_at: Mapped[datetime] = mapped_column(Moment)
    end_at: Mapped[datetime] = mapped_column(Moment)
    last_window: Mapped[int] = mapped_column(Integer)
    model_version: Mapped[str] = mapped_column(String(64))
    model_hash: Mapped[str] = mapped_column(SHA256)
    measures: Mapped[str] = mapped_column(MEASURES, server_default="")
    patient_count: Mapped[int] = mapped_column(Integer)
    case_count: Mapped[int] = mapped_column(Integer)
    last_case: Mapped[int] = mapped_column(Integer)  # detectors were fed up to this case, see `detectors.state`


class DetectorRow(Base):
    """A change detector as it stood after the case `last_case` of its baseline; later cases are fed again at start."""

    __tablename__ = "detectors"

    baseline_version: Mapped[int] = mapped_column(ForeignKey("baselines.version"), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    state: Mapped[dict[str, Any]] = mapped_column(JSON)


class PageRow(Base):
    """A detector reached its alarm line with this case."""

    __tablename__ = "pages"

    baseline_version: Mapped[int] = mapped_column(ForeignKey("baselines.version"), primary_key=True)
    detector: Mapped[str] = mapped_column(String(80), primary_key=True)
    case: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    window_index: Mapped[int] = mapped_column(ForeignKey("windows.index"))
    paged_at: Mapped[datetime] = mapped_column(Moment)
    since: Mapped[datetime | None] = mapped_column(Moment)


class OutboxRow(Base):
    """A report that waits to be sent, was sent, or is parked until a person looks."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_due", "state", "next_try_at"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    report_id: Mapped[str] = mapped_column(String(36), unique=True)
    ledger_number: Mapped[int] = mapped_column(ForeignKey("ledger.number"))
    state: Mapped[str] = mapped_column(String(8))  # waiting, sent, parked
    attempts: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Moment)
    next_try_at: Mapped[datetime] = mapped_column(Moment)
    last_code: Mapped[str | None] = mapped_column(String(40))
    sent_at: Mapped[datetime | None] = mapped_column(Moment)


class LedgerRow(Base):
    """The exact bytes of one report, or what is told of one federated message, chained to all before it.

    Triggers refuse to change or delete a row.
    """

    __tablename__ = "ledger"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    report_id: Mapped[str] = mapped_column(String(36), unique=True)
    written_at: Mapped[datetime] = mapped_column(Moment)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[str] = mapped_column(SHA256)
    chain: Mapped[str] = mapped_column(SHA256)


class FederationSessionRow(Base):
    """A session of a secure sum that was opened here, as hexadecimal digits; none is opened twice."""

    __tablename__ = "federation_sessions"

    session: Mapped[str] = mapped_column(String(32), primary_key=True)
    opened_at: Mapped[datetime] = mapped_column(Moment)


class FederationReleaseRow(Base):
    """Over which sites (sorted, separated by spaces) this one helped to unmask a sum of a quantity."""

    __tablename__ = "federation_releases"

    quantity: Mapped[str] = mapped_column(String(128), primary_key=True)
    cohort: Mapped[str] = mapped_column(Text, primary_key=True)
    first_at: Mapped[datetime] = mapped_column(Moment)


class ReviewRow(Base):
    """A case drawn at random for a reader, and the verdict."""

    __tablename__ = "reviews"

    case: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    drawn_at: Mapped[datetime] = mapped_column(Moment)
    inclusion_probability: Mapped[float] = mapped_column(Float)
    verdict: Mapped[str | None] = mapped_column(String(10))  # good, failed
    category: Mapped[str | None] = mapped_column(String(40))
    reviewed_at: Mapped[datetime | None] = mapped_column(Moment)
