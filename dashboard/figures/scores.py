"""A quantity over time against the site's own baselines: the median of each window with its 10th to 90th percentile."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard.figures.chart import Chart, Figure
from dashboard.figures.common import (
    Mark,
    WindowAnswer,
    add_blanks,
    add_marks,
    empty,
    is_geometric,
    middle,
    over_time,
    padded,
)
from dashboard.theme import BASELINE, BASELINE_SOFT, CURRENT, CURRENT_SOFT
from dashboard.wording import UNIT_WORDS, count, number, span, with_unit
from shared.read_models import MetricInfo, MetricPoint, MetricSeries, Quantiles

SMALL_HEIGHT = 118
LARGE_HEIGHT = 330
NOTHING_YET = "No window has been reported yet."


@dataclass
class Stretch:
    """A time without a break in which windows belong to one baseline."""

    baseline: MetricPoint
    start_at: datetime
    end_at: datetime


def small(series: MetricSeries, marks: Sequence[Mark] = ()) -> Figure:
    """One of the small multiples: the same marks as the large chart, without legend and axis title."""
    if not series.points:
        return empty(NOTHING_YET)
    figure = _draw(series, marks, legend=False)
    over_time(figure, [point.window for point in series.points], f"{series.site}/{series.metric.name}", marks)
    figure.update_layout(margin={"l": 4, "r": 4, "t": 8, "b": 4}, showlegend=False, dragmode=False)
    figure.update_xaxes(nticks=3, fixedrange=True)
    figure.update_yaxes(nticks=3, fixedrange=True)
    return figure.done()


def large(series: MetricSeries, marks: Sequence[Mark] = (), chosen_window: int | None = None) -> Figure:
    """The big view of one quantity; the window whose histogram is shown carries a ring."""
    if not series.points:
        return empty(NOTHING_YET)
    figure = _draw(series, marks, legend=True)
    over_time(figure, [point.window for point in series.points], f"{series.site}/{series.metric.name}", marks)
    _ring(figure, series.points, chosen_window)
    unit = UNIT_WORDS.get(series.metric.unit, series.metric.unit)
    figure.update_yaxes(title=f"{series.metric.label}{f' ({unit})' if unit else ''}")
    figure.update_xaxes(title="time (UTC)")
    figure.update_layout(margin={"l": 56, "r": 12, "t": 34, "b": 44}, clickmode="event", showlegend=True)
    return figure.done()


def baseline_of(series: MetricSeries, point: MetricPoint) -> MetricPoint | None:
    """The baseline that a window is compared with, or that it helped to make up; None where it has neither."""
    if point.baseline_version is not None:
        return next((one for one in series.baselines if one.baseline_version == point.baseline_version), None)
    start, end = point.window.start_at, point.window.end_at
    return next((b for b in series.baselines if b.window.start_at <= start and end <= b.window.end_at), None)


def stretches(series: MetricSeries) -> list[Stretch]:
    """Where each baseline holds, in order; a window that nobody reported interrupts none."""
    found: list[Stretch] = []
    current: MetricPoint | None = None
    for point in series.points:
        baseline = baseline_of(series, point)
        if baseline is None and point.answer == "missing":
            continue
        if baseline is not None and baseline is current:
            found[-1].end_at = point.window.end_at
        elif baseline is not None:
            found.append(Stretch(baseline, point.window.start_at, point.window.end_at))
        current = baseline
    return found


def y_range(series: MetricSeries) -> tuple[float, float, bool]:
    """Lowest and highest value to show, and whether the axis is logarithmic."""
    points = [*series.points, *(stretch.baseline for stretch in stretches(series))]
    values = [value for point in points if point.quantiles for value in _all_three(point.quantiles)]
    cuts = next((point.histogram.cuts for point in points if point.histogram), ())
    logarithmic = is_geometric(cuts) and all(value > 0 for value in values)
    if not values:
        return 0.0, 1.0, False
    if not logarithmic:
        return *padded(values), False
    low, high = padded([math.log10(value) for value in values])
    return 10**low, 10**high, True


def _all_three(quantiles: Quantiles) -> tuple[float, float, float]:
    return quantiles.p10, quantiles.p50, quantiles.p90


def _draw(series: MetricSeries, marks: Sequence[Mark], legend: bool) -> Chart:
    figure = Chart()
    low, high, logarithmic = y_range(series)
    answers: list[WindowAnswer] = [(point.window, point.answer) for point in series.points]
    _add_baselines(figure, series, legend)
    add_blanks(figure, answers, low, high, legend)
    _add_windows(figure, series.metric, series.points, legend)
    add_marks(figure, marks, high, legend)
    edges = [math.log10(low), math.log10(high)] if logarithmic else [low, high]
    figure.update_yaxes(range=edges, type="log" if logarithmic else "linear")
    if logarithmic and edges[1] - edges[0] > 1:
        figure.update_yaxes(dtick=1)
    return figure


def _add_baselines(figure: Chart, series: MetricSeries, legend: bool) -> None:
    named: set[int | None] = set()
    for stretch in stretches(series):
        version = stretch.baseline.baseline_version
        _add_band(figure, stretch, legend and version not in named)
        named.add(version)


def _add_band(figure: Chart, stretch: Stretch, legend: bool) -> None:
    band, n = stretch.baseline.quantiles, stretch.baseline.n
    if band is None:
        return
    name = f"baseline v{stretch.baseline.baseline_version}"
    x = [stretch.start_at, stretch.end_at]
    figure.add_scatter(
        x=[*x, *reversed(x)],
        y=[band.p10, band.p10, band.p90, band.p90],
        fill="toself",
        fillcolor=BASELINE_SOFT,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        name=f"{name}, 10–90 % (n = {count_of(n)})",
        showlegend=legend,
    )
    figure.add_scatter(
        x=x,
        y=[band.p50] * 2,
        mode="lines",
        line={"color": BASELINE, "width": 1.5, "dash": "dash"},
        hoverinfo="skip",
        name=f"{name} median",
        showlegend=legend,
    )


def _add_windows(figure: Chart, info: MetricInfo, points: Sequence[MetricPoint], legend: bool) -> None:
    known = [point.quantiles if point.answer == "ok" else None for point in points]
    figure.add_scatter(
        x=[middle(point.window) for point in points],
        y=[q.p50 if q else None for q in known],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [q.p90 - q.p50 if q else 0 for q in known],
            "arrayminus": [q.p50 - q.p10 if q else 0 for q in known],
            "color": CURRENT_SOFT,
            "thickness": 5 if legend else 3,
            "width": 0,
        },
        mode="lines+markers",
        connectgaps=False,
        line={"color": CURRENT, "width": 1.5},
        marker={"color": CURRENT, "size": 6 if legend else 4},
        hovertext=[_hover(info, point) for point in points],
        hoverinfo="text",
        customdata=[point.window.index for point in points],
        name="window median, 10–90 %",
        showlegend=legend,
    )


def _ring(figure: Chart, points: Sequence[MetricPoint], chosen_window: int | None) -> None:
    point = next((p for p in points if p.window.index == chosen_window and p.quantiles and p.answer == "ok"), None)
    if point is None or point.quantiles is None:
        return
    figure.add_scatter(
        x=[middle(point.window)],
        y=[point.quantiles.p50],
        mode="markers",
        marker={"symbol": "circle-open", "size": 14, "color": CURRENT, "line": {"width": 2}},
        hoverinfo="skip",
        showlegend=False,
    )


def _hover(info: MetricInfo, point: MetricPoint) -> str:
    if point.quantiles is None:
        return ""
    q = point.quantiles
    lines = [
        f"<b>{info.label} {with_unit(q.p50, info.unit)}</b> (median)",
        f"10th to 90th percentile: {number(q.p10)} to {number(q.p90)}",
        f"n = {count_of(point.n)}, undefined: {count(point.undefined)}",
        span(point.window),
    ]
    return "<br>".join(lines)


def count_of(n: int | None) -> str:
    """A plain count for a legend."""
    return "not known" if n is None else f"{n:,}"
