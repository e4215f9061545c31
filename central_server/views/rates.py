"""The three rates of a window, each under its own name, never one for another."""

from collections.abc import Mapping

from central_server.database.tables import EventRow, ReportRow
from central_server.proportions import proportion
from central_server.views.timeline import Timeline
from shared.read_models import Answer, RatePoint, RateSeries, RateView
from shared.report import CountBand, FlagQuality, Interval, ReviewSummary

FLAGGED_EVENT = "flagged"


def _interval(count: CountBand, out_of: int) -> Interval | None:
    found = proportion(count, out_of)
    if found is None:
        return None
    return Interval(estimate=found.estimate, low=found.low, high=found.high, method=found.method)


def flagged_rate(report: ReportRow | None, event: EventRow | None) -> RateView:
    """What the quality model predicts to have failed, with the measured quality of the flag beside it."""
    if report is None or (event is None and report.status == "released"):
        return RateView(name="flagged_rate", answer="missing", interval=None, count=None, out_of=None)
    if event is None:
        return RateView(name="flagged_rate", answer="suppressed", interval=None, count=None, out_of=None)
    count = CountBand(low=event.count_low, high=event.count_high)
    interval = _interval(count, event.out_of)
    quality = FlagQuality.model_validate(report.flag_quality) if report.flag_quality else None
    return RateView(
        name="flagged_rate",
        answer="ok" if interval else "insufficient_data",
        interval=interval,
        count=count,
        out_of=event.out_of,
        flag_quality=quality,
    )


def reviewed_failure_rate(report: ReportRow | None) -> RateView:
    """What readers saw among cases drawn at random, since the baseline was frozen."""
    reviews, answer = _reviews(report)
    interval = _interval(reviews.failed, reviews.reviewed_n) if reviews else None
    return RateView(
        name="reviewed_failure_rate",
        answer=answer if reviews is None else "ok" if interval else "insufficient_data",
        interval=interval,
        count=reviews.failed if reviews else None,
        out_of=reviews.reviewed_n if reviews else None,
    )


def estimated_failure_rate(report: ReportRow | None) -> RateView:
    """The prediction-powered rate, made at the site; its absence is insufficient data, not 0."""
    reviews, answer = _reviews(report)
    estimated = reviews.estimated if reviews else None
    return RateView(
        name="estimated_failure_rate",
        answer=answer if reviews is None else "ok" if estimated else "insufficient_data",
        interval=estimated,
        count=None,
        out_of=None,
    )


def _reviews(report: ReportRow | None) -> tuple[ReviewSummary | None, Answer]:
    if report is not None and report.status == "suppressed":
        return None, "suppressed"
    if report is None or report.reviews is None:
        return None, "missing"
    return ReviewSummary.model_validate(report.reviews), "ok"


def rates(report: ReportRow | None, flagged: EventRow | None) -> tuple[RateView, ...]:
    """The three rates of one window."""
    return flagged_rate(report, flagged), reviewed_failure_rate(report), estimated_failure_rate(report)


def series(timeline: Timeline, flagged: Mapping[int, EventRow], baseline: ReportRow | None) -> RateSeries:
    """The rates over all windows; `flagged` by the row id of its report."""
    points = tuple(
        RatePoint(window=slot.window, rates=rates(slot.report, flagged.get(slot.report.id) if slot.report else None))
        for slot in timeline.slots
    )
    reference = None if baseline is None else flagged_rate(baseline, flagged.get(baseline.id))
    return RateSeries(site=timeline.site, baseline_flagged_rate=reference, points=points)
