import math

import pytest

from dashboard.figures import evidence
from dashboard.figures.common import Mark
from shared.read_models import DetectorPoint, DetectorSeries
from shared.report import DetectorState
from tests.dashboard_views import START, checked, trace, window


def detector(
    *statistics: float, metric: str = "mean_entropy", alternative: str = "greater", pages=()
) -> DetectorSeries:
    points = []
    for index, statistic in enumerate(statistics):
        state = DetectorState(
            metric=metric, label="Mean entropy", kind="rank", alternative=alternative, version=1, baseline_n=129,
            stream_n=10 * (index + 1), log_statistic=statistic,
            highest_log_statistic=17.4 if index in pages else statistic, log_threshold=17.0,
            pages_in_window=int(index in pages), pages_total=len(pages), evidence_since=None,
        )  # fmt: skip
        points.append(DetectorPoint(window=window(index), state=state))
    return DetectorSeries(
        site="north-clinic", metric=metric, label="Mean entropy", alternative=alternative, log_threshold=17.0,
        points=tuple(points),
    )  # fmt: skip


def test_the_alarm_line_stands_at_the_threshold_and_is_named() -> None:
    layout = checked(evidence.over_time_all([detector(1, 2, 3)])).layout
    assert 17.0 in [shape.y0 for shape in layout.shapes]
    assert "alarm line 17.0" in [note.text for note in layout.annotations]
    assert layout.yaxis.range[1] > 17.0
    assert layout.yaxis.title.text == "evidence of change (natural log)"


def test_the_line_is_the_statistic_at_the_end_of_each_window() -> None:
    assert trace(evidence.over_time_all([detector(1, 2, 3)]), "Mean entropy, higher").y == (1, 2, 3)


def test_a_crossing_is_marked_above_the_line_though_the_statistic_starts_again() -> None:
    figure = evidence.over_time_all([detector(1, 0.0, pages={1})])
    assert trace(figure, "crossed the alarm line").y == (17.4,)
    assert "Mean entropy" in trace(figure, "crossed the alarm line").hovertext[0]


def test_quiet_detectors_stay_grey_and_out_of_the_legend() -> None:
    figure = evidence.over_time_all([detector(1, 2), detector(1, 16, metric="smoothness", alternative="less")])
    assert trace(figure, "Mean entropy, higher").line.color == evidence.QUIET
    assert trace(figure, "Mean entropy, higher").showlegend is False
    assert trace(figure, "Mean entropy, lower").line.color != evidence.QUIET


def test_detectors_that_stand_out_are_told_apart_by_more_than_colour() -> None:
    loud = [detector(1, 16, metric=f"q{index}") for index in range(8)]
    lines = [t for t in checked(evidence.over_time_all(loud)).data if t.mode == "lines+markers"]
    assert len({(line.line.color, line.line.dash) for line in lines}) == 8


@pytest.mark.parametrize(
    ("series", "near"),
    [
        (detector(8.5), 0.5),
        (detector(), 0.0),
        (detector(0.0, pages={0}), 17.4 / 17),
        (detector(16.0, 1.0), 16 / 17),
    ],
)
def test_closeness_is_the_share_of_the_alarm_line_reached(series: DetectorSeries, near: float) -> None:
    assert evidence.closeness(series) == pytest.approx(near)


def test_where_a_detector_stands_now_forgets_what_passed_long_ago() -> None:
    assert evidence.standing(detector(16.0, 1.7)) == pytest.approx(0.1)


def test_the_meaning_of_the_alarm_line_is_told_in_cases() -> None:
    said = evidence.meaning_of(math.log(24e6))
    assert "at most once in 24 million cases" in said


def test_alerts_are_marked_and_no_detector_is_said_in_words() -> None:
    assert trace(evidence.over_time_all([detector(1)], [Mark(START, "x")]), "alert opened").x == (START,)
    assert "No detector" in checked(evidence.over_time_all([])).layout.annotations[0].text
