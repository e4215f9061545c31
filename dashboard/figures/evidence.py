"""What the site's change detectors have gathered over time, and the line at which they page."""

import math
from collections.abc import Sequence

from dashboard.figures.chart import Chart, Figure
from dashboard.figures.common import Mark, add_marks, empty, middle, over_time
from dashboard.theme import ALARM, HIGHLIGHTS, MUTED
from dashboard.wording import many, number, span
from shared.read_models import DetectorPoint, DetectorSeries

HEIGHT = 300
QUIET = "#B7C1CB"
STYLES = [(colour, dash) for dash in ("solid", "dot") for colour in HIGHLIGHTS]
STANDS_OUT = 0.5
"""A detector is picked out of the crowd once it has reached this share of the alarm line."""

DIRECTIONS = {"greater": "higher", "less": "lower"}


def title_of(series: DetectorSeries) -> str:
    """Which change the detector watches for."""
    return f"{series.label}, {DIRECTIONS[series.alternative]}"


def closeness(series: DetectorSeries) -> float:
    """How near the detector has come to its alarm line: 1 at the line, over 1 or equal where it has paged."""
    if series.log_threshold <= 0 or not series.points:
        return 0.0
    highest = max(point.state.highest_log_statistic for point in series.points)
    paged = any(point.state.pages_in_window for point in series.points)
    return max(highest / series.log_threshold, 1.0 if paged else 0.0)


def standing(series: DetectorSeries) -> float:
    """How near the detector stands to its alarm line in its latest window; what passed long ago does not count."""
    return closeness(series.model_copy(update={"points": series.points[-1:]}))


def meaning_of(log_threshold: float) -> str:
    """What the alarm line promises, for people."""
    return (
        f"Alarm line at {number(log_threshold)}: while nothing changes, one watched quantity is expected to cross it "
        f"at most once in {many(math.exp(log_threshold))} cases. A step of 1 is a factor of 2.7 in the evidence."
    )


def over_time_all(detectors: Sequence[DetectorSeries], marks: Sequence[Mark] = ()) -> Figure:
    """All detectors in one chart: quiet ones thin and grey, those that stand out coloured and named."""
    drawn = sorted((series for series in detectors if series.points), key=closeness)
    if not drawn:
        return empty("No detector runs yet: they start when the site has frozen its baseline.")
    loud = [series for series in reversed(drawn) if closeness(series) >= STANDS_OUT][: len(STYLES)]
    styles = {(series.metric, series.alternative): style for series, style in zip(loud, STYLES, strict=False)}
    figure = Chart()
    for series in drawn:
        _add_line(figure, series, styles.get((series.metric, series.alternative)))
    _add_pages(figure, drawn)
    low, high = _range(drawn)
    _add_alarm_lines(figure, drawn)
    add_marks(figure, marks, high, legend=True)
    windows = sorted({point.window for series in drawn for point in series.points}, key=lambda window: window.start_at)
    over_time(figure, windows, f"{drawn[0].site}/evidence", marks)
    figure.update_layout(margin={"l": 56, "r": 12, "t": 34, "b": 28}, legend={"traceorder": "normal"})
    figure.update_yaxes(range=[low, high], title="evidence of change (natural log)")
    return figure.done()


def _range(drawn: Sequence[DetectorSeries]) -> tuple[float, float]:
    states = [point.state for series in drawn for point in series.points]
    top = max([series.log_threshold for series in drawn] + [state.highest_log_statistic for state in states])
    bottom = min(0.0, *(state.log_statistic for state in states))
    return bottom - 0.05 * top, 1.12 * top


def _add_line(figure: Chart, series: DetectorSeries, style: tuple[str, str] | None) -> None:
    colour, dash = style or (QUIET, "solid")
    figure.add_scatter(
        x=[middle(point.window) for point in series.points],
        y=[point.state.log_statistic for point in series.points],
        mode="lines" if style is None else "lines+markers",
        line={"color": colour, "dash": dash, "width": 1 if style is None else 2},
        marker={"size": 4},
        hovertext=[_hover(series, point) for point in series.points],
        hoverinfo="text",
        name=title_of(series),
        showlegend=style is not None,
    )


def _add_pages(figure: Chart, drawn: Sequence[DetectorSeries]) -> None:
    paged = [(series, point) for series in drawn for point in series.points if point.state.pages_in_window]
    if not paged:
        return
    figure.add_scatter(
        x=[middle(point.window) for _, point in paged],
        y=[max(point.state.highest_log_statistic, series.log_threshold) for series, point in paged],
        mode="markers",
        marker={"symbol": "star", "size": 10, "color": ALARM},
        hovertext=[f"{_hover(series, point)}<br><b>crossed the alarm line here</b>" for series, point in paged],
        hoverinfo="text",
        name="crossed the alarm line",
    )


def _add_alarm_lines(figure: Chart, drawn: Sequence[DetectorSeries]) -> None:
    for threshold in sorted({series.log_threshold for series in drawn}):
        figure.add_hline(y=threshold, line={"color": ALARM, "width": 1.5, "dash": "dash"})
        figure.add_annotation(
            text=f"alarm line {number(threshold)}", xref="paper", x=0, xanchor="left", y=threshold, yanchor="bottom",
            font={"size": 11, "color": ALARM},
        )  # fmt: skip
    figure.add_hline(y=0, line={"color": MUTED, "width": 0.5})


def _hover(series: DetectorSeries, point: DetectorPoint) -> str:
    state = point.state
    return "<br>".join(
        [
            f"<b>{title_of(series)}</b>",
            f"evidence {number(state.log_statistic)} at the end of the window",
            f"highest {number(state.highest_log_statistic)}",
            f"{state.stream_n:,} cases since a baseline of {state.baseline_n:,}",
            span(point.window),
        ]
    )
