"""One quantity of one site over time, beside the site's own baselines."""

from collections.abc import Mapping

from central_server.database.tables import MetricRow, ReportRow
from central_server.views.timeline import Slot, Timeline, window_of
from shared.read_models import Answer, MetricInfo, MetricPoint, MetricSeries, Quantiles
from shared.report import CountBand, WireHistogram
from shared.statistics.intervals import histogram_quantile
from shared.summaries import Histogram


def info(row: MetricRow) -> MetricInfo:
    """What the quantity is, in the site's own words."""
    return MetricInfo(name=row.name, label=row.label, unit=row.unit, direction=row.direction, version=row.version)


def histogram_of(row: MetricRow | None) -> Histogram | None:
    """The counts of a summary; None where it is withheld or there is none."""
    return WireHistogram.model_validate(row.histogram).unwrap() if row is not None and row.histogram else None


def answer_of(report: ReportRow | None, row: MetricRow | None, version: int) -> Answer:
    """Which of the five answers a window gives for one quantity in one version of its definition."""
    if report is None:
        return "missing"
    if report.status == "suppressed":
        return "suppressed"
    if row is None or row.version != version:
        return "missing"
    if row.histogram is None:
        return "withheld"
    return "ok" if sum(row.histogram["counts"]) else "insufficient_data"


def quantiles_of(histogram: Histogram) -> Quantiles | None:
    """The 10th, 50th and 90th percentile; None for an empty histogram."""
    p10, p50, p90 = (histogram_quantile(histogram, share) for share in (0.1, 0.5, 0.9))
    return None if p10 is None or p50 is None or p90 is None else Quantiles(p10=p10, p50=p50, p90=p90)


def point(slot: Slot, row: MetricRow | None, version: int) -> MetricPoint:
    """One window."""
    answer = answer_of(slot.report, row, version)
    told = row if answer in ("ok", "insufficient_data", "withheld") else None
    histogram = histogram_of(told)
    banded = told is not None and told.undefined_low is not None and told.undefined_high is not None
    return MetricPoint(
        report_id=slot.report_id,
        window=slot.window,
        answer=answer,
        n=None if histogram is None else histogram.total,
        undefined=CountBand(low=told.undefined_low, high=told.undefined_high) if told and banded else None,
        histogram=None if histogram is None else WireHistogram.wrap(histogram),
        quantiles=None if histogram is None else quantiles_of(histogram),
        baseline_version=None if slot.report is None else slot.report.baseline_version,
    )


def series(
    about: MetricInfo,
    timeline: Timeline,
    rows: Mapping[int, MetricRow],
    baselines: Mapping[int, ReportRow],
    in_force: ReportRow | None,
) -> MetricSeries:
    """The quantity over all windows; `rows` by the row id of their report, `baselines` by version."""
    points = tuple(point(slot, summary_of(slot, rows), about.version) for slot in timeline.slots)
    current = in_force.baseline_version if in_force else None
    named = {point.baseline_version for point in points} | {current}
    references = {
        version: point(Slot(row.report_id, window_of(row), row), rows.get(row.id), about.version)
        for version, row in sorted(baselines.items())
        if version in named
    }
    return MetricSeries(
        site=timeline.site,
        metric=about,
        stratum=timeline.stratum,
        baseline=references.get(current or 0),
        points=points,
        baselines=tuple(references.values()),
    )


def summary_of(slot: Slot, rows: Mapping[int, MetricRow]) -> MetricRow | None:
    """The summary in this window, if its report came and holds one."""
    return None if slot.report is None else rows.get(slot.report.id)
