import pytest

from dashboard.figures import drift
from shared.read_models import DriftPoint, DriftSeries, DriftStatistic
from tests.dashboard_views import INFO, checked, trace, window


def told(index: int, value: float | None = 0.3, answer: str = "ok") -> DriftPoint:
    statistic = DriftStatistic(
        name="psi", unit="", value=value or 0, null_median=0.05, null_high=0.2, note="Floor 0.0001."
    )
    found = () if value is None else (statistic,)
    return DriftPoint(window=window(index), answer=answer, n=14, baseline_n=129, statistics=found)


def over(*points: DriftPoint) -> DriftSeries:
    return DriftSeries(site="north-clinic", metric=INFO, stratum="all", points=points)


def test_values_stand_over_what_chance_gives() -> None:
    figure = drift.over_windows(over(told(0), told(1, 0.1)), "psi")
    assert trace(figure, "PSI").y == (0.3, 0.1)
    assert trace(figure, "chance alone, up to").y == (0.2, 0.2)
    assert trace(figure, "chance alone, median").y == (0.05, 0.05)
    assert "n = 14, baseline n = 129" in trace(figure, "PSI").hovertext[0]


def test_a_window_without_the_statistic_is_a_gap_and_hatched() -> None:
    figure = drift.over_windows(over(told(0), told(1, None, "withheld")), "psi")
    assert trace(figure, "PSI").y == (0.3, None)
    assert trace(figure, "withheld").fill == "toself"


def test_the_axis_holds_value_and_band() -> None:
    assert checked(drift.over_windows(over(told(0, 0.01)), "psi")).layout.yaxis.range[1] > 0.2


@pytest.mark.parametrize("name", ["jensen_shannon", "wasserstein"])
def test_a_statistic_that_no_window_has_is_said_to_be_missing(name: str) -> None:
    assert "Not computed yet" in checked(drift.over_windows(over(told(0)), name)).layout.annotations[0].text
