import pytest

from dashboard.figures import rates
from dashboard.figures.common import Mark
from shared.read_models import RatePoint, RateSeries, RateView
from shared.report import CountBand, Interval
from tests.dashboard_views import START, checked, trace, window

INTERVAL = Interval(estimate=0.2, low=0.1, high=0.4, method="exact")


def rate(name: str = "flagged_rate", answer: str = "ok", interval: Interval | None = INTERVAL) -> RateView:
    return RateView(
        name=name,
        answer=answer,
        interval=interval if answer == "ok" else None,
        count=CountBand(low=1, high=4),
        out_of=14,
    )


def told(*views: RateView, baseline: RateView | None = None) -> RateSeries:
    points = tuple(RatePoint(window=window(i), rates=(view,)) for i, view in enumerate(views))
    return RateSeries(site="north-clinic", baseline_flagged_rate=baseline, points=points)


def test_the_flagged_rate_is_drawn_with_its_interval() -> None:
    drawn = trace(rates.flagged_over_time(told(rate())), "flagged rate")
    assert drawn.y == (0.2,)
    assert drawn.error_y.array == pytest.approx([0.2])
    assert "1 to 4 of 14 cases" in drawn.hovertext[0]


@pytest.mark.parametrize("other", ["reviewed_failure_rate", "estimated_failure_rate"])
def test_another_rate_is_never_drawn_as_the_flagged_one(other: str) -> None:
    figure = rates.flagged_over_time(told(rate(), rate(other)))
    assert trace(figure, "flagged rate").y == (0.2, None)
    assert trace(figure, "no report").fill == "toself"


@pytest.mark.parametrize("answer", ["suppressed", "withheld", "missing", "insufficient_data"])
def test_a_window_without_a_rate_is_hatched_and_never_zero(answer: str) -> None:
    figure = rates.flagged_over_time(told(rate(), rate(answer=answer)))
    assert trace(figure, "flagged rate").y == (0.2, None)
    assert any(t.fillpattern and t.fillpattern.shape for t in checked(figure).data)


def test_a_rate_of_zero_is_a_number_and_is_drawn() -> None:
    zero = Interval(estimate=0, low=0, high=0.2, method="exact")
    assert trace(rates.flagged_over_time(told(rate(interval=zero))), "flagged rate").y == (0,)


def test_an_answer_without_its_interval_counts_as_insufficient_data() -> None:
    figure = rates.flagged_over_time(told(rate(interval=None)))
    assert trace(figure, "flagged rate").y == (None,)
    assert trace(figure, "insufficient data").fill == "toself"


def test_the_baseline_is_a_band() -> None:
    assert set(trace(rates.flagged_over_time(told(rate(), baseline=rate())), "site baseline").y) == {0.1, 0.4}


def test_alerts_are_marked_and_an_empty_series_says_so() -> None:
    assert trace(rates.flagged_over_time(told(rate()), [Mark(START, "x")]), "alert opened").x == (START,)
    assert "No window" in checked(rates.flagged_over_time(told())).layout.annotations[0].text
