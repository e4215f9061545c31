"""How large a change is, from what the site has released: the windows since it began against the site's baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from central_server.alerts.findings import Situation
from central_server.proportions import proportion
from shared.errors import EdgesMismatch
from shared.read_models import Effect
from shared.report import CountBand, DetectorState, MetricSummary, SiteReport
from shared.statistics.intervals import probability_of_superiority
from shared.summaries import Histogram

NOT_TOLD = "The site released too little since then to say how large the change is."


@dataclass(frozen=True)
class Change:
    """Number of released values since the change began, its size where it can be told, and both in words."""

    n: int | None
    effect: Effect | None
    sentence: str


def change_of(situation: Situation, report: SiteReport, detector: DetectorState, since: datetime) -> Change:
    """The change that a detector paged on. Windows under another baseline or without the numbers are left out."""
    version = report.versions.baseline
    current = [
        window
        for window in situation.history
        if window.window.end_at > since
        and window.window.index <= report.window.index
        and window.versions.baseline == version
    ] or [report]
    if detector.kind == "rate":
        return _change_of_rate(current, detector)
    return _change_of_quantity(current, _references(situation, version), detector)


def _change_of_rate(current: Sequence[SiteReport], detector: DetectorState) -> Change:
    """Share of the event among the cases since then; counts told as bands widen the interval."""
    events = [event for report in current for event in report.events if event.name == detector.metric]
    out_of = sum(event.out_of for event in events)
    low = sum(event.count.low for event in events)
    found = proportion(CountBand(low=low, high=max(low, sum(e.count.high for e in events))), out_of)
    if found is None:
        return Change(None, None, NOT_TOLD)
    name = f"share of cases: {detector.label}"[:80]
    effect = Effect(name=name, estimate=found.estimate, low=found.low, high=found.high, unit="")
    share = f"{found.estimate:.0%} of {out_of} cases since then (95 % interval {found.low:.0%} to {found.high:.0%})"
    return Change(out_of, effect, f"It concerns {share}.")


def _references(situation: Situation, version: int | None) -> list[list[SiteReport]]:
    """What may stand for the baseline, best first: its own report, or the windows that it was made from.

    A baseline withholds a distribution that would give away those of its windows that are withheld; the others have
    been told.
    """
    baseline = situation.baselines.get(version or 0)
    if baseline is None:
        return []
    span = baseline.window
    made_from = [
        report
        for report in situation.history
        if report.window.index <= span.index and report.window.start_at >= span.start_at
    ]
    return [[baseline], made_from]


def _change_of_quantity(
    current: Sequence[SiteReport], references: Sequence[Sequence[SiteReport]], detector: DetectorState
) -> Change:
    """Probability that a case from now exceeds one from the baseline; 0.5 is no change."""
    summaries = _summaries(current, detector.metric)
    version = summaries[-1].version if summaries else 0
    now = _merged(summaries, version)
    told = (_merged(_summaries(reports, detector.metric), version) for reports in references)
    then = next((histogram for histogram in told if histogram is not None), None)
    if now is None or then is None:
        return Change(now.total if now else None, None, NOT_TOLD)
    try:
        found = probability_of_superiority(now, then)
    except EdgesMismatch:
        found = None
    if found is None:
        return Change(now.total, None, NOT_TOLD)
    effect = Effect(
        name="probability that a value from now exceeds one from the baseline",
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        unit="",
    )
    below = detector.alternative == "less"
    share, low, high = (
        (1 - found.estimate, 1 - found.high, 1 - found.low) if below else (found.estimate, found.low, found.high)
    )
    return Change(
        now.total,
        effect,
        f"A case from now lies {'below' if below else 'above'} one from the baseline in {share:.0%} of pairs "
        f"(95 % interval {low:.0%} to {high:.0%}; {now.total} values against {then.total}; 50 % is no change).",
    )


def _summaries(reports: Sequence[SiteReport], metric: str) -> list[MetricSummary]:
    return [summary for report in reports for summary in report.metrics if summary.name == metric]


def _merged(summaries: Sequence[MetricSummary], version: int) -> Histogram | None:
    """All released values of one version, on the coarsest resolution among them; None without any."""
    released = [s.histogram.unwrap() for s in summaries if s.histogram is not None and s.version == version]
    if not released:
        return None
    resolution = min(histogram.resolution for histogram in released)
    coarse = [histogram.coarsen(resolution) for histogram in released]
    total = coarse[0]
    for histogram in coarse[1:]:
        if histogram.cuts == total.cuts:
            total = total + histogram
    return total if total.total else None
