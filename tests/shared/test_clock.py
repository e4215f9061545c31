"""Time as an argument."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.clock import rfc3339, utc_now


def test_the_real_clock_is_aware_and_goes_forward():
    first, second = utc_now(), utc_now()
    assert first.tzinfo is UTC
    assert first <= second


def test_moments_are_told_in_utc_to_the_second():
    berlin = timezone(timedelta(hours=2))
    assert rfc3339(datetime(2026, 7, 1, 0, 30, 59, 999_999, tzinfo=berlin)) == "2026-06-30T22:30:59Z"


def test_a_moment_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        rfc3339(datetime(2026, 7, 1))  # noqa: DTZ001
