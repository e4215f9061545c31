"""Summed histograms: sums of what each site's own rule lets it tell, and zeros below k."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.federation.jobs import site_vector
from hospital_agent.federation.jobs.errors import WrongShape
from hospital_agent.federation.jobs.histograms import HistogramsJob, WindowOfSite
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.reporting.aggregate import CountedCase, tally
from hospital_agent.reporting.events import Event, Trace
from hospital_agent.reporting.privacy import Policy
from shared.quantities import Quantity, linear_cuts
from shared.summaries import Histogram

CUTS = linear_cuts(0.0, 32.0)  # value i + 0.5 falls into bin i
DOUBT = Quantity("doubt", "", "higher_is_worse", 0.0, 32.0, 1, CUTS, "Doubt")
SIZE = Quantity("size", "ml", "neither", 0.0, 32.0, 1, CUTS, "Size")
CATALOGUE = (DOUBT, SIZE)
FLAGGED = Event("flagged", "Flagged", (Trace("doubt", "from", 28.0),))
K5 = Policy(k=5, version="test")


def site(values: Sequence[float | None], *, first: int = 0, policy: Policy = K5, flags: bool = False) -> WindowOfSite:
    """One case a patient; sizes spread over all coarse bins."""
    cases = [
        CountedCase(f"p{first + i}", {"doubt": value, "size": 4.0 * (i % 8) + 0.5}, {"flagged": (value or 0) >= 28})
        for i, value in enumerate(values)
    ]
    events = (FLAGGED,) if flags else ()
    return WindowOfSite(tally(cases, CATALOGUE, events), events, policy)


def spread(count: int, shift: float = 0.5) -> list[float | None]:
    return [4.0 * (i % 7) + shift for i in range(count)]


def test_the_sum_is_the_histogram_of_all_cases_of_sites_with_enough_patients() -> None:
    sites = [site(spread(30)), site(spread(6, 1.5), first=100), site(spread(4), first=200)]
    found = rehearse(HistogramsJob(CATALOGUE), sites).result
    told = [v for v in [*spread(30), *spread(6, 1.5)] if v is not None]
    assert found.metrics["doubt"].histogram == Histogram.of(told, CUTS).coarsen(8)
    assert (found.sites_told, found.sites_suppressed, found.patients, found.cases) == (2, 1, 36, 36)
    assert found.metrics["doubt"].sites_told == 2


@pytest.mark.parametrize("patients", [1, 4])
def test_a_site_below_k_sends_zeros_and_one_count_of_itself(patients: int) -> None:
    vector = site_vector(HistogramsJob(CATALOGUE), [], site(spread(patients)))
    assert vector[1] == 1
    assert np.count_nonzero(vector) == 1


def test_k_counts_patients_and_not_cases() -> None:
    cases = [CountedCase(f"p{i % 4}", {"doubt": 4.0 * (i % 8), "size": 1.0}, {}) for i in range(40)]
    vector = site_vector(HistogramsJob(CATALOGUE), [], WindowOfSite(tally(cases, CATALOGUE, ()), (), K5))
    assert np.count_nonzero(vector) == 1


def test_every_site_has_its_own_k() -> None:
    strict = Policy(k=10, version="strict")
    found = rehearse(HistogramsJob(CATALOGUE), [site(spread(8)), site(spread(8), policy=strict)]).result
    assert (found.sites_told, found.sites_suppressed) == (1, 1)


def test_what_a_report_would_withhold_is_withheld_here() -> None:
    same_bin = site([2.5] * 9)  # everybody in one cell: told of each
    few_undefined = site([*spread(12), None, None])  # the total would tell how many are undefined
    narrowing = site([*spread(12), 30.0], flags=True)  # one flagged case, alone above the flag's threshold
    found = rehearse(HistogramsJob(CATALOGUE), [same_bin, few_undefined, narrowing, site(spread(9))]).result
    assert (found.metrics["doubt"].sites_told, found.metrics["doubt"].sites_withheld) == (1, 3)
    assert found.metrics["doubt"].histogram.total == 9
    assert found.metrics["doubt"].undefined == 0
    assert found.metrics["size"].sites_told == 4


def test_finer_bins_need_as_many_patients_as_the_rule_says() -> None:
    sites = [site(spread(49)), site(spread(50), first=100), site(spread(200), first=200)]
    for resolution, told in ((8, 3), (16, 2), (32, 1)):
        found = rehearse(HistogramsJob(CATALOGUE, resolution), sites).result  # type: ignore[arg-type]
        assert found.metrics["size"].sites_told == told
        assert found.metrics["size"].histogram.resolution == resolution


def test_exactly_k_undefined_are_told() -> None:
    found = rehearse(HistogramsJob(CATALOGUE), [site([*spread(12), *[None] * 5])]).result
    assert found.metrics["doubt"].undefined == 5
    assert found.metrics["doubt"].histogram.total == 12


def test_an_empty_site_is_not_counted() -> None:
    assert not site_vector(HistogramsJob(CATALOGUE), [], site([])).any()


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(4)), st.lists(st.integers(0, 60), min_size=4, max_size=4))
def test_order_changes_nothing_and_no_site_below_k_is_inside(order: list[int], sizes: list[int]) -> None:
    sites = [site(spread(size), first=1000 * i) for i, size in enumerate(sizes)]
    found = rehearse(HistogramsJob(CATALOGUE), sites).result
    assert found == rehearse(HistogramsJob(CATALOGUE), [sites[i] for i in order]).result
    assert found.patients == sum(size for size in sizes if size >= 5)
    assert found.sites_suppressed == sum(0 < size < 5 for size in sizes)


def test_a_site_that_counts_on_other_edges_is_refused_by_name() -> None:
    other = Quantity("doubt", "", "higher_is_worse", 0.0, 1.0, 2, linear_cuts(0, 1), "Doubt")
    with pytest.raises(WrongShape, match="doubt"):
        site_vector(HistogramsJob((other,)), [], site(spread(20)))
    with pytest.raises(WrongShape, match="lost"):
        site_vector(HistogramsJob((Quantity("lost", "", "neither", 0, 1, 1, CUTS, "Lost"),)), [], site(spread(20)))
    with pytest.raises(WrongShape):
        HistogramsJob((DOUBT, DOUBT))
