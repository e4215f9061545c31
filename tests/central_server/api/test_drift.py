"""Drift is told with what chance alone would give, and is never more than shown."""

from shared.read_models import DriftSeries
from tests.central_world import World


def series(world: World, site: str, metric: str, **query: str) -> DriftSeries:
    return DriftSeries.model_validate_json(world.get(f"/sites/{site}/drift/{metric}", **query).content)


def test_each_distance_comes_with_its_null_band(read_world: World) -> None:
    points = series(read_world, "north-clinic", "mean_entropy").points
    measured = [point for point in points if point.answer == "ok"]
    assert measured
    for point in measured:
        assert [statistic.name for statistic in point.statistics] == ["jensen_shannon", "psi", "wasserstein"]
        for statistic in point.statistics:
            assert 0 <= statistic.null_median <= statistic.null_high
        assert point.statistics[2].unit == "nats"
        assert "0.001" in point.statistics[1].note


def test_a_shifted_site_lies_beyond_the_band_and_a_steady_one_mostly_within(read_world: World) -> None:
    def beyond(site: str, first: int) -> float:
        points = [p for p in series(read_world, site, "mahalanobis_log10").points if p.window.index >= first]
        return sum(p.statistics[0].value > p.statistics[0].null_high for p in points) / len(points)

    assert beyond("south-clinic", 8) == 1.0
    assert beyond("north-clinic", 5) <= 0.3


def test_before_the_baseline_there_is_insufficient_data(read_world: World) -> None:
    points = series(read_world, "north-clinic", "mean_entropy").points
    assert [p.answer for p in points] == ["insufficient_data"] * 5 + ["ok"] * 7
    assert points[0].statistics == ()
    assert points[0].n is not None
    assert points[0].baseline_n is None


def test_the_other_answers_stay_apart(read_world: World) -> None:
    answers = [p.answer for p in series(read_world, "island-hospital", "component_count").points]
    assert set(answers) == {"withheld", "suppressed"}
    smoothness = series(read_world, "island-hospital", "mean_entropy").points
    assert [p.answer for p in smoothness if p.window.index in (7, 11)] == ["suppressed", "suppressed"]


def test_a_stratum_is_compared_with_its_own_baseline(read_world: World) -> None:
    whole = series(read_world, "north-clinic", "mean_entropy").points[-1]
    part = series(read_world, "north-clinic", "mean_entropy", stratum="manufacturer=siemens").points[-1]
    assert part.answer == "ok"
    assert (part.baseline_n or 0) < (whole.baseline_n or 0)


def test_the_same_question_gets_the_same_band(read_world: World) -> None:
    one = series(read_world, "south-clinic", "mean_entropy")
    assert series(read_world, "south-clinic", "mean_entropy") == one
