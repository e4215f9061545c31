"""Reports: stored once, with their summaries, in one transaction."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, undefer

from central_server.database.audit import record
from central_server.database.session import Database
from central_server.database.sites import note_seen
from central_server.database.tables import (
    Base,
    DetectorRow,
    EventRow,
    MetricRow,
    PendingReportRow,
    ReportRow,
    SiteRow,
)
from shared.report import DetectorState, EventSummary, MetricSummary, ReportReceipt, SiteReport, Wire


@dataclass(frozen=True)
class Outcome:
    """What became of a report that arrived; a conflict leaves the stored one as it is."""

    kind: Literal["stored", "repeated", "conflict"]
    receipt: ReportReceipt


def accept(database: Database, site_id: int, report: SiteReport, body: bytes, now: datetime) -> Outcome:
    """Store the report, its summaries and the note that monitoring has not seen it, or find that it is there.

    Two deliveries at the same moment are settled by the unique id: the later one finds the earlier one's row.
    """
    try:
        with database.write() as session:
            return _accept(session, _row(site_id, report, body, now), report)
    except IntegrityError:
        with database.write() as session:
            return _accept(session, _row(site_id, report, body, now), report)


def _accept(session: Session, row: ReportRow, report: SiteReport) -> Outcome:
    note_seen(session, row.site_id, row.received_at)
    known = session.execute(
        select(ReportRow.sha256, ReportRow.received_at, SiteRow.name)
        .join(SiteRow, SiteRow.id == ReportRow.site_id)
        .where(ReportRow.report_id == row.report_id)
    ).one_or_none()
    if known is None:
        session.add(row)
        session.flush()
        _add_summaries(session, row.id, report)
        session.add(PendingReportRow(report_row_id=row.id))
        return Outcome("stored", _receipt(row.report_id, row.sha256, row.received_at))
    if known.sha256 != row.sha256:
        record(session, row.received_at, known.name, "report_conflict", str(row.report_id))
        return Outcome("conflict", _receipt(row.report_id, known.sha256, known.received_at))
    return Outcome("repeated", _receipt(row.report_id, known.sha256, known.received_at))


def _receipt(report_id: UUID, sha256: str, received_at: datetime) -> ReportReceipt:
    return ReportReceipt(report_id=report_id, sha256=sha256, received_at=received_at)


def _json(part: Wire | None) -> dict[str, Any] | None:
    return None if part is None else part.model_dump(mode="json")


def _row(site_id: int, report: SiteReport, body: bytes, now: datetime) -> ReportRow:
    return ReportRow(
        report_id=report.report_id,
        site_id=site_id,
        kind=report.kind,
        status=report.status,
        stratum=report.stratum,
        window_index=report.window.index,
        start_at=report.window.start_at,
        end_at=report.window.end_at,
        revision=report.revision,
        baseline_version=report.versions.baseline,
        patient_count=report.patient_count,
        case_count=report.case_count,
        versions=_json(report.versions),
        privacy=_json(report.privacy),
        funnel=_json(report.funnel),
        flag_quality=_json(report.flag_quality),
        reviews=_json(report.reviews),
        created_at=report.created_at,
        received_at=now,
        sha256=hashlib.sha256(body).hexdigest(),
        body=body,
    )


def _add_summaries(session: Session, row_id: int, report: SiteReport) -> None:
    """All summaries in one statement a table."""
    tables: tuple[tuple[type[Base], list[dict[str, Any]]], ...] = (
        (MetricRow, [_metric(metric) for metric in report.metrics]),
        (EventRow, [_event(event) for event in report.events]),
        (DetectorRow, [_detector(detector) for detector in report.detectors]),
    )
    for table, lines in tables:
        if lines:
            session.execute(insert(table), [{"report_row_id": row_id, **line} for line in lines])


def _metric(metric: MetricSummary) -> dict[str, Any]:
    return {
        "name": metric.name,
        "label": metric.label,
        "unit": metric.unit,
        "direction": metric.direction,
        "version": metric.version,
        "histogram": _json(metric.histogram),
        "undefined_low": metric.undefined.low if metric.undefined else None,
        "undefined_high": metric.undefined.high if metric.undefined else None,
        "withheld": metric.withheld,
    }


def _event(event: EventSummary) -> dict[str, Any]:
    return {
        "name": event.name,
        "label": event.label,
        "count_low": event.count.low,
        "count_high": event.count.high,
        "out_of": event.out_of,
    }


def _detector(detector: DetectorState) -> dict[str, Any]:
    return {
        "metric": detector.metric,
        "kind": detector.kind,
        "alternative": detector.alternative,
        "state": _json(detector),
    }


def report_rows(session: Session, site: str | None, before_id: int | None, limit: int) -> list[tuple[ReportRow, str]]:
    """Reports with their site's name, newest first by arrival."""
    query = select(ReportRow, SiteRow.name).join(SiteRow, SiteRow.id == ReportRow.site_id)
    query = query.order_by(ReportRow.id.desc()).limit(limit)
    if site is not None:
        query = query.where(SiteRow.name == site)
    if before_id is not None:
        query = query.where(ReportRow.id < before_id)
    return [(row, name) for row, name in session.execute(query)]


def last_report_at(session: Session, site_id: int) -> datetime | None:
    """When the site's newest report arrived."""
    newest = select(func.max(ReportRow.id)).where(ReportRow.site_id == site_id).scalar_subquery()
    return session.scalar(select(ReportRow.received_at).where(ReportRow.id == newest))


def pending(session: Session, limit: int) -> list[ReportRow]:
    """Reports that no monitoring pass has seen, in order of arrival."""
    query = (
        select(ReportRow)
        .join(PendingReportRow, PendingReportRow.report_row_id == ReportRow.id)
        .order_by(ReportRow.id)
        .limit(limit)
        .options(undefer(ReportRow.body))
    )
    return list(session.scalars(query))


def settle(session: Session, rows: list[ReportRow]) -> None:
    """These reports have been looked at."""
    ids = [row.id for row in rows]
    session.execute(delete(PendingReportRow).where(PendingReportRow.report_row_id.in_(ids)))
