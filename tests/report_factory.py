"""A seeded maker of realistic site reports, for tests of the server and the dashboard and for looking at both.

It imitates what a site sends: warm-up windows, then the frozen baseline, then windows with detectors. Values are drawn
case by case, summarised on the quantities' own edges and released under the k rule, so that suppressed windows,
withheld quantities and banded counts appear where they would appear in life. A story with `drift_from` shifts every
quantity towards the worse from that window on.

Example:
    >>> steady, shifted = SiteStory("north-clinic"), SiteStory("south-clinic", drift_from=20)
    >>> [report.kind for report in reports_of(steady)][:10].count("baseline")
    1
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np

from shared.report import (
    CountBand,
    DetectorState,
    EventSummary,
    FlagQuality,
    Funnel,
    Interval,
    MetricSummary,
    PrivacyStatement,
    ReviewSummary,
    SiteReport,
    Versions,
    Window,
    WireHistogram,
    report_id_for,
)
from shared.summaries import Histogram
from tests.report_cases import LOG_THRESHOLD, STREAMS, Cases, Detector, Stream, joined

FIRST_DAY = datetime(2026, 9, 1, tzinfo=UTC)
__all__ = ["LOG_THRESHOLD", "STREAMS", "SiteStory", "band", "body_of", "federation", "reports_of"]

MODEL_HASH = "5e" * 32
FLAG_QUALITY = FlagQuality(
    sensitivity=Interval(estimate=0.78, low=0.62, high=0.89, method="Clopper-Pearson"),
    specificity=Interval(estimate=0.90, low=0.86, high=0.93, method="Clopper-Pearson"),
    measured_on="simulated lesions in known anatomies",
)


@dataclass(frozen=True)
class SiteStory:
    """What happens at one site.

    Args:
        windows: how many windows after FIRST_DAY, warm-up included.
        warm_up: windows that make up the baseline; with the default 14 patients a day, 9 of them give 126.
        drift_from: index of the first shifted window; None for a steady site.
        drift_sd: by how many SD the quantities worsen then.
        suppressed: indices of windows with too few patients.
        withheld: names of quantities that are never released.
        empty_fraction: share of cases without any lesion.
        far_from_model: whether the site differs from the training cases from the first day.
        strata: beside "all", e.g. "manufacturer=siemens"; each holds about half the cases.
        reviewed_per_window: randomly drawn cases that a reader judged.
    """

    site: str
    seed: int = 1
    windows: int = 30
    warm_up: int = 9
    patients: int = 14
    first_day: datetime = FIRST_DAY
    window_length: timedelta = timedelta(days=1)
    drift_from: int | None = None
    drift_sd: float = 1.5
    suppressed: frozenset[int] = frozenset()
    withheld: frozenset[str] = frozenset()
    empty_fraction: float = 0.4
    far_from_model: bool = False
    strata: tuple[str, ...] = ()
    reviewed_per_window: int = 1
    k: int = 5
    agent_version: str = "0.1.0"
    model_version: str = "1.0.0"

    def window(self, index: int) -> Window:
        """Window number `index` of the site."""
        start = self.first_day + index * self.window_length
        return Window(index=index, start_at=start, end_at=start + self.window_length)


def _draw(story: SiteStory, index: int, random: np.random.Generator) -> Cases:
    count = max(story.k, int(random.poisson(story.patients)))
    shifted = story.drift_from is not None and index >= story.drift_from
    shift = story.drift_sd if shifted else 0.0
    empty = random.random(count) < story.empty_fraction
    values, z_scores = {}, {}
    for stream in STREAMS:
        drawn, z = stream.draw(count, shift, random)
        undefined = empty if stream.needs_a_mask else np.zeros(count, dtype=bool)
        values[stream.quantity.name] = np.where(undefined, np.nan, drawn)
        z_scores[stream.quantity.name] = np.where(undefined, np.nan, z)
    dice = values["predicted_dice"]
    flagged = ~empty & (np.nan_to_num(dice, nan=1.0) < 0.68)
    outside = random.random(count) < (0.8 if story.far_from_model else 0.01 + 0.1 * shift)
    return Cases(values, z_scores, empty, flagged, outside)


def band(count: int, k: int) -> CountBand:
    """A count as it may be told: 0, "1 to k-1", or exact from k on."""
    return CountBand(low=1, high=k - 1) if 0 < count < k else CountBand.exactly(count)


def _resolution(count: int) -> int:
    return 8 if count < 50 else 16 if count < 200 else 32


def _metric(stream: Stream, cases: Cases, story: SiteStory) -> MetricSummary:
    quantity = stream.quantity
    values = cases.values[quantity.name]
    undefined = int(np.isnan(values).sum())
    hidden = quantity.name in story.withheld or 0 < undefined < story.k
    histogram = Histogram.of(values[~np.isnan(values)], quantity.cuts).coarsen(_resolution(cases.count))
    return MetricSummary(
        name=quantity.name,
        label=quantity.label,
        unit=quantity.unit,
        direction=quantity.direction,
        version=quantity.version,
        histogram=None if hidden else WireHistogram.wrap(histogram),
        undefined=None if hidden else CountBand.exactly(undefined),
        withheld="would_reveal_a_small_count" if hidden else None,
    )


def _events(cases: Cases, story: SiteStory) -> tuple[EventSummary, ...]:
    counted = (
        ("flagged", "Predicted failures", cases.flagged),
        ("empty_mask", "Empty masks", cases.empty),
        ("outside_model_reference", "Outside the model reference", cases.outside_model),
    )
    return tuple(
        EventSummary(name=name, label=label, count=band(int(hits.sum()), story.k), out_of=cases.count)
        for name, label, hits in counted
    )


def _funnel(cases: Cases, story: SiteStory, random: np.random.Generator) -> Funnel:
    refused = int(random.poisson(1.5))
    scored = CountBand.exactly(cases.count)
    received = scored if refused == 0 else CountBand(low=cases.count + 1, high=cases.count + max(refused, story.k - 1))
    return Funnel(
        received=received,
        refused=band(refused, story.k),
        failed=CountBand.exactly(0),
        scored=scored,
        refused_by_reason={"localizer": band(refused, story.k)} if refused else {},
    )


def _detectors(baseline: Cases) -> list[Detector]:
    made = []
    for stream in STREAMS:
        direction = stream.quantity.direction
        sides = {"higher_is_worse": ("greater",), "higher_is_better": ("less",), "neither": ("greater", "less")}
        known = int((~np.isnan(baseline.values[stream.quantity.name])).sum())
        made += [
            Detector(stream.quantity.name, stream.quantity.label, "rank", side, known) for side in sides[direction]
        ]
    made.append(Detector("flagged", "Predicted failures", "rate", "greater", baseline.count))
    return made


def _step(detector: Detector, cases: Cases, window: Window) -> DetectorState:
    if detector.kind == "rate":
        return detector.feed(np.where(cases.flagged, 2.0, -0.2), window)
    z = cases.z[detector.metric]
    z = z[~np.isnan(z)]
    return detector.feed(z if detector.alternative == "greater" else -z, window)


class _Site:
    """The site's state while its story is told."""

    def __init__(self, story: SiteStory) -> None:
        self.story = story
        self.random = np.random.default_rng([story.seed, *story.site.encode()])
        self.warm: list[Cases] = []
        self.detectors: list[Detector] = []
        self.reviewed = self.review_failures = 0

    def versions(self) -> Versions:
        return Versions(
            agent=self.story.agent_version,
            backend="bundled",
            model=self.story.model_version,
            model_hash=MODEL_HASH,
            quality_model=self.story.model_version,
            baseline=1 if self.detectors else None,
            edges=1,
        )

    def report(self, kind: str, window: Window, stratum: str, cases: Cases | None, **more: object) -> SiteReport:
        versions = self.versions()
        released = cases is not None
        return SiteReport(
            report_id=report_id_for(self.story.site, kind, window.index, stratum, 0, versions.baseline),
            site=self.story.site,
            kind=kind,
            window=window,
            revision=0,
            stratum=stratum,
            status="released" if released else "suppressed",
            created_at=window.end_at + timedelta(minutes=3),
            versions=versions,
            privacy=PrivacyStatement(k=self.story.k, exact_event_counts=False, policy="1"),
            patient_count=cases.count if released else None,
            case_count=cases.count if released else None,
            late_count=CountBand.exactly(0) if released else None,
            funnel=_funnel(cases, self.story, self.random) if released else None,
            metrics=tuple(_metric(stream, cases, self.story) for stream in STREAMS) if released else (),
            events=_events(cases, self.story) if released else (),
            flag_quality=FLAG_QUALITY if released else None,
            **more,
        )

    def reviews(self, cases: Cases) -> ReviewSummary | None:
        if not self.detectors or not self.story.reviewed_per_window:
            return None
        self.reviewed += self.story.reviewed_per_window
        self.review_failures += int(self.random.random() < cases.flagged.mean())
        enough = self.reviewed >= 10
        estimate = Interval(estimate=0.08, low=0.02, high=0.24, method="betting") if enough else None
        return ReviewSummary(
            reviewed_n=self.reviewed, failed=band(self.review_failures, self.story.k), estimated=estimate
        )

    def tell(self, index: int) -> list[SiteReport]:
        story, window = self.story, self.story.window(index)
        if index in story.suppressed:
            return [self.report("window", window, stratum, None) for stratum in ("all", *story.strata)]
        cases = _draw(story, index, self.random)
        states = tuple(_step(detector, cases, window) for detector in self.detectors)
        told = [self.report("window", window, "all", cases, detectors=states, reviews=self.reviews(cases))]
        half = np.arange(cases.count) < (cases.count + 1) // 2
        # A stratum with fewer than k patients is suppressed by itself, as the site's rule asks.
        part = cases.only(half) if half.sum() >= story.k else None
        told += [self.report("window", window, stratum, part) for stratum in story.strata]
        if not self.detectors:
            self.warm.append(cases)
            if len(self.warm) == story.warm_up:
                told += self.freeze(index)
        return told

    def freeze(self, index: int) -> list[SiteReport]:
        baseline = joined(self.warm)
        self.detectors = _detectors(baseline)
        last = self.story.window(index)
        span = Window(index=index, start_at=self.story.first_day, end_at=last.end_at)
        half = np.arange(baseline.count) % 2 == 0
        told = [self.report("baseline", span, "all", baseline)]
        return told + [self.report("baseline", span, s, baseline.only(half)) for s in self.story.strata]


def reports_of(story: SiteStory) -> list[SiteReport]:
    """Everything one site sends, in the order of sending; the same story always gives the same reports."""
    return list(_told(story))


@cache
def _told(story: SiteStory) -> tuple[SiteReport, ...]:
    """Kept, since many tests tell the same stories; reports cannot be changed, and each caller gets its own list."""
    site = _Site(story)
    return tuple(report for index in range(story.windows) for report in site.tell(index))


def federation(seed: int = 1, windows: int = 30, last_day: datetime | None = None) -> list[SiteStory]:
    """Five sites as a dashboard should be able to show them: steady, shifted, suppressed now and then, far, young.

    Args:
        last_day: end of the last window; the stories are moved so that they end there ("today" for looking at).
    """
    first = FIRST_DAY if last_day is None else last_day - windows * timedelta(days=1)
    steady = SiteStory("north-clinic", seed, windows, first_day=first, strata=("manufacturer=siemens",))
    quiet = frozenset(index for index in range(10, windows) if index % 6 == 0)
    return [
        steady,
        SiteStory("south-clinic", seed + 1, windows, first_day=first, drift_from=windows * 2 // 3),
        SiteStory("island-hospital", seed + 2, windows, warm_up=7, patients=18, first_day=first, suppressed=quiet),
        SiteStory("hill-hospital", seed + 3, windows, first_day=first, far_from_model=True,
                  withheld=frozenset({"component_count"})),
        replace(steady, site="new-clinic", seed=seed + 4, windows=4, strata=(),
                first_day=first + (windows - 4) * timedelta(days=1)),
    ]  # fmt: skip


def body_of(report: SiteReport) -> bytes:
    """The report as it travels."""
    return report.model_dump_json().encode()
