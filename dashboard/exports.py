"""The numbers behind a chart as CSV; a window without a number says so in a word and has empty cells, never 0."""

import csv
from io import StringIO

from shared.clock import rfc3339
from shared.read_models import MetricSeries
from shared.report import CountBand

COLUMNS = (
    "site", "metric", "definition_version", "unit", "stratum", "kind", "window", "start_at", "end_at", "answer", "n",
    "undefined", "p10", "p50", "p90", "baseline_version",
)  # fmt: skip


def metric_csv(series: MetricSeries) -> str:
    """One row a window, which names the baseline that it is compared with, after one row a baseline."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    baselines = [("baseline", point) for point in series.baselines]
    for kind, point in [*baselines, *(("window", point) for point in series.points)]:
        info, window, q = series.metric, point.window, point.quantiles
        percentiles = (q.p10, q.p50, q.p90) if q else ("", "", "")
        place = (series.site, info.name, info.version, info.unit, series.stratum, kind)
        times = (window.index, rfc3339(window.start_at), rfc3339(window.end_at))
        n = "" if point.n is None else point.n
        version = "" if point.baseline_version is None else point.baseline_version
        writer.writerow([*place, *times, point.answer, n, _band(point.undefined), *percentiles, version])
    return text.getvalue()


def file_name(series: MetricSeries) -> str:
    """A name that says what is inside."""
    return f"{series.site}_{series.metric.name}_{series.stratum.replace('=', '-')}.csv"


def _band(band: CountBand | None) -> str:
    if band is None:
        return ""
    return str(band.low) if band.exact else f"{band.low}-{band.high}"
