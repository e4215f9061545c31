"""A detector's page becomes a finding with its evidence; nothing else does."""

from datetime import timedelta

import pytest

from central_server.alerts.findings import Finding
from central_server.alerts.rules.site_detector import SiteDetector
from shared.report import SiteReport
from tests.report_factory import SiteStory, reports_of
from tests.situations import findings_over, moment, situation

SHIFTED = SiteStory("south-clinic", windows=16, warm_up=5, patients=25, drift_from=8)
REPORTS = reports_of(SHIFTED)
PAGES = [i for i, report in enumerate(REPORTS) if any(d.pages_in_window for d in report.detectors)]


def find(reports: list[SiteReport], arrived: int, **more: object) -> list[Finding]:
    return list(SiteDetector().find(situation(reports, arrived, **more), moment()))


def changed(report: SiteReport, metric: str, **changes: object) -> SiteReport:
    detectors = tuple(d.model_copy(update=changes) if d.metric == metric else d for d in report.detectors)
    return report.model_copy(update={"detectors": detectors})


def test_every_page_is_found_in_the_report_that_tells_it_and_no_other() -> None:
    for report, findings in findings_over(SiteDetector, SHIFTED):
        told = {(d.metric, d.alternative) for d in report.detectors if d.pages_in_window}
        assert {(f.metric, f.cause.rsplit("/", 1)[1]) for f in findings} == told


def test_a_steady_site_is_never_found() -> None:
    assert not any(found for _, found in findings_over(SiteDetector, SiteStory("north-clinic", windows=30)))


def test_the_evidence_is_the_detectors_and_the_windows() -> None:
    page = next(i for i in PAGES for d in REPORTS[i].detectors if d.metric == "predicted_dice" and d.pages_in_window)
    finding = next(f for f in find(REPORTS, page) if f.metric == "predicted_dice")
    detector = next(d for d in REPORTS[page].detectors if d.metric == "predicted_dice")
    evidence = finding.evidence
    assert evidence.statistic == detector.highest_log_statistic
    assert evidence.threshold == detector.log_threshold
    assert evidence.baseline_n == detector.baseline_n
    assert evidence.since is not None
    since = [r for r in REPORTS[: page + 1] if r.kind == "window" and r.window.end_at > evidence.since]
    counted = sum(
        sum(m.histogram.counts) for r in since for m in r.metrics if m.name == "predicted_dice" and m.histogram
    )
    assert evidence.n == counted
    assert evidence.effect is not None
    assert evidence.effect.high < 0.5
    assert f"{counted} values against" in evidence.sentence


def test_the_words_follow_the_direction_and_the_kind() -> None:
    titles = {f.title for i in PAGES for f in find(REPORTS, i)}
    assert "Predicted Dice lower than in the site's baseline" in titles
    assert "Mean entropy higher than in the site's baseline" in titles
    event = next(d for d in REPORTS[-1].detectors if d.kind == "rate")
    told = changed(REPORTS[-1], event.metric, pages_in_window=1)
    finding = next(f for f in find([*REPORTS[:-1], told], len(REPORTS) - 1) if f.metric == "flagged")
    assert finding.title == "Predicted failures more frequent than in the site's baseline"
    assert finding.severity == "critical"
    assert finding.evidence.effect is not None
    assert finding.evidence.effect.name == "share of cases: Predicted failures"


def test_what_says_how_good_masks_are_is_critical_and_the_rest_a_warning() -> None:
    severities = {f.metric: f.severity for i in PAGES for f in find(REPORTS, i)}
    assert severities["predicted_dice"] == "critical"
    assert severities["mean_entropy"] == "warning"


def test_a_page_in_a_window_that_was_never_released_is_seen_in_the_total() -> None:
    """The window with the page is suppressed, the next one tells a higher total and no page of its own."""
    before, after = REPORTS[8], REPORTS[9]
    after = changed(after, "mean_entropy", pages_in_window=0, pages_total=1)
    quiet = [r for r in REPORTS[:8] if r.kind == "baseline" or r.window.index < 7]
    found = find([*quiet, before, after], len(quiet) + 1)
    assert "mean_entropy" in {f.metric for f in found}


@pytest.mark.parametrize("first", ["suppressed", "lost"])
def test_a_page_in_the_first_window_after_the_baseline_is_seen_in_the_total(first: str) -> None:
    """No state was told before it: the detector began at none with the baseline, and the centre knows the site."""
    frozen = next(i for i, r in enumerate(REPORTS) if r.kind == "baseline")
    hidden = REPORTS[frozen + 1].model_copy(update={"status": "suppressed", "detectors": (), "metrics": ()})
    next_one = changed(REPORTS[frozen + 2], "mean_entropy", pages_in_window=0, pages_total=1)
    reports = [*REPORTS[: frozen + 1], *([hidden] if first == "suppressed" else []), next_one]
    assert {f.metric for f in find(reports, len(reports) - 1)} == {"mean_entropy"}


def test_a_detector_that_appears_among_others_brings_no_past_pages() -> None:
    """Its earlier states, under another version of it, were told; which of its pages are new is not known."""
    newer = changed(REPORTS[7], "mean_entropy", pages_in_window=0, pages_total=4, version=2)
    assert find([*REPORTS[:7], newer], 7) == []


def test_old_pages_of_a_site_that_is_new_to_the_centre_are_not_told() -> None:
    """Without an earlier window there is nothing to compare the total with, and its pages are past."""
    report = changed(REPORTS[7], "mean_entropy", pages_in_window=0, pages_total=4)
    baseline = next(r for r in REPORTS if r.kind == "baseline")
    assert find([report], 0) == []
    assert find([baseline, report], 1) == []


def after_a_new_baseline(frozen_at: timedelta) -> list[Finding]:
    """A page under baseline 1 arrives when the site has frozen baseline 2 so long after the page's window."""
    page = PAGES[0]
    baseline = next(r for r in REPORTS if r.kind == "baseline")
    window = baseline.window.model_copy(update={"end_at": REPORTS[page].window.end_at + frozen_at})
    versions = baseline.versions.model_copy(update={"baseline": 2})
    newer = baseline.model_copy(update={"versions": versions, "window": window})
    return find([*REPORTS[:page], newer, REPORTS[page]], page + 1)


def test_pages_before_a_new_baseline_are_history() -> None:
    assert after_a_new_baseline(timedelta(0)) == []
    assert after_a_new_baseline(timedelta(days=3)) == []


def test_pages_after_a_return_to_an_older_model_are_told() -> None:
    assert after_a_new_baseline(-timedelta(days=2))


def test_while_the_alert_is_open_the_change_keeps_its_start() -> None:
    first = find(REPORTS, PAGES[0])[0]
    began = REPORTS[0].window.start_at + timedelta(days=7)
    again = next(f for f in find(REPORTS, PAGES[0], open_since={first.cause: began}) if f.cause == first.cause)
    assert again.evidence.since == began
    assert (again.evidence.n or 0) > (first.evidence.n or 0)


def hidden(report: SiteReport) -> SiteReport:
    metrics = tuple(
        m.model_copy(update={"histogram": None, "withheld": "would_reveal_a_small_count"}) for m in report.metrics
    )
    return report.model_copy(update={"metrics": metrics})


def of_entropy(reports: list[SiteReport]) -> Finding:
    return next(f for f in find(reports, PAGES[0]) if f.metric == "mean_entropy")


@pytest.mark.parametrize("hide", ["everything", "the baseline and its windows"])
def test_without_released_numbers_the_effect_is_unknown_and_never_zero(hide: str) -> None:
    frozen = next(report.window.index for report in REPORTS if report.kind == "baseline")
    reports = [hidden(r) if hide == "everything" or r.window.index <= frozen else r for r in REPORTS]
    evidence = of_entropy(reports).evidence
    assert evidence.effect is None
    assert (evidence.n is None) == (hide == "everything")
    assert "released too little" in evidence.sentence


def test_where_the_baseline_is_withheld_the_windows_that_made_it_stand_for_it() -> None:
    told = of_entropy([hidden(r) if r.kind == "baseline" else r for r in REPORTS])
    usual = of_entropy(REPORTS)
    assert told.evidence.effect is not None
    assert usual.evidence.effect is not None
    assert told.evidence.effect.estimate == pytest.approx(usual.evidence.effect.estimate, abs=0.02)


def test_windows_on_other_resolutions_are_brought_together() -> None:
    """Windows of 8 bins against a baseline of 16, and a window of more than 50 cases of 16 bins among them."""
    story = SiteStory("south-clinic", windows=16, warm_up=5, patients=50, drift_from=8)
    findings = [f for _, found in findings_over(SiteDetector, story) for f in found]
    assert findings
    assert all(f.evidence.effect is not None for f in findings if f.metric == "mean_entropy")
