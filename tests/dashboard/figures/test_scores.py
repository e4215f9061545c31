import math

import pytest

from dashboard.figures import scores
from dashboard.figures.common import Mark
from shared.quantities import geometric_cuts
from shared.report import WireHistogram
from shared.summaries import Histogram
from tests.dashboard_views import START, checked, point, series, trace, window

BASELINE = point(0, [0.7, 0.8, 0.9])
MEDIANS = "window median"


def test_the_median_and_its_percentiles_are_drawn() -> None:
    drawn = trace(scores.large(series([point(0, [0.5, 0.6, 0.9])])), MEDIANS)
    assert drawn.y == (0.6,)
    assert drawn.error_y.array == pytest.approx([0.3])
    assert drawn.error_y.arrayminus == pytest.approx([0.1])


@pytest.mark.parametrize("answer", ["suppressed", "withheld", "missing", "insufficient_data"])
@pytest.mark.parametrize("draw", [scores.small, scores.large])
def test_a_window_without_a_number_is_hatched_and_never_drawn_as_zero(draw, answer: str) -> None:
    told = series([point(0, [0.5, 0.6, 0.9]), point(1, answer=answer), point(2, [0.5, 0.6, 0.9])], BASELINE)
    figure = draw(told)
    drawn = trace(figure, MEDIANS)
    assert drawn.y == (0.6, None, 0.6)
    assert drawn.connectgaps is False
    hatched = [t for t in checked(figure).data if t.fillpattern and t.fillpattern.shape]
    assert len(hatched) == 1


def test_the_baseline_is_a_band_over_the_whole_time_with_its_n() -> None:
    figure = scores.large(series([point(3, [0.5, 0.6, 0.9]), point(4, [0.5, 0.6, 0.9])], BASELINE))
    band = trace(figure, "baseline v1, 10–90 % (n = 3)")
    assert set(band.y) == {0.7, 0.9}
    assert trace(figure, "baseline v1 median").y == (0.8, 0.8)


def test_each_baseline_is_drawn_where_its_windows_are_and_none_while_the_next_is_collected() -> None:
    second = point(5, [0.2, 0.3, 0.4], baseline=2)
    points = [
        point(0, [0.5], baseline=None), point(1, [0.5]), point(2, answer="missing", baseline=None), point(3, [0.5]),
        point(4, [0.4], baseline=None), point(5, [0.3], baseline=None), point(6, [0.3], baseline=2),
        point(7, [0.3], baseline=9), point(8, [0.3]),
    ]  # fmt: skip
    told = series(points, second).model_copy(update={"baselines": (BASELINE, second)})
    found = [(one.baseline.baseline_version, one.start_at, one.end_at) for one in scores.stretches(told)]
    assert found == [
        (1, window(0).start_at, window(3).end_at),
        (2, window(5).start_at, window(6).end_at),
        (1, window(8).start_at, window(8).end_at),
    ]
    drawn = [t for t in checked(scores.large(told)).data if (t.name or "").endswith("median")]
    assert [(t.name, t.showlegend) for t in drawn] == [
        ("baseline v1 median", True), ("baseline v2 median", True), ("baseline v1 median", False),
    ]  # fmt: skip


def test_without_a_baseline_no_band_is_drawn() -> None:
    names = [t.name or "" for t in checked(scores.large(series([point(0, [0.5, 0.6, 0.9])]))).data]
    assert not any("baseline" in name for name in names)


def test_hovering_tells_n_the_percentiles_and_the_window() -> None:
    (said,) = trace(scores.small(series([point(0, [0.5, 0.6, 0.9])])), MEDIANS).hovertext
    assert "n = 3" in said
    assert "0.6 Dice" in said
    assert "0.5 to 0.9" in said
    assert "(UTC)" in said


def test_the_chosen_window_carries_a_ring() -> None:
    told = series([point(0, [0.5, 0.6, 0.9]), point(1, [0.1, 0.2, 0.3])])
    rings = [t for t in checked(scores.large(told, chosen_window=1)).data if t.marker.symbol == "circle-open"]
    assert [ring.y for ring in rings] == [(0.2,)]
    assert not [t for t in checked(scores.large(told)).data if t.marker.symbol == "circle-open"]


def test_a_point_names_its_window_so_that_it_can_be_chosen() -> None:
    assert trace(scores.large(series([point(7, [0.5])])), MEDIANS).customdata == (7,)


def test_alerts_are_marked_in_time() -> None:
    mark = Mark(START, "Predicted Dice has become lower")
    marked = trace(scores.large(series([point(0, [0.5, 0.6, 0.9])]), [mark]), "alert opened")
    assert marked.x == (START,)
    assert marked.hovertext == (mark.text,)


def test_a_volume_is_read_on_a_log_scale_and_its_range_holds_all_values() -> None:
    cuts = geometric_cuts(0.05, 2000)
    histogram = WireHistogram.wrap(Histogram.of([1, 10, 100], cuts).coarsen(8))
    told = point(0, [1.0, 10.0, 100.0]).model_copy(update={"histogram": histogram})
    axis = checked(scores.large(series([told]))).layout.yaxis
    assert axis.type == "log"
    assert axis.range[0] < 0
    assert axis.range[1] > 2
    low, high, logarithmic = scores.y_range(series([told]))
    assert logarithmic
    assert math.log10(low) == pytest.approx(axis.range[0])
    assert high > 100


def test_only_windows_without_numbers_still_make_a_chart() -> None:
    figure = checked(scores.large(series([point(0, answer="suppressed"), point(1, answer="suppressed")])))
    assert trace(figure.to_dict(), MEDIANS).y == (None, None)


def test_no_window_at_all_is_said_in_words() -> None:
    assert checked(scores.small(series([]))).layout.annotations[0].text == scores.NOTHING_YET
