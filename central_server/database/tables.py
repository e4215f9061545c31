"""The tables. A report row keeps the exact bytes received; its summaries are rows, written in the same transaction.

Times are aware UTC. What a report may leave out is NULL, never 0.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite keeps it without its zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To UTC.

        Raises:
            ValueError: the datetime has no time zone.
        """
        if value is not None and value.tzinfo is None:
            raise ValueError("A moment without a time zone cannot be stored.")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite numbers rows by itself only where the key is exactly INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Root of the tables; constraints have names, so that later migrations can drop them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, UUID: Uuid, dict[str, Any]: JSON, bytes: LargeBinary}  # noqa: RUF012


class SiteRow(Base):
    """A hospital that takes part."""

    __tablename__ = "sites"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    title: Mapped[str] = mapped_column(String(120))
    registered_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]


class SiteKeyRow(Base):
    """A site's key, as its hash. `origin` is `command` or `file`; those of the file go when they leave it."""

    __tablename__ = "site_keys"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    origin: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    site: Mapped[SiteRow] = relationship(lazy="joined")


class ReportRow(Base):
    """A report as received, with what lists and charts ask for in columns."""

    __tablename__ = "reports"
    __table_args__ = (
        Index("ix_reports_place", "site_id", "kind", "stratum", "window_index", "revision"),
        Index("ix_reports_arrival", "site_id", "id"),
        UniqueConstraint("report_id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    report_id: Mapped[UUID]
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"))
    kind: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    stratum: Mapped[str] = mapped_column(String(80))
    window_index: Mapped[int] = mapped_column(BigInteger)
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(BigInteger)
    baseline_version: Mapped[int | None] = mapped_column(BigInteger)
    patient_count: Mapped[int | None] = mapped_column(BigInteger)
    case_count: Mapped[int | None] = mapped_column(BigInteger)
    versions: Mapped[dict[str, Any]]
    privacy: Mapped[dict[str, Any]]
    funnel: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    flag_quality: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    reviews: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    received_at: Mapped[datetime]
    sha256: Mapped[str] = mapped_column(String(64))
    body: Mapped[bytes] = mapped_column(deferred=True)
    metrics: Mapped[list["MetricRow"]] = relationship(back_populates="report", order_by="MetricRow.id")
    events: Mapped[list["EventRow"]] = relationship(back_populates="report", order_by="EventRow.id")
    detectors: Mapped[list["DetectorRow"]] = relationship(back_populates="report", order_by="DetectorRow.id")


class PendingReportRow(Base):
    """A report that no monitoring pass has looked at yet; written with it, removed by the pass that did."""

    __tablename__ = "pending_reports"

    report_row_id: Mapped[int] = mapped_column(RowId, ForeignKey("reports.id"), primary_key=True, autoincrement=False)


class MetricRow(Base):
    """One quantity of a report; either a histogram or the reason why it is withheld."""

    __tablename__ = "metric_summaries"
    __table_args__ = (UniqueConstraint("report_row_id", "name"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    report_row_id: Mapped[int] = mapped_column(ForeignKey("reports.id"))
    name: Mapped[str] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(String(80))
    unit: Mapped[str] = mapped_column(String(24))
    direction: Mapped[str] = mapped_column(String(24))
    version: Mapped[int] = mapped_column(BigInteger)
    histogram: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    undefined_low: Mapped[int | None] = mapped_column(BigInteger)
    undefined_high: Mapped[int | None] = mapped_column(BigInteger)
    withheld: Mapped[str | None] = mapped_column(String(64))
    report: Mapped[ReportRow] = relationship(back_populates="metrics")


class EventRow(Base):
    """How often something happened among the cases of a report."""

    __tablename__ = "event_summaries"
    __table_args__ = (UniqueConstraint("report_row_id", "name"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    report_row_id: Mapped[int] = mapped_column(ForeignKey("reports.id"))
    name: Mapped[str] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(String(80))
    count_low: Mapped[int] = mapped_column(BigInteger)
    count_high: Mapped[int] = mapped_column(BigInteger)
    out_of: Mapped[int] = mapped_column(BigInteger)
    report: Mapped[ReportRow] = relationship(back_populates="events")


class DetectorRow(Base):
    """Where one of the site's detectors stood at the end of a report's window, as the site said it."""

    __tablename__ = "detector_states"
    __table_args__ = (UniqueConstraint("report_row_id", "metric", "kind", "alternative"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    report_row_id: Mapped[int] = mapped_column(ForeignKey("reports.id"))
    metric: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(8))
    alternative: Mapped[str] = mapped_column(String(8))
    state: Mapped[dict[str, Any]]
    report: Mapped[ReportRow] = relationship(back_populates="detectors")


class AlertRow(Base):
    """An alert. `cause` names what it is about; of one cause at most one alert is open.

    `told_until` is the moment up to which the cause has been told: a finding about an earlier one, from a window
    that arrived late, raises nothing again.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        Index(
            "uq_alerts_open_cause",
            "cause",
            unique=True,
            sqlite_where=text("state != 'resolved'"),
            postgresql_where=text("state != 'resolved'"),
        ),
        Index("ix_alerts_cause", "cause"),
        Index("ix_alerts_site_id_state", "site_id", "state"),
        UniqueConstraint("alert_id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    alert_id: Mapped[UUID]
    cause: Mapped[str] = mapped_column(String(240))
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"))
    rule: Mapped[str] = mapped_column(String(64))
    severity: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(240))
    metric: Mapped[str | None] = mapped_column(String(64))
    stratum: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    told_until: Mapped[datetime]
    owner: Mapped[str | None] = mapped_column(String(80))
    evidence: Mapped[dict[str, Any]]
    next_step: Mapped[str] = mapped_column(Text)
    site: Mapped[SiteRow] = relationship()
    transitions: Mapped[list["TransitionRow"]] = relationship(order_by="TransitionRow.id", back_populates="alert")


class TransitionRow(Base):
    """A change of an alert's state. Append-only, held by a trigger."""

    __tablename__ = "alert_transitions"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    alert_row_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(80))
    from_state: Mapped[str | None] = mapped_column(String(16))
    to_state: Mapped[str] = mapped_column(String(16))
    comment: Mapped[str] = mapped_column(Text)
    alert: Mapped[AlertRow] = relationship(back_populates="transitions")


class SessionRow(Base):
    """A signed-in person; the token itself is not kept."""

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    actor: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class AuditRow(Base):
    """Who did what, when, to what. Append-only, held by a trigger."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(240))


class ListeningRow(Base):
    """Since when this server has been listening, and its last sign of life: one row.

    Silence counts only while somebody listened; after an outage of the centre no site is blamed for it.
    """

    __tablename__ = "listening"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    since: Mapped[datetime]
    last_alive_at: Mapped[datetime]
