"""Silence counts while somebody listened, and one silence is told once."""

from datetime import timedelta

import pytest

from central_server.alerts.findings import Finding, Moment, Situation
from central_server.alerts.rules.site_silent import SiteSilent
from central_server.policy import Listening, Policy
from tests.situations import NOW, moment

HOUR = timedelta(hours=1)


def find(seen_before: timedelta | None, at: Moment | None = None) -> list[Finding]:
    seen = None if seen_before is None else NOW - seen_before
    return list(SiteSilent().find(Situation("north-clinic", seen), at or moment()))


@pytest.mark.parametrize(("before", "count"), [(0.0, 0), (0.999, 0), (1.0, 1), (72.0, 1)])
def test_it_is_found_from_the_configured_time_on(before: float, count: int) -> None:
    assert len(find(before * HOUR)) == count


def test_a_site_that_never_spoke_is_awaited_and_not_silent() -> None:
    assert find(None) == []


def test_the_configured_time_is_a_choice() -> None:
    assert find(2 * HOUR, moment(policy=Policy(silent_after=3 * HOUR))) == []


def test_the_centres_own_outage_is_nobodys_silence() -> None:
    """The centre was down for 72 hours and has listened for ten minutes."""
    listening = Listening(since=NOW - timedelta(minutes=10), last_alive_at=NOW)
    assert find(72 * HOUR, moment(listening=listening)) == []
    assert len(find(72 * HOUR, moment(listening=Listening(NOW - HOUR, NOW)))) == 1


def test_when_nobody_listens_nobody_is_silent() -> None:
    assert find(72 * HOUR, Moment(NOW, Policy(), None)) == []


def test_it_is_about_the_moment_when_the_silence_began() -> None:
    finding = find(5 * HOUR)[0]
    assert finding.observed_at == finding.evidence.since == NOW - 5 * HOUR
    assert (finding.evidence.statistic, finding.evidence.threshold) == (5 * 3600.0, 3600.0)
    assert (finding.evidence.n, finding.evidence.baseline_n, finding.evidence.effect) == (None, None, None)
    assert "2026-10-15 07:00 UTC" in finding.evidence.sentence
