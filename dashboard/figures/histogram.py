"""The distribution of one window beside its site baseline's, on the finest bins that both have."""

from dashboard.figures.chart import Chart, Figure
from dashboard.figures.common import empty
from dashboard.theme import BASELINE, BASELINE_SOFT, CURRENT
from dashboard.wording import ANSWER_WORDS, UNIT_WORDS, number, span
from shared.errors import EdgesMismatch
from shared.read_models import MetricInfo, MetricPoint
from shared.summaries import Histogram, common

HEIGHT = 330
TICKS = 6


def against_baseline(info: MetricInfo, current: MetricPoint | None, baseline: MetricPoint | None) -> Figure:
    """Shares per bin: bars for the window, a step for the baseline. Bins are drawn equally wide and labelled by cut."""
    if current is None:
        return empty("No window has been reported yet.")
    if current.histogram is None:
        return empty(f"{span(current.window)}<br>{ANSWER_WORDS[current.answer]}")
    now = current.histogram.unwrap()
    if baseline is None or baseline.histogram is None:
        return _finish(_bars(now, info, current), now, info)
    try:
        now, then = common(now, baseline.histogram.unwrap())
    except EdgesMismatch:
        return empty("The window and the baseline were counted<br>on different edges: not compared.")
    figure = _bars(now, info, current)
    _add_step(figure, then, info, baseline)
    return _finish(figure, now, info)


def bin_label(histogram: Histogram, index: int, unit: str) -> str:
    """The span of a bin in words; the two outer bins are open."""
    word = UNIT_WORDS.get(unit, unit)
    suffix = f" {word}" if word else ""
    if index == 0:
        return f"below {number(histogram.cuts[0])}{suffix}"
    if index == len(histogram.cuts):
        return f"{number(histogram.cuts[-1])}{suffix} or more"
    return f"{number(histogram.cuts[index - 1])} to {number(histogram.cuts[index])}{suffix}"


def shares(histogram: Histogram) -> list[float]:
    """Share of the cases in each bin; all zero where nothing was counted."""
    return [count / histogram.total if histogram.total else 0.0 for count in histogram.counts]


def _hover(histogram: Histogram, unit: str, whose: str) -> list[str]:
    return [
        f"<b>{bin_label(histogram, index, unit)}</b><br>{whose}: {count} of {histogram.total} ({share:.0%})"
        for index, (count, share) in enumerate(zip(histogram.counts, shares(histogram), strict=True))
    ]


def _bars(histogram: Histogram, info: MetricInfo, point: MetricPoint) -> Chart:
    figure = Chart()
    figure.add_bar(
        x=list(range(histogram.resolution)),
        y=shares(histogram),
        marker={"color": CURRENT, "opacity": 0.75, "line": {"width": 0}},
        hovertext=_hover(histogram, info.unit, "this window"),
        hoverinfo="text",
        name=f"window (n = {histogram.total:,})",
    )
    figure.update_layout(meta={"window": point.window.index})
    return figure


def _add_step(figure: Chart, histogram: Histogram, info: MetricInfo, baseline: MetricPoint) -> None:
    edges = [index - 0.5 for index in range(histogram.resolution + 1)]
    heights = shares(histogram)
    figure.add_scatter(
        x=edges,
        y=[*heights, heights[-1]],
        mode="lines",
        line={"shape": "hv", "color": BASELINE, "width": 2},
        fill="tozeroy",
        fillcolor=BASELINE_SOFT,
        hoverinfo="skip",
        name=f"site baseline v{baseline.baseline_version} (n = {histogram.total:,})",
    )
    figure.add_scatter(
        x=list(range(histogram.resolution)),
        y=heights,
        mode="markers",
        marker={"opacity": 0, "size": 12, "color": BASELINE},
        hovertext=_hover(histogram, info.unit, "site baseline"),
        hoverinfo="text",
        showlegend=False,
    )


def _finish(figure: Chart, histogram: Histogram, info: MetricInfo) -> Figure:
    step = max(1, round(len(histogram.cuts) / TICKS))
    shown = list(range(0, len(histogram.cuts), step))
    unit = UNIT_WORDS.get(info.unit, info.unit)
    figure.update_layout(
        bargap=0.08, showlegend=True, margin={"l": 48, "r": 12, "t": 34, "b": 44},
        uirevision=f"{info.name}/{histogram.resolution}",
    )  # fmt: skip
    figure.update_xaxes(
        tickvals=[index + 0.5 for index in shown],
        ticktext=[number(histogram.cuts[index]) for index in shown],
        range=[-0.6, histogram.resolution - 0.4],
        title=f"{info.label}{f' ({unit})' if unit else ''}; outer bins are open",
    )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", title="share of cases")
    return figure.done()
