"""What the charts over time share: windows on the axis, hatched windows without a number, marks where alerts opened."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from dashboard.figures.chart import Chart, Figure
from dashboard.theme import ALARM, HATCH, MUTED
from dashboard.wording import ANSWER_WORDS, moment, span
from shared.read_models import AlertView, Answer
from shared.report import Window

WindowAnswer = tuple[Window, Answer]

PATTERNS: dict[Answer, str] = {"suppressed": "/", "withheld": "x", "missing": ".", "insufficient_data": "-"}
"""How a window without a number is filled; the legend and the hover say it in words."""

_DAY_MS = 86_400_000
TICK_FORMATS = [
    {"dtickrange": [None, 60_000], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, _DAY_MS - 1], "value": "%H:%M\n%-d %b"},
    {"dtickrange": [_DAY_MS, "M1"], "value": "%-d %b"},
    {"dtickrange": ["M1", None], "value": "%b %Y"},
]
"""How the time axis is written at each zoom: day before month, always UTC."""


@dataclass(frozen=True)
class Mark:
    """A moment to draw a line at, and what happened then: an alert opened, or the change that it tells began."""

    at: datetime
    text: str
    opened: bool = True


@dataclass(frozen=True)
class Blank:
    """Neighbouring windows that share one reason for having no number."""

    start_at: datetime
    end_at: datetime
    answer: Answer
    text: str


def marks_of(alerts: Iterable[AlertView], metric: str | None = None) -> tuple[Mark, ...]:
    """When alerts opened; of one quantity only, where it is named."""
    return tuple(
        Mark(alert.opened_at, f"{alert.title}<br>opened {moment(alert.opened_at)}")
        for alert in alerts
        if metric is None or alert.metric == metric
    )


def change_marks_of(alerts: Iterable[AlertView], metric: str) -> tuple[Mark, ...]:
    """When alerts of a quantity opened and since when, by their evidence, it has changed."""
    told = [alert for alert in alerts if alert.metric == metric]
    since = tuple(
        Mark(alert.evidence.since, f"{alert.title}<br>since about {moment(alert.evidence.since)}", opened=False)
        for alert in told
        if alert.evidence.since is not None
    )
    return since + marks_of(told)


def middle(window: Window) -> datetime:
    """Where a window's value is drawn."""
    return window.start_at + (window.end_at - window.start_at) / 2


def blanks(answers: Sequence[WindowAnswer]) -> tuple[Blank, ...]:
    """Stretches of time without a number, in order; window numbers that never came count as missing."""
    found: list[Blank] = []
    for before, (window, answer) in zip([None, *answers], answers, strict=False):
        if before is not None and window.index > before[0].index + 1 and window.start_at > before[0].end_at:
            found.append(_gap(before[0], window))
        if answer == "ok":
            continue
        follows = found and found[-1].answer == answer and found[-1].end_at == window.start_at
        if follows:
            found[-1] = Blank(found[-1].start_at, window.end_at, answer, _words(found[-1].start_at, window, answer))
        else:
            found.append(Blank(window.start_at, window.end_at, answer, _words(None, window, answer)))
    return tuple(found)


def _gap(before: Window, after: Window) -> Blank:
    lost = after.index - before.index - 1
    text = f"{moment(before.end_at)} to {moment(after.start_at)}<br>{ANSWER_WORDS['missing']} ({lost} windows)"
    return Blank(before.end_at, after.start_at, "missing", text.replace("(1 windows)", "(1 window)"))


def _words(start_at: datetime | None, window: Window, answer: Answer) -> str:
    when = span(window) if start_at is None else f"{moment(start_at)} to {moment(window.end_at)}"
    return f"{when}<br>{ANSWER_WORDS[answer]}"


def add_blanks(figure: Chart, answers: Sequence[WindowAnswer], low: float, high: float, legend: bool) -> None:
    """Hatch every stretch without a number between two heights of the chart."""
    spans = blanks(answers)
    for answer, pattern in PATTERNS.items():
        chosen = [blank for blank in spans if blank.answer == answer]
        if not chosen:
            continue
        x: list[datetime | None] = []
        for blank in chosen:
            x += [blank.start_at, blank.start_at, blank.end_at, blank.end_at, None]
        figure.add_scatter(
            x=x,
            y=[low, high, high, low, None] * len(chosen),
            fill="toself",
            mode="lines",
            line={"width": 0, "color": HATCH},
            fillcolor=HATCH,
            fillpattern={
                "shape": pattern,
                "fgcolor": "#D3DAE1" if answer == "insufficient_data" else HATCH,
                "bgcolor": "#F7F9FB",
                "size": 5,
                "solidity": 0.25,
            },
            hoverinfo="skip",
            name=ANSWER_WORDS[answer].split(":")[0],
            showlegend=legend,
        )
        figure.add_scatter(
            x=[blank.start_at + (blank.end_at - blank.start_at) / 2 for blank in chosen],
            y=[low + (high - low) / 2] * len(chosen),
            mode="markers",
            marker={"size": 14, "opacity": 0, "color": HATCH},
            hovertext=[blank.text for blank in chosen],
            hoverinfo="text",
            showlegend=False,
        )


def add_marks(figure: Chart, marks: Sequence[Mark], high: float, legend: bool) -> None:
    """A dotted line at each mark: with a triangle where an alert opened, with a diamond where a change began."""
    for opened, symbol, name in ((False, "diamond", "change began"), (True, "triangle-down", "alert opened")):
        chosen = [mark for mark in marks if mark.opened is opened]
        if not chosen:
            continue
        for at in sorted({mark.at for mark in chosen}):
            figure.add_shape(
                type="line", x0=at, x1=at, yref="y domain", y0=0, y1=1, layer="below",
                line={"color": ALARM, "width": 1, "dash": "dot"},
            )  # fmt: skip
        figure.add_scatter(
            x=[mark.at for mark in chosen],
            y=[high] * len(chosen),
            mode="markers",
            marker={"symbol": symbol, "size": 8, "color": ALARM},
            hovertext=[mark.text for mark in chosen],
            hoverinfo="text",
            name=name,
            showlegend=legend,
            cliponaxis=False,
        )


def over_time(figure: Chart, windows: Sequence[Window], keep: str, marks: Sequence[Mark] = ()) -> None:
    """Give a chart a time axis that holds all windows and marks.

    `keep` names what a person's zoom belongs to across refreshes.
    """
    figure.update_layout(uirevision=keep)
    if windows:
        moments = [windows[0].start_at, windows[-1].end_at, *(mark.at for mark in marks)]
        whole = [min(moments), max(moments)]
        figure.update_xaxes(range=whole, type="date", tickformatstops=TICK_FORMATS)
        # Hours would only clutter a short course of windows that are days long.
        by_day = windows[0].end_at - windows[0].start_at >= timedelta(days=1)
        if by_day and whole[1] - whole[0] <= timedelta(days=10):
            figure.update_xaxes(dtick=_DAY_MS)


def padded(values: Iterable[float], share: float = 0.08) -> tuple[float, float]:
    """The range of the values with some air; one value alone gets a range around it."""
    known = list(values)
    low, high = min(known), max(known)
    air = (high - low) * share or abs(high) * share or 1.0
    return low - air, high + air


def is_geometric(cuts: Sequence[float]) -> bool:
    """Whether cuts grow by a common ratio, so that the quantity is read on a log scale."""
    if len(cuts) < 3 or cuts[0] <= 0:
        return False
    ratios = [b / a for a, b in pairwise(cuts)]
    return ratios[0] > 1.05 and max(ratios) / min(ratios) < 1.01


def empty(sentence: str) -> Figure:
    """A chart that says why it is empty."""
    figure = Chart()
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(
        text=sentence, xref="paper", yref="paper", x=0.5, y=0.5,
        font={"size": 13, "color": MUTED},
    )  # fmt: skip
    return figure.done()
