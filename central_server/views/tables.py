"""Series as CSV: everything a chart shows, one line a window. What is not a number is a word, never 0, never empty.

The words are the five answers of the API without `ok`: insufficient_data, suppressed, withheld, missing. A count that
is told as a band reads "1 to 4". A window without a baseline to compare with has "none" as its baseline's version.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from shared.clock import rfc3339
from shared.read_models import MetricPoint, MetricSeries, RatePoint, RateSeries, RateView
from shared.report import CountBand, Window

METRIC_COLUMNS = (
    "part", "window_index", "start_at", "end_at", "answer", "n", "undefined", "p10", "p50", "p90", "cuts", "counts",
    "baseline_version",
)  # fmt: skip
RATE_COLUMNS = (
    "part", "window_index", "start_at", "end_at", "rate", "answer", "estimate", "low", "high", "method", "count",
    "out_of",
)  # fmt: skip


def metric_csv(series: MetricSeries) -> str:
    """A quantity over time, its baselines first."""
    points = [("baseline", point) for point in series.baselines] + [("window", point) for point in series.points]
    return _csv(METRIC_COLUMNS, (_metric_line(part, point) for part, point in points))


def rate_csv(series: RateSeries) -> str:
    """The three rates over time, one line a rate and window."""
    return _csv(RATE_COLUMNS, (line for point in series.points for line in _rate_lines(point)))


def _csv(columns: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return text.getvalue()


def _window(part: str, window: Window) -> tuple[object, ...]:
    return part, window.index, rfc3339(window.start_at), rfc3339(window.end_at)


def _metric_line(part: str, point: MetricPoint) -> tuple[object, ...]:
    word = point.answer
    quantiles = point.quantiles
    told = (quantiles.p10, quantiles.p50, quantiles.p90) if quantiles else (word, word, word)
    histogram = point.histogram
    return (
        *_window(part, point.window),
        word,
        word if point.n is None else point.n,
        _band(point.undefined, "withheld" if word == "ok" else word),
        *told,
        " ".join(map(repr, histogram.cuts)) if histogram else word,
        " ".join(map(str, histogram.counts)) if histogram else word,
        "none" if point.baseline_version is None else point.baseline_version,
    )


def _rate_lines(point: RatePoint) -> Iterable[tuple[object, ...]]:
    for rate in point.rates:
        yield (*_window("window", point.window), *_rate(rate))


def _rate(rate: RateView) -> tuple[object, ...]:
    word, interval = rate.answer, rate.interval
    numbers = (interval.estimate, interval.low, interval.high, interval.method) if interval else (word,) * 4
    # The estimated rate is made at the site from more than a count: having none is not a gap.
    without = "not_applicable" if word == "ok" else word
    return rate.name, word, *numbers, _band(rate.count, without), without if rate.out_of is None else rate.out_of


def _band(band: CountBand | None, word: str) -> object:
    if band is None:
        return word
    return band.low if band.exact else f"{band.low} to {band.high}"
