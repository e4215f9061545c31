import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.figures import histogram
from shared.quantities import linear_cuts
from shared.report import WireHistogram
from shared.summaries import Histogram
from tests.dashboard_views import INFO, checked, point, trace

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def test_bars_and_baseline_are_shares_of_their_own_n() -> None:
    figure = histogram.against_baseline(INFO, point(1, [0.9, 0.9, 0.9, 0.1]), point(0, [0.9, 0.1]))
    bars, step = trace(figure, "window (n = 4)"), trace(figure, "site baseline v1 (n = 2)")
    assert sum(bars.y) == pytest.approx(1)
    assert max(bars.y) == pytest.approx(0.75)
    assert max(step.y) == pytest.approx(0.5)


@settings(deadline=None, max_examples=40)
@given(VALUES, VALUES)
def test_whatever_was_counted_adds_up_to_one(now: list[float], then: list[float]) -> None:
    figure = histogram.against_baseline(INFO, point(1, now), point(0, then))
    assert sum(trace(figure, "window").y) == pytest.approx(1)
    assert sum(trace(figure, "site baseline").y[:-1]) == pytest.approx(1)


def test_different_resolutions_are_compared_on_the_coarser_one() -> None:
    fine = point(0, [0.2, 0.8])
    finer = WireHistogram.wrap(Histogram.of([0.2, 0.8], linear_cuts(0, 1)))
    figure = histogram.against_baseline(INFO, point(1, [0.5]), fine.model_copy(update={"histogram": finer}))
    assert len(trace(figure, "window").y) == 8


def test_different_edges_are_not_compared_and_it_is_said() -> None:
    other = WireHistogram.wrap(Histogram.of([0.2], linear_cuts(0, 2)).coarsen(8))
    baseline = point(0, [0.2]).model_copy(update={"histogram": other})
    figure = checked(histogram.against_baseline(INFO, point(1, [0.5]), baseline))
    assert "not compared" in figure.layout.annotations[0].text
    assert not figure.data


@pytest.mark.parametrize("answer", ["suppressed", "withheld", "missing", "insufficient_data"])
def test_a_window_without_a_number_says_why(answer: str) -> None:
    figure = checked(histogram.against_baseline(INFO, point(1, answer=answer), point(0, [0.5])))
    assert histogram.ANSWER_WORDS[answer] in figure.layout.annotations[0].text
    assert not figure.data


def test_the_outer_bins_are_told_as_open() -> None:
    counted = Histogram.of([0.5], linear_cuts(0, 1)).coarsen(8)
    assert histogram.bin_label(counted, 0, "ml") == "below 0.125 ml"
    assert histogram.bin_label(counted, 7, "ml") == "0.875 ml or more"
    assert histogram.bin_label(counted, 1, "count") == "0.125 to 0.25"


def test_an_empty_histogram_has_shares_of_zero_and_divides_by_nothing() -> None:
    assert histogram.shares(Histogram.zero(linear_cuts(0, 1))) == [0.0] * 32


def test_without_window_or_baseline_there_is_still_an_answer() -> None:
    assert "No window" in checked(histogram.against_baseline(INFO, None, None)).layout.annotations[0].text
    assert len(checked(histogram.against_baseline(INFO, point(1, [0.5]), None)).data) == 1
