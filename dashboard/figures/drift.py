"""Distances from the baseline over time, over what chance alone gives at each window's n. Shown, never paging."""

from collections.abc import Sequence

from dashboard.figures.chart import Chart, Figure
from dashboard.figures.common import WindowAnswer, add_blanks, empty, middle, over_time
from dashboard.theme import CHANCE, CHANCE_SOFT, CURRENT
from dashboard.wording import number, span
from shared.read_models import DriftPoint, DriftSeries, DriftStatistic

HEIGHT = 170
TITLES = {"jensen_shannon": "Jensen-Shannon", "wasserstein": "Wasserstein", "psi": "PSI"}


def statistic_of(point: DriftPoint, name: str) -> DriftStatistic | None:
    """One of the statistics of a window, where it has it."""
    return next((statistic for statistic in point.statistics if statistic.name == name), None)


def over_windows(series: DriftSeries, name: str) -> Figure:
    """One statistic over time. Points above the band are larger than chance explains in 97.5 % of windows."""
    known = [(point, found) for point in series.points if (found := statistic_of(point, name))]
    if not known:
        return empty("Not computed yet: it needs a baseline<br>and a released window after it.")
    high = 1.1 * max(max(s.value, s.null_high) for _, s in known) or 1.0
    figure = Chart()
    _add_chance(figure, series.points, name)
    answers: list[WindowAnswer] = [(point.window, point.answer) for point in series.points]
    add_blanks(figure, answers, 0.0, high, legend=False)
    _add_values(figure, series.points, name)
    over_time(figure, [point.window for point in series.points], f"{series.site}/{series.metric.name}/{name}")
    figure.update_layout(margin={"l": 44, "r": 8, "t": 6, "b": 26}, showlegend=False)
    figure.update_xaxes(nticks=4)
    figure.update_yaxes(range=[0, high], nticks=4)
    return figure.done()


def _add_chance(figure: Chart, points: Sequence[DriftPoint], name: str) -> None:
    """The null band, one bar a window because it depends on that window's n."""
    found = [(point, s) for point in points if (s := statistic_of(point, name))]
    figure.add_bar(
        x=[middle(point.window) for point, _ in found],
        width=[(point.window.end_at - point.window.start_at).total_seconds() * 1000 for point, _ in found],
        y=[s.null_high for _, s in found],
        marker={"color": CHANCE_SOFT, "line": {"width": 0}},
        hoverinfo="skip",
        name="chance alone, up to the 97.5th percentile",
    )
    figure.add_scatter(
        x=[middle(point.window) for point, _ in found],
        y=[s.null_median for _, s in found],
        mode="markers",
        marker={"symbol": "line-ew", "size": 7, "line": {"color": CHANCE, "width": 1.5}},
        hoverinfo="skip",
        name="chance alone, median",
    )


def _add_values(figure: Chart, points: Sequence[DriftPoint], name: str) -> None:
    found = [statistic_of(point, name) for point in points]
    figure.add_scatter(
        x=[middle(point.window) for point in points],
        y=[s.value if s else None for s in found],
        mode="lines+markers",
        line={"color": CURRENT, "width": 1.5},
        marker={"color": CURRENT, "size": 5},
        hovertext=[_hover(point, s) if s else "" for point, s in zip(points, found, strict=True)],
        hoverinfo="text",
        name=TITLES.get(name, name),
    )


def _hover(point: DriftPoint, statistic: DriftStatistic) -> str:
    title = TITLES.get(statistic.name, statistic.name)
    return "<br>".join(
        [
            f"<b>{title} {number(statistic.value)} {statistic.unit}</b>".replace(" </b>", "</b>"),
            f"chance alone: median {number(statistic.null_median)}, up to {number(statistic.null_high)}",
            f"n = {point.n}, baseline n = {point.baseline_n}",
            span(point.window),
        ]
    )
