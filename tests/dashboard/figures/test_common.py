from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.figures import common
from dashboard.figures.chart import Chart
from dashboard.wording import ANSWER_WORDS
from shared.quantities import count_cuts, geometric_cuts, linear_cuts
from tests.dashboard_views import START, checked, window

ANSWERS = st.sampled_from(["ok", "suppressed", "withheld", "missing", "insufficient_data"])


def test_windows_with_numbers_leave_no_blank() -> None:
    assert common.blanks([(window(0), "ok"), (window(1), "ok")]) == ()


def test_neighbours_with_one_reason_are_one_blank() -> None:
    (blank,) = common.blanks([(window(0), "suppressed"), (window(1), "suppressed")])
    assert (blank.start_at, blank.end_at) == (window(0).start_at, window(1).end_at)
    assert ANSWER_WORDS["suppressed"] in blank.text


def test_neighbours_with_two_reasons_are_two_blanks() -> None:
    found = common.blanks([(window(0), "suppressed"), (window(1), "withheld")])
    assert [blank.answer for blank in found] == ["suppressed", "withheld"]


def test_window_numbers_that_never_came_are_missing() -> None:
    (blank,) = common.blanks([(window(0), "ok"), (window(3), "ok")])
    assert (blank.answer, blank.start_at, blank.end_at) == ("missing", window(0).end_at, window(3).start_at)
    assert "(2 windows)" in blank.text


@settings(deadline=None, max_examples=40)
@given(st.lists(ANSWERS, max_size=12))
def test_blanks_cover_exactly_the_windows_without_a_number(answers: list[str]) -> None:
    told = [(window(index), answer) for index, answer in enumerate(answers)]
    covered = sum(((b.end_at - b.start_at) for b in common.blanks(told)), timedelta())
    assert covered == timedelta(days=sum(answer != "ok" for answer in answers))


@settings(deadline=None, max_examples=40)
@given(st.lists(ANSWERS, min_size=1, max_size=12))
def test_every_reason_in_the_chart_is_named_in_words(answers: list[str]) -> None:
    chart = Chart()
    common.add_blanks(chart, [(window(i), answer) for i, answer in enumerate(answers)], 0, 1, legend=True)
    named = {trace.name for trace in checked(chart.done()).data if trace.fill}
    assert named == {ANSWER_WORDS[answer].split(":")[0] for answer in answers if answer != "ok"}


def test_every_reason_has_its_own_pattern() -> None:
    assert len(set(common.PATTERNS.values())) == len(ANSWER_WORDS) - 1


def test_marks_outside_the_windows_widen_the_axis() -> None:
    chart = Chart()
    late = window(5).start_at
    common.over_time(chart, [window(0)], "x", [common.Mark(late, "alert")])
    assert checked(chart.done()).layout.xaxis.range[1] == late


def test_days_long_windows_are_not_labelled_by_the_hour() -> None:
    short, long = Chart(), Chart()
    common.over_time(short, [window(i) for i in range(3)], "x")
    common.over_time(long, [window(i) for i in range(60)], "x")
    assert short.done()["layout"]["xaxis"]["dtick"] == timedelta(days=1).total_seconds() * 1000
    assert "dtick" not in long.done()["layout"]["xaxis"]


def test_a_zoom_is_kept_while_the_same_thing_is_shown() -> None:
    first, again, other = Chart(), Chart(), Chart()
    for chart, name in ((first, "a"), (again, "a"), (other, "b")):
        common.over_time(chart, [window(0)], name)
    revisions = [chart.done()["layout"]["uirevision"] for chart in (first, again, other)]
    assert revisions[0] == revisions[1] != revisions[2]


@pytest.mark.parametrize(
    ("cuts", "geometric"),
    [
        (geometric_cuts(0.05, 2000), True),
        (geometric_cuts(0.05, 2000)[3::4], True),
        (linear_cuts(0, 1), False),
        (linear_cuts(-1, 2), False),
        (count_cuts(200), False),
        ((), False),
    ],
)
def test_growing_cuts_are_recognised(cuts: tuple[float, ...], geometric: bool) -> None:
    assert common.is_geometric(cuts) is geometric


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_the_padded_range_holds_every_value_and_is_never_empty(values: list[float]) -> None:
    low, high = common.padded(values)
    assert low < high
    assert all(low <= value <= high for value in values)


def test_an_empty_chart_says_why() -> None:
    assert checked(common.empty("Nothing yet.")).layout.annotations[0].text == "Nothing yet."


def test_a_value_is_drawn_in_the_middle_of_its_window() -> None:
    assert common.middle(window(0)) == START + timedelta(hours=12)
