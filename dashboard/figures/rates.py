"""The flagged rate over time with its sampling interval, beside that of the site baseline."""

from collections.abc import Sequence

from dashboard.figures.chart import Chart, Figure
from dashboard.figures.common import Mark, WindowAnswer, add_blanks, add_marks, empty, middle, over_time
from dashboard.theme import BASELINE, BASELINE_SOFT, CURRENT, CURRENT_SOFT
from dashboard.wording import count, interval, span
from shared.read_models import RatePoint, RateSeries, RateView

HEIGHT = 260


def flagged_of(point: RatePoint) -> RateView | None:
    """The flagged rate of a window; never one of the other two rates."""
    return next((rate for rate in point.rates if rate.name == "flagged_rate"), None)


def flagged_over_time(series: RateSeries, marks: Sequence[Mark] = ()) -> Figure:
    """Points with intervals; a window without a rate is hatched."""
    if not series.points:
        return empty("No window has been reported yet.")
    high = _top(series)
    figure = Chart()
    _add_baseline(figure, series)
    add_blanks(figure, _answers(series), 0.0, high, legend=True)
    _add_rates(figure, series.points)
    add_marks(figure, marks, high, legend=True)
    over_time(figure, [point.window for point in series.points], f"{series.site}/rates", marks)
    figure.update_layout(margin={"l": 52, "r": 12, "t": 34, "b": 28})
    figure.update_yaxes(range=[0, high], tickformat=".0%", title="flagged rate")
    return figure.done()


def _answers(series: RateSeries) -> list[WindowAnswer]:
    found: list[WindowAnswer] = []
    for point in series.points:
        flagged = flagged_of(point)
        answer = "missing" if flagged is None else flagged.answer
        found.append((point.window, "insufficient_data" if answer == "ok" and not _known(flagged) else answer))
    return found


def _known(view: RateView | None) -> bool:
    return view is not None and view.answer == "ok" and view.interval is not None


def _top(series: RateSeries) -> float:
    views = [series.baseline_flagged_rate, *(flagged_of(point) for point in series.points)]
    highest = [view.interval.high for view in views if view is not None and view.interval is not None]
    return min(1.0, 1.1 * max(highest, default=1.0)) or 1.0


def _add_baseline(figure: Chart, series: RateSeries) -> None:
    view = series.baseline_flagged_rate
    if view is None or view.interval is None:
        return
    x = [series.points[0].window.start_at, series.points[-1].window.end_at]
    figure.add_scatter(
        x=[*x, *reversed(x)],
        y=[view.interval.low] * 2 + [view.interval.high] * 2,
        fill="toself",
        fillcolor=BASELINE_SOFT,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        name="site baseline, 95 % interval",
    )
    figure.add_scatter(
        x=x,
        y=[view.interval.estimate] * 2,
        mode="lines",
        line={"color": BASELINE, "width": 1.5, "dash": "dash"},
        hoverinfo="skip",
        name="baseline rate",
        showlegend=False,
    )


def _add_rates(figure: Chart, points: Sequence[RatePoint]) -> None:
    views = [view if _known(view := flagged_of(point)) else None for point in points]
    known = [view.interval if view else None for view in views]
    figure.add_scatter(
        x=[middle(point.window) for point in points],
        y=[i.estimate if i else None for i in known],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [i.high - i.estimate if i else 0 for i in known],
            "arrayminus": [i.estimate - i.low if i else 0 for i in known],
            "color": CURRENT_SOFT,
            "thickness": 5,
            "width": 0,
        },
        mode="lines+markers",
        connectgaps=False,
        line={"color": CURRENT, "width": 1.5},
        marker={"color": CURRENT, "size": 6},
        hovertext=[_hover(point, view) if view else "" for point, view in zip(points, views, strict=True)],
        hoverinfo="text",
        name="flagged rate, 95 % interval",
    )


def _hover(point: RatePoint, view: RateView) -> str:
    if view.interval is None:
        return ""
    of = f"{count(view.count)} of {view.out_of} cases" if view.out_of is not None else ""
    return "<br>".join(
        [f"<b>Flagged {interval(view.interval)}</b>", f"{of}, {view.interval.method}", span(point.window)]
    )
