"""Each registered distance is thin over the shared statistics and comes with what chance gives."""

import tracemalloc

import pytest

from central_server.drift import drift_statistics, measure
from shared.errors import EdgesMismatch
from shared.statistics.null_bands import distances
from shared.summaries import Histogram

CUTS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
BASELINE = Histogram(CUTS, (0, 10, 20, 30, 30, 20, 10, 0))
SHIFTED = Histogram(CUTS, (0, 0, 1, 2, 3, 4, 3, 1))


def test_the_distances_are_these_and_named_as_registered() -> None:
    found = measure(SHIFTED, BASELINE, "ml")
    assert found is not None
    assert [statistic.name for statistic in found] == ["jensen_shannon", "psi", "wasserstein"]
    assert set(drift_statistics.names()) == {statistic.name for statistic in found}


def test_the_numbers_are_those_of_the_shared_statistics() -> None:
    told = {statistic.name: statistic for statistic in measure(SHIFTED, BASELINE, "ml") or ()}
    shared = distances(BASELINE, SHIFTED)
    assert shared is not None
    for name, statistic in told.items():
        banded = getattr(shared, name)
        assert (statistic.value, statistic.null_median, statistic.null_high) == (
            banded.value, banded.null_median, banded.null_high,
        )  # fmt: skip
    assert [told[name].unit for name in ("jensen_shannon", "psi", "wasserstein")] == ["bit", "", "ml"]


def test_a_window_like_its_baseline_has_no_distance() -> None:
    for statistic in measure(BASELINE, BASELINE, "") or ():
        assert statistic.value == pytest.approx(0, abs=1e-12)
        assert 0 < statistic.null_median < statistic.null_high


def test_without_any_value_there_is_no_distance() -> None:
    assert measure(Histogram.zero(CUTS), BASELINE, "") is None
    assert measure(SHIFTED, Histogram.zero(CUTS), "") is None


def test_other_edges_are_never_compared() -> None:
    with pytest.raises(EdgesMismatch):
        measure(Histogram.zero(tuple(cut + 0.5 for cut in CUTS)), BASELINE, "")


def test_counts_of_any_size_are_measured_in_bounded_memory() -> None:
    huge = Histogram(CUTS, tuple(count * 10**9 for count in BASELINE.counts))
    tracemalloc.start()
    found = measure(huge, BASELINE, "")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None
    assert found[0].value == pytest.approx(0, abs=1e-9)
    assert peak < 200e6
