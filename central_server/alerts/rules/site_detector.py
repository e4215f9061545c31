"""A change detector of the site has paged: the one way in which drift raises an alarm."""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from central_server.alerts.change import Change, change_of
from central_server.alerts.findings import Finding, Moment, Situation, same_detector
from central_server.alerts.rules import rules
from shared.read_models import Evidence, Severity
from shared.report import DetectorState, SiteReport

QUALITY_ITSELF = frozenset({"predicted_dice", "failure_probability"})
"""Quantities that say how good the masks are; a page on them, or on a counted event, is critical."""


@rules.register("site_detector")
class SiteDetector:
    """One alert for each detector that paged, with the evidence that it paged on.

    The centre computes no alarm of its own: the site's detectors are valid case by case, while distances between
    histograms would page small sites for being small. A page is seen in `pages_in_window`, or, where the window that
    held it was suppressed or lost, in a higher `pages_total` than the same detector told before. Pages of windows
    that arrive after the site has replaced their baseline are history and raise nothing.
    """

    resolves_itself: ClassVar[bool] = False

    def find(self, situation: Situation, moment: Moment) -> Iterator[Finding]:  # noqa: ARG002
        """One finding for each page in the reports that arrived."""
        for report in situation.arrived:
            if report.kind != "window" or _is_history(situation, report):
                continue
            for detector in report.detectors:
                if detector.pages_in_window > 0 or _total_has_grown(situation, report, detector):
                    yield _finding(situation, report, detector)


def _is_history(situation: Situation, report: SiteReport) -> bool:
    """Whether the window lies before a baseline that replaced its own; not so after a return to an older model."""
    newest = situation.baselines.get(max(situation.baselines, default=0))
    replaced = newest is not None and newest.versions.baseline != report.versions.baseline
    return replaced and newest is not None and report.window.end_at <= newest.window.end_at


def _told_before(situation: Situation, report: SiteReport) -> list[DetectorState]:
    """All states that earlier windows under the same baseline told, the latest first."""
    return [
        state
        for earlier in reversed(situation.history)
        if earlier.window.index < report.window.index and earlier.versions.baseline == report.versions.baseline
        for state in earlier.detectors
    ]


def _before(situation: Situation, report: SiteReport, detector: DetectorState) -> DetectorState | None:
    """The detector's state in the latest earlier window under the same baseline."""
    return next((state for state in _told_before(situation, report) if same_detector(state, detector)), None)


def _total_has_grown(situation: Situation, report: SiteReport, detector: DetectorState) -> bool:
    """Whether the detector paged in a window that told nothing: suppressed, lost or late.

    Before the first states under a baseline its detectors stood at none, if the centre has heard the site since then.
    """
    before = _before(situation, report, detector)
    if before is not None:
        return detector.pages_total > before.pages_total
    baseline = situation.baselines.get(report.versions.baseline or 0)
    if baseline is None or _told_before(situation, report):
        return False
    heard_since = any(known.window.index <= baseline.window.index for known in situation.history)
    return heard_since and detector.pages_total > 0


def _finding(situation: Situation, report: SiteReport, detector: DetectorState) -> Finding:
    cause = f"site_detector/{report.site}/{report.stratum}/{detector.kind}/{detector.metric}/{detector.alternative}"
    since = _since(situation, report, detector, cause)
    change = change_of(situation, report, detector, since)
    more = detector.alternative == "greater"
    if detector.kind == "rate":
        title = f"{detector.label} {'more' if more else 'less'} frequent than in the site's baseline"
    else:
        title = f"{detector.label} {'higher' if more else 'lower'} than in the site's baseline"
    return Finding(
        rule="site_detector",
        site=report.site,
        cause=cause,
        severity=_severity(detector),
        title=title,
        metric=detector.metric,
        stratum=report.stratum,
        observed_at=report.window.end_at,
        evidence=_evidence(detector, change, since, title),
        next_step="At the site, look at the flagged cases and a random sample since then, and ask whether scanner, "
        "software or protocol changed. Note the reason when resolving.",
    )


def _since(situation: Situation, report: SiteReport, detector: DetectorState, cause: str) -> datetime:
    """When the change began. A detector starts anew after each page; while the alert is open, its own start stays."""
    before = _before(situation, report, detector)
    began = detector.evidence_since or (before.evidence_since if before else None) or report.window.start_at
    return min(began, situation.open_since.get(cause, began))


def _severity(detector: DetectorState) -> Severity:
    return "critical" if detector.kind == "rate" or detector.metric in QUALITY_ITSELF else "warning"


def _evidence(detector: DetectorState, change: Change, since: datetime, title: str) -> Evidence:
    return Evidence(
        n=change.n,
        baseline_n=detector.baseline_n,
        effect=change.effect,
        statistic_name="evidence of change, natural logarithm of the Shiryaev-Roberts statistic",
        statistic=detector.highest_log_statistic,
        threshold=detector.log_threshold,
        since=since,
        sentence=f"{title}, since about {since:%Y-%m-%d %H:%M} UTC. {change.sentence}",
    )
