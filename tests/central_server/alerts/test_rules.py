"""Laws that every registered rule obeys."""

import pytest

from central_server.alerts.findings import Situation
from central_server.alerts.rules import Rule, rules
from tests.report_factory import federation, reports_of
from tests.situations import NOW, moment, situation

REPORTS = {story.site: reports_of(story) for story in federation(windows=25)}
ALL = dict(rules.load("central_server.alerts.rules").items())


def test_the_rules_are_these() -> None:
    assert set(ALL) == {"site_detector", "site_silent", "suitability"}


@pytest.mark.parametrize("rule", ALL.values(), ids=ALL)
def test_a_site_that_said_nothing_raises_nothing(rule: type[Rule]) -> None:
    assert list(rule().find(Situation("north-clinic", None), moment())) == []
    assert list(rule().find(Situation("north-clinic", NOW), moment())) == []


@pytest.mark.parametrize("name", ALL)
def test_findings_are_whole_and_the_same_each_time(name: str) -> None:
    for reports in REPORTS.values():
        for arrived in range(len(reports)):
            where = situation(reports, arrived)
            found = list(ALL[name]().find(where, moment()))
            assert found == list(ALL[name]().find(where, moment()))
            for finding in found:
                assert (finding.rule, finding.site) == (name, where.site)
                assert finding.title
                assert finding.next_step
                assert finding.evidence.sentence
                assert len(finding.cause) <= 240


@pytest.mark.parametrize("name", ALL)
def test_suppressed_reports_raise_nothing(name: str) -> None:
    for reports in REPORTS.values():
        for arrived, report in enumerate(reports):
            if report.status == "suppressed":
                assert list(ALL[name]().find(situation(reports, arrived), moment())) == []
