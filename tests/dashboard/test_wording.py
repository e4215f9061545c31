from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard import wording
from shared.read_models import RateView
from shared.report import CountBand, Interval, Window

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (47 * 3600, "47 h ago"),
        (48 * 3600, "2 days ago"),
        (-300, "just now"),  # a clock that runs ahead
    ],
)
def test_an_age_is_told_in_its_largest_whole_unit(seconds: float, said: str) -> None:
    assert wording.age(NOW - timedelta(seconds=seconds), NOW) == said


def test_what_never_was_has_no_age() -> None:
    assert wording.age(None, NOW) == "never"


def test_a_moment_names_its_time_zone() -> None:
    assert wording.moment(NOW) == "20 Nov 2026, 12:00 UTC"
    assert wording.moment(None) == "not known"


@pytest.mark.parametrize(
    ("start", "length", "said"),
    [
        (datetime(2026, 11, 1, tzinfo=UTC), timedelta(days=1), "1 Nov 2026 (UTC)"),
        (datetime(2026, 11, 1, tzinfo=UTC), timedelta(days=7), "1 Nov 2026 up to 8 Nov 2026 (UTC)"),
        (datetime(2026, 11, 1, 8, tzinfo=UTC), timedelta(hours=2), "1 Nov 2026, 08:00 to 10:00 UTC"),
        (datetime(2026, 11, 1, 8, tzinfo=UTC), timedelta(seconds=20), "1 Nov 2026, 08:00:00 to 08:00:20 UTC"),
        (datetime(2026, 11, 1, 23, tzinfo=UTC), timedelta(hours=2), "1 Nov 2026, 23:00 to 2 Nov 01:00 UTC"),
    ],
)
def test_a_window_is_told_by_days_where_it_covers_whole_days(start: datetime, length: timedelta, said: str) -> None:
    assert wording.span(Window(index=0, start_at=start, end_at=start + length)) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.12345, "0.123"),
        (0.5, "0.5"),
        (17.0, "17.0"),
        (1234.5, "1,230"),
        (112, "112"),
        (-0.25, "-0.25"),
        (0.000012345, "1.23e-05"),
        (float("nan"), "not known"),
        (None, "not known"),
    ],
)
def test_a_number_has_three_significant_digits(value: float | None, said: str) -> None:
    assert wording.number(value) == said


@settings(deadline=None, max_examples=40)
@given(st.floats(min_value=1e-6, max_value=1e6))
def test_a_number_in_words_is_within_half_a_percent(value: float) -> None:
    assert float(wording.number(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0 %"), (0.034, "3.4 %"), (0.1, "10 %"), (0.178, "18 %"), (1, "100 %")]
)
def test_a_share_is_told_in_percent(share: float, said: str) -> None:
    assert wording.percent(share) == said


def test_a_banded_count_tells_both_ends_and_an_exact_one_its_number() -> None:
    assert wording.count(CountBand(low=1, high=4)) == "1 to 4"
    assert wording.count(CountBand.exactly(0)) == "0"
    assert wording.count(None) == "not known"


@pytest.mark.parametrize("answer", ["insufficient_data", "suppressed", "withheld", "missing"])
def test_a_rate_without_a_number_says_why_and_shows_none(answer: str) -> None:
    said = wording.rate(RateView(name="flagged_rate", answer=answer, interval=None, count=None, out_of=None))
    assert said == wording.ANSWER_WORDS[answer]
    assert not any(character.isdigit() for character in said)


def test_the_five_answers_have_five_different_words() -> None:
    assert len(set(wording.ANSWER_WORDS.values())) == 5


def test_a_rate_is_told_with_its_interval() -> None:
    interval = Interval(estimate=0.18, low=0.013, high=0.55, method="exact")
    view = RateView(name="flagged_rate", answer="ok", interval=interval, count=CountBand.exactly(2), out_of=11)
    assert wording.rate(view) == "18 % (1.3 to 55 %)"


@pytest.mark.parametrize(("value", "said"), [(24_154_952, "24 million"), (8.9e6, "8.9 million"), (950, "950")])
def test_large_numbers_are_told_as_people_say_them(value: float, said: str) -> None:
    assert wording.many(value) == said


def test_one_is_not_a_plural() -> None:
    assert wording.plural(1, "site") == "1 site"
    assert wording.plural(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.0 s"), (1.25, "1.2 s"), (41.2, "41 s"), (59.6, "1 min"), (312, "5 min 12 s"), (3600, "1 h"),
     (3599.7, "1 h"), (4932, "1 h 22 min")],
)  # fmt: skip
def test_a_span_of_time_is_told_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert wording.duration(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (11_900, "11.9 kB"), (8_412_700, "8.4 MB")]
)
def test_bytes_are_told_in_thousands(number: int, said: str) -> None:
    assert wording.bytes_in_words(number) == said
