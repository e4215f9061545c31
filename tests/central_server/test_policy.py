"""Versions are compared as numbers, and listening counts only while it lasted."""

from datetime import UTC, datetime, timedelta

import pytest

from central_server.policy import Listening, Policy

NOW = datetime(2026, 10, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("agent", "minimum", "outdated"),
    [
        ("0.1.0", "0.1.0", False), ("0.0.9", "0.1.0", True), ("0.10.0", "0.9.0", False), ("0.9", "0.9.0", False),
        ("1.2.0+cpu", "1.2.0", False), ("1.2.0rc1", "1.2.0", False), ("dev", "0.1.0", True), ("2", "1.9.9", False),
    ],
)  # fmt: skip
def test_versions_are_numbers(agent: str, minimum: str, outdated: bool) -> None:
    assert Policy(minimum_agent_version=minimum).is_outdated(agent) is outdated


def test_quiet_is_counted_from_the_later_of_heard_and_listening() -> None:
    listening = Listening(NOW - timedelta(hours=2), NOW)
    assert listening.quiet_for(NOW - timedelta(hours=1), NOW) == timedelta(hours=1)
    assert listening.quiet_for(NOW - timedelta(hours=9), NOW) == timedelta(hours=2)
