"""A site far from the training cases gets one note, once a baseline, and never because of chance."""

import pytest

from central_server.alerts.findings import Finding
from central_server.alerts.rules.suitability import EVENT, Suitability
from central_server.policy import Policy
from shared.report import CountBand, SiteReport
from tests.report_factory import SiteStory, reports_of
from tests.situations import findings_over, moment, situation

BASELINE = next(r for r in reports_of(SiteStory("hill-hospital", windows=7, warm_up=5)) if r.kind == "baseline")


def with_outside(count: CountBand, out_of: int) -> SiteReport:
    events = tuple(
        e.model_copy(update={"count": count, "out_of": out_of}) if e.name == EVENT else e for e in BASELINE.events
    )
    return BASELINE.model_copy(update={"events": events})


def find(report: SiteReport, policy: Policy | None = None) -> list[Finding]:
    return list(Suitability().find(situation([report], 0), moment(policy=policy)))


def test_it_is_found_once_and_only_in_the_baseline() -> None:
    found = findings_over(Suitability, SiteStory("hill-hospital", windows=12, far_from_model=True))
    assert [report.kind for report, findings in found if findings] == ["baseline"]


def test_a_site_like_the_training_cases_gets_none() -> None:
    assert not any(findings for _, findings in findings_over(Suitability, SiteStory("north-clinic", windows=12)))


@pytest.mark.parametrize(("count", "found"), [(10, False), (16, False), (17, True), (100, True)])
def test_it_must_lie_beyond_chance(count: int, found: bool) -> None:
    """Of 100 cases 17 is the first count whose exact 95 % interval lies above 10 % (0.1023; 16 gives 0.0943)."""
    assert bool(find(with_outside(CountBand.exactly(count), 100))) is found


def test_of_a_band_its_lower_end_counts() -> None:
    assert find(with_outside(CountBand(low=1, high=100), 100)) == []


def test_no_case_is_no_finding() -> None:
    assert find(with_outside(CountBand.exactly(0), 0)) == []


def test_it_is_a_note_and_says_how_far() -> None:
    finding = find(with_outside(CountBand.exactly(50), 100))[0]
    assert finding.severity == "info"
    assert finding.evidence.n == 100
    assert finding.evidence.effect is not None
    assert finding.evidence.effect.estimate == 0.5
    assert "50% lie outside" in finding.evidence.sentence


def test_a_new_baseline_is_a_cause_of_its_own() -> None:
    newer = BASELINE.model_copy(update={"versions": BASELINE.versions.model_copy(update={"baseline": 2})})
    events = with_outside(CountBand.exactly(90), 100).events
    causes = {find(r.model_copy(update={"events": events}))[0].cause for r in (BASELINE, newer)}
    assert len(causes) == 2


def test_the_usual_share_is_a_choice() -> None:
    assert find(with_outside(CountBand.exactly(50), 100), Policy(suitability_fraction=0.6)) == []
