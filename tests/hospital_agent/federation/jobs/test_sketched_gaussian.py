"""The sketched Gaussian beside the whole covariance of the same rows: where it is exact, near, and how it says so."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.ood.gaussian import fit_gaussian, oas_weight
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.federation.jobs import site_vector
from hospital_agent.federation.jobs.errors import CohortChanged, WrongShape
from hospital_agent.federation.jobs.rehearsal import add, rehearse
from hospital_agent.federation.jobs.rows import LocalRows
from hospital_agent.federation.jobs.sketched_gaussian import SketchedGaussianJob

D = 60


def drawn(variances: np.ndarray, sizes: Sequence[int] = (90, 4, 150, 1), seed: int = 0) -> list[LocalRows]:
    """Sites whose features have these variances along axes that are not those of the features."""
    random = np.random.default_rng(seed)
    axes = np.linalg.qr(random.standard_normal((D, D)))[0]
    rows = random.standard_normal((sum(sizes), D)) * np.sqrt(variances) @ axes + 0.5
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    return [LocalRows(part, [f"{i}-{j // 3}" for j in range(len(part))]) for i, part in enumerate(parts)]


def pooled(sites: Sequence[LocalRows]) -> np.ndarray:
    return np.concatenate([site.rows for site in sites])


def test_exact_where_there_are_no_more_directions_than_the_sketch_has() -> None:
    sites = drawn(np.where(np.arange(D) < 10, 1.0 / (1 + np.arange(D)), 0.0))
    moments = GaussianMoments.of(pooled(sites))
    found = rehearse(SketchedGaussianJob(D, 12), sites).result
    assert found.weight.weight == pytest.approx(oas_weight(moments), rel=1e-6)
    assert found.gaussian.mean == pytest.approx(moments.mean, abs=1e-9)
    unseen = np.random.default_rng(3).standard_normal((40, D))
    true = fit_gaussian(moments, oas_weight(moments)).squared_distances(unseen)
    assert found.reference().distances(unseen) == pytest.approx(true, rel=1e-4)
    assert found.largest_error < 1e-3


def test_fewer_rows_than_directions_of_the_sketch_is_exact_as_well() -> None:
    sites = drawn(np.ones(D), sizes=(6, 3, 9))
    moments = GaussianMoments.of(pooled(sites))
    found = rehearse(SketchedGaussianJob(D, 20), sites).result
    unseen = np.random.default_rng(3).standard_normal((40, D))
    true = fit_gaussian(moments, found.weight.weight).squared_distances(unseen)
    assert found.weight.weight == pytest.approx(oas_weight(moments), rel=1e-6)
    assert found.reference().distances(unseen) == pytest.approx(true, rel=1e-4)


def test_one_percent_on_a_spectrum_that_falls_below_the_floor_inside_the_sketch() -> None:
    sites = drawn(np.exp(-np.arange(D) / 1.5))
    moments = GaussianMoments.of(pooled(sites))
    found = rehearse(SketchedGaussianJob(D, 24), sites).result
    rows = np.vstack([pooled(sites), 3 * np.random.default_rng(3).standard_normal((40, D))])
    true = fit_gaussian(moments, oas_weight(moments)).squared_distances(rows)
    assert found.largest_error < 0.01
    assert np.abs(found.reference().distances(rows) / true - 1).max() < 0.01


@settings(max_examples=30, deadline=None)
@given(power=st.floats(0.0, 4.0), rank=st.integers(2, D), seed=st.integers(0, 100))
def test_no_distance_is_farther_off_than_the_result_says(power: float, rank: int, seed: int) -> None:
    sites = drawn((1.0 + np.arange(D)) ** -power, seed=seed)
    found = rehearse(SketchedGaussianJob(D, rank, seed=seed), sites).result
    whole = fit_gaussian(GaussianMoments.of(pooled(sites)), found.weight.weight)
    rows = np.vstack([pooled(sites), np.random.default_rng(seed).standard_normal((40, D)), 9 * np.eye(D)])
    ratio = found.reference().distances(rows) / whole.squared_distances(rows)
    factor = (1 + found.largest_error) * (1 + 1e-4)
    assert ratio.max() <= factor
    assert ratio.min() >= 1 / factor


def test_a_weight_that_is_known_is_used_and_makes_the_rest_matter_less() -> None:
    sites = drawn((1.0 + np.arange(D)) ** -2.0)
    formula, given_weight = (rehearse(SketchedGaussianJob(D, 20, weight=w), sites).result for w in (None, 0.2))
    assert given_weight.weight.weight == 0.2
    assert given_weight.weight.oas == formula.weight.weight < 0.2
    assert given_weight.largest_error < formula.largest_error
    rows = pooled(sites)
    true = fit_gaussian(GaussianMoments.of(rows), 0.2).squared_distances(rows)
    assert np.abs(given_weight.reference().distances(rows) / true - 1).max() <= given_weight.largest_error
    with pytest.raises(WrongShape):
        SketchedGaussianJob(D, 20, weight=0.0)


def test_more_directions_leave_less_out() -> None:
    sites = drawn((1.0 + np.arange(D)) ** -1.0)
    few, many = (rehearse(SketchedGaussianJob(D, rank), sites).result.unexplained for rank in (10, 30))
    values = GaussianMoments.of(pooled(sites)).principal_axes[0]
    assert np.sort(values)[:-30].sum() / values.sum() <= many < few


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(4)))
def test_order_of_sites_changes_nothing(order: list[int]) -> None:
    sites, job = drawn(np.ones(D)), SketchedGaussianJob(D, 5)
    first = rehearse(job, sites).totals
    for a, b in zip(first, rehearse(job, [sites[i] for i in order]).totals, strict=True):
        assert np.array_equal(a, b)


def test_what_a_site_sends_at_full_size() -> None:
    job = SketchedGaussianJob(5120, 240)
    numbers = job.size([]) + job.size([np.zeros(job.size([]))])
    assert 8 * numbers <= 10e6


def test_every_vector_keeps_its_stated_bounds() -> None:
    sites, job = drawn((1.0 + np.arange(D)) ** -2.0), SketchedGaussianJob(D, 10)
    totals: list[np.ndarray] = []
    while not job.finished(totals):
        bounds = job.bounds(totals)
        assert len(sites) * bounds.largest / bounds.step <= 2.0**62
        totals.append(add(job, totals, sites))  # refuses vectors beyond the bounds
    assert max(np.abs(total).max() for total in totals[1:]) <= 1 + 1e-6


def test_cohorts_and_refusals() -> None:
    sites, job = drawn(np.ones(D)), SketchedGaussianJob(D, 5)
    empty = LocalRows(np.zeros((0, D)), [])
    assert np.array_equal(rehearse(job, [*sites, empty]).totals[1], rehearse(job, sites).totals[1])
    totals = [add(job, [], sites)]
    totals.append(add(job, totals, sites[:-1]))
    with pytest.raises(CohortChanged):
        job.result(totals)
    with pytest.raises(WrongShape):
        SketchedGaussianJob(D, D + 1)
    with pytest.raises(WrongShape):
        site_vector(SketchedGaussianJob(D + 1, 5), [], sites[0])
    with pytest.raises(TooFewCases):
        rehearse(job, [LocalRows(np.zeros((9, D)), [str(i) for i in range(9)])])
