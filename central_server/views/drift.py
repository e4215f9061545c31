"""Drift of one quantity of one site: each window against the baseline that was in force."""

from collections.abc import Mapping

from central_server.database.tables import MetricRow, ReportRow
from central_server.drift import measure
from central_server.views.metrics import answer_of, histogram_of, summary_of
from central_server.views.timeline import Slot, Timeline
from shared.errors import EdgesMismatch
from shared.read_models import DriftPoint, DriftSeries, DriftStatistic, MetricInfo
from shared.summaries import Histogram


def series(
    about: MetricInfo, timeline: Timeline, rows: Mapping[int, MetricRow], baselines: Mapping[int, ReportRow]
) -> DriftSeries:
    """Drift over all windows; `rows` by the row id of their report, `baselines` by version."""
    points = tuple(_point(slot, about, rows, baselines) for slot in timeline.slots)
    return DriftSeries(site=timeline.site, metric=about, stratum=timeline.stratum, points=points)


def _point(
    slot: Slot, about: MetricInfo, rows: Mapping[int, MetricRow], baselines: Mapping[int, ReportRow]
) -> DriftPoint:
    row = summary_of(slot, rows)
    answer = answer_of(slot.report, row, about.version)
    current = histogram_of(row) if answer == "ok" else None
    reference = _reference(slot.report, about, rows, baselines)
    statistics = _measured(current, reference, about.unit)
    if answer == "ok" and statistics is None:
        answer = "insufficient_data"
    return DriftPoint(
        window=slot.window,
        answer=answer,
        n=current.total if current else None,
        baseline_n=reference.total if reference else None,
        statistics=statistics or (),
    )


def _reference(
    report: ReportRow | None, about: MetricInfo, rows: Mapping[int, MetricRow], baselines: Mapping[int, ReportRow]
) -> Histogram | None:
    """The baseline's counts in the same version of the quantity; None during warm-up."""
    baseline = baselines.get(report.baseline_version or 0) if report else None
    row = rows.get(baseline.id) if baseline else None
    return histogram_of(row) if row is not None and row.version == about.version else None


def _measured(current: Histogram | None, reference: Histogram | None, unit: str) -> tuple[DriftStatistic, ...] | None:
    if current is None or reference is None:
        return None
    try:
        return measure(current, reference, unit)
    except EdgesMismatch:
        return None
