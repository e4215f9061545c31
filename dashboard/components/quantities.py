"""The small multiples of a site and the facts beside the large chart of one quantity."""

from collections.abc import Iterable, Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.components.basics import aria, chart, icon
from dashboard.figures import drift, evidence, scores
from dashboard.figures.common import change_marks_of, marks_of
from dashboard.wording import ANSWER_WORDS, number, with_unit
from shared.quantities import Direction
from shared.read_models import AlertView, DetectorSeries, DriftSeries, DriftStatistic, MetricInfo, MetricSeries

MULTIPLE = "quantity-card"
DIRECTION_WORDS: dict[Direction, str] = {
    "higher_is_worse": "higher is worse",
    "higher_is_better": "higher is better",
    "neither": "both ways are suspicious",
}
DRIFT_MEANINGS = {
    "jensen_shannon": "How different the two distributions are",
    "wasserstein": "How far values would have to move, in the quantity's unit",
    "psi": "Population stability index",
}


def most_changed_first(
    metrics: Iterable[MetricInfo], alerts: Sequence[AlertView], detectors: Sequence[DetectorSeries]
) -> list[MetricInfo]:
    """Quantities with an unresolved alert first, then by how near their detectors stand to the alarm line."""
    alerting = {alert.metric for alert in alerts if alert.state != "resolved"}
    near: dict[str, float] = {}
    for series in detectors:
        near[series.metric] = max(near.get(series.metric, 0.0), evidence.standing(series))
    return sorted(metrics, key=lambda m: (m.name not in alerting, -round(near.get(m.name, 0.0), 2), m.label.lower()))


def multiples(series: Sequence[MetricSeries], alerts: Sequence[AlertView], chosen: str | None) -> Component:
    """One card a quantity; its head is a button that opens the quantity in the large view."""
    return html.Div([_card(one, alerts, one.metric.name == chosen) for one in series], className="multiples")


def _card(series: MetricSeries, alerts: Sequence[AlertView], chosen: bool) -> Component:
    info = series.metric
    alerting = any(alert.metric == info.name and alert.state != "resolved" for alert in alerts)
    title = [icon("triangle") if alerting else None, html.Span(info.label, className="multiple-name")]
    button = html.Button(
        [html.Span(title), html.Span(latest(series), className="multiple-latest")],
        id={"type": MULTIPLE, "metric": info.name},
        className="multiple-button",
        title=f"Show {info.label} in detail" + (" (it has an open alert)" if alerting else ""),
        n_clicks=0,
        type="button",
        **aria(pressed="true" if chosen else "false"),
    )
    graph = chart(scores.SMALL_HEIGHT, figure=scores.small(series, change_marks_of(alerts, info.name)))
    state = " multiple-alerting" if alerting else ""
    return html.Div([button, graph], className=f"multiple{state}{' multiple-chosen' if chosen else ''}")


def latest(series: MetricSeries) -> str:
    """The latest window's median, or why there is none."""
    if not series.points:
        return "no window yet"
    point = series.points[-1]
    if point.answer != "ok" or point.quantiles is None:
        return ANSWER_WORDS["insufficient_data" if point.answer == "ok" else point.answer].split(":")[0]
    return with_unit(point.quantiles.p50, series.metric.unit)


def direction(info: MetricInfo) -> str:
    """Which way is worse, and the definition's version."""
    return f"{DIRECTION_WORDS[info.direction]}; definition v{info.version}"


def evidence_panel(
    detectors: Sequence[DetectorSeries], alerts: Sequence[AlertView], height: int, meaning: str = ""
) -> Component:
    """The detectors over time, or in words why none runs."""
    if not any(series.points for series in detectors):
        words = "No detector runs here yet: detectors start when the site has frozen its baseline."
        return html.P(words, className="muted")
    marks = marks_of(alert for alert in alerts if alert.metric)
    graph = chart(height, figure=evidence.over_time_all(detectors, marks))
    return html.Div([graph, html.P(meaning, className="muted") if meaning else None])


def drift_panel(series: DriftSeries, window_index: int | None) -> Component:
    """The three distances of the chosen window with what chance alone gives, each over its course."""
    if not any(point.statistics for point in series.points):
        return html.P("Not computed yet: it needs a baseline and a released window after it.", className="muted")
    point = next((p for p in series.points if p.window.index == window_index), None)
    cells = []
    for name, title in drift.TITLES.items():
        found = drift.statistic_of(point, name) if point else None
        graph = chart(drift.HEIGHT, figure=drift.over_windows(series, name))
        cells.append(html.Div([_drift_head(title, name, found), graph], className="drift-cell"))
    return html.Div(cells, className="drift")


def _drift_head(title: str, name: str, found: DriftStatistic | None) -> Component:
    meaning = html.Span(DRIFT_MEANINGS[name], className="drift-meaning")
    if found is None:
        return html.Div([html.H4(title), html.Span("no value for this window", className="muted"), meaning])
    unit = f" {found.unit}" if found.unit else ""
    chance = f"chance gives {number(found.null_median)}, up to {number(found.null_high)}"
    verdict: list[Component | str] = ["within the band", f" ({chance})"]
    if found.value > found.null_high:
        verdict = [html.Strong("above the band"), f" ({chance}; 1 window in 40 lies above it by chance)"]
    return html.Div(
        [
            html.H4([title, " ", html.Strong(f"{number(found.value)}{unit}")], title=found.note),
            html.Span(verdict, className="drift-verdict"),
            meaning,
        ]
    )
