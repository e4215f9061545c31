"""When windows close: at multiples of their length, with k patients, or suppressed at the age limit."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hospital_agent.reporting.calendar import Calendar, closing, first_start

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = Calendar(length_s=86400, age_limit_s=8 * 86400, k=5)


def at(days: float) -> datetime:
    return START + timedelta(days=days)


def test_a_window_with_k_patients_closes_at_its_length() -> None:
    assert closing(DAYS, START, at(0.7), 5, at(0.99)) is None
    assert closing(DAYS, START, at(0.7), 5, at(1.0)) == (at(1), "released")


def test_a_window_without_k_patients_stays_open() -> None:
    assert closing(DAYS, START, at(0.7), 4, at(1.5)) is None


def test_it_then_closes_at_the_next_multiple_not_when_the_kth_patient_came() -> None:
    assert closing(DAYS, START, at(2.3), 5, at(2.4)) is None
    assert closing(DAYS, START, at(2.3), 5, at(3.0)) == (at(3), "released")


def test_at_the_age_limit_it_is_suppressed() -> None:
    assert closing(DAYS, START, at(2.3), 4, at(7.9)) is None
    assert closing(DAYS, START, at(2.3), 4, at(8.0)) == (at(8), "suppressed")
    assert closing(DAYS, START, None, 0, at(30)) == (at(8), "suppressed")


def test_without_a_k_it_closes_unreported() -> None:
    assert closing(Calendar(86400, 8 * 86400, None), START, at(0.1), 50, at(1)) == (at(1), "unreported")


def test_the_first_window_begins_at_a_multiple_of_its_length() -> None:
    assert first_start(at(0.4), 86400) == START


@given(
    last=st.one_of(st.none(), st.floats(-3, 40)),
    patients=st.integers(0, 9),
    now=st.floats(0, 50),
    length=st.sampled_from([0.25, 1.0, 7.0]),
)
def test_the_end_lies_after_everything_in_the_window_and_not_after_now(
    last: float | None, patients: int, now: float, length: float
) -> None:
    calendar = Calendar(length * 86400, 14 * 86400, 5)
    received = None if last is None else at(last)
    due = closing(calendar, START, received, patients, at(now))
    if due is not None:
        end, verdict = due
        assert START < end <= at(now)
        assert received is None or received < end
        assert (end - START) % timedelta(days=length) == timedelta(0)
        assert (verdict == "released") == (patients >= 5)
