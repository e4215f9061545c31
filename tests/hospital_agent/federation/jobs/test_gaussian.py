"""The federated Gaussian beside the fit of the same rows in one place, and beside scikit-learn."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import OAS, EmpiricalCovariance

from hospital_agent.analysis.ood.gaussian import fit_gaussian, oas_weight
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.analysis.ood.patient_check import choose_weight
from hospital_agent.analysis.ood.reference import GaussianReference
from hospital_agent.federation.jobs import site_vector
from hospital_agent.federation.jobs.errors import CohortChanged, NotFinite, OutOfBounds, TooFewPatients, WrongShape
from hospital_agent.federation.jobs.gaussian import GaussianJob, from_upper_triangle, upper_triangle
from hospital_agent.federation.jobs.rehearsal import add, rehearse
from hospital_agent.federation.jobs.rows import LocalRows

D = 12
UNEQUAL = (40, 3, 90, 1, 17)


def drawn(sizes: Sequence[int], dimension: int = D, seed: int = 0, spread: float = 1.0) -> list[LocalRows]:
    """Sites with correlated features that lie at different places; three rows a patient."""
    random = np.random.default_rng(seed)
    mixing = random.standard_normal((dimension, dimension)) / np.sqrt(dimension)
    return [
        LocalRows(
            random.standard_normal((size, dimension)) @ mixing * spread + 0.3 * site,
            [f"{site}-{row // 3}" for row in range(size)],
        )
        for site, size in enumerate(sizes)
    ]


def pooled(sites: Sequence[LocalRows]) -> tuple[np.ndarray, list[str]]:
    return np.concatenate([site.rows for site in sites]), [name for site in sites for name in site.patients]


def relative(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


def test_covariance_is_scikit_learns_of_all_rows() -> None:
    sites = drawn(UNEQUAL)
    rows, _ = pooled(sites)
    found = rehearse(GaussianJob(D), sites).result.moments
    true = EmpiricalCovariance().fit(rows)
    assert relative(found.covariance(), true.covariance_) < 1e-11
    assert found.mean == pytest.approx(true.location_, rel=1e-11)


@pytest.mark.parametrize("sizes", [UNEQUAL, (4, 1, 5)], ids=["many rows", "fewer rows than features"])
def test_distances_are_those_of_the_pooled_fit(sizes: Sequence[int]) -> None:
    sites = drawn(sizes)
    rows, _ = pooled(sites)
    job = GaussianJob(D, fewest_patients=1)
    found = rehearse(job, sites).result
    moments = GaussianMoments.of(rows)
    weight = oas_weight(moments)
    assert found.weight.weight == pytest.approx(weight, rel=1e-9)
    assert found.weight.weight == pytest.approx(OAS().fit(rows).shrinkage_, rel=1e-9)
    unseen = np.random.default_rng(9).standard_normal((50, D)) * 3
    true = fit_gaussian(moments, weight).squared_distances(unseen)
    assert found.reference().distances(unseen) == pytest.approx(true, rel=1e-6)


@pytest.mark.parametrize(("bits", "covariance", "distance"), [(24, 1e-6, 1e-4), (30, 1e-8, 1e-6), (40, 1e-11, 1e-9)])
def test_rounding_to_whole_multiples_of_a_step(bits: int, covariance: float, distance: float) -> None:
    sites = drawn(UNEQUAL)
    rows, _ = pooled(sites)
    found = rehearse(GaussianJob(D), sites, step=2.0**-bits).result
    moments = GaussianMoments.of(rows)
    assert relative(found.moments.covariance(), moments.covariance()) < covariance
    true = fit_gaussian(moments, oas_weight(moments)).squared_distances(rows)
    assert found.reference().distances(rows) == pytest.approx(true, rel=distance)


def test_weight_checked_on_left_out_patients_is_chosen_as_locally() -> None:
    sites = drawn((60, 9, 30), dimension=8)
    sites = [LocalRows(np.repeat(site.rows[::3], 3, axis=0)[: len(site.rows)], site.patients) for site in sites]
    sites = [
        LocalRows(s.rows + 0.01 * np.random.default_rng(1).standard_normal(s.rows.shape), s.patients) for s in sites
    ]
    rows, patients = pooled(sites)
    local = choose_weight(rows, patients, GaussianMoments.of(rows))
    found = rehearse(GaussianJob(8, check_weight=True), sites).result.weight
    assert local.weight != local.oas  # patches that look alike: the formula believes in too many rows
    assert found.weight == pytest.approx(local.weight, rel=1e-9)
    assert found.best == pytest.approx(local.best, rel=1e-9)
    assert found.gain == pytest.approx(local.gain, rel=1e-6)
    assert found.gain_error == pytest.approx(local.gain_error, rel=1e-6)


def test_reference_equals_the_local_one_in_what_it_stands_on() -> None:
    sites = drawn(UNEQUAL)
    rows, patients = pooled(sites)
    local = GaussianReference.fit(rows, patients)
    found = rehearse(GaussianJob(D, check_weight=True), sites).result.reference()
    assert (found.row_count, found.patient_count) == (local.row_count, local.patient_count)
    assert found.distances(rows) == pytest.approx(local.distances(rows), rel=1e-6)


def test_features_a_million_apart_in_scale() -> None:
    scales = np.geomspace(1e-3, 1e3, D)
    sites = [LocalRows(site.rows * scales + 2 * scales, site.patients) for site in drawn(UNEQUAL)]
    rows, _ = pooled(sites)
    found = rehearse(GaussianJob(D, unit=scales), sites).result.moments
    true = GaussianMoments.of(rows).covariance()
    assert relative(found.covariance(), true) < 1e-8
    assert relative(found.covariance() / np.outer(scales, scales), true / np.outer(scales, scales)) < 1e-8
    plain = rehearse(GaussianJob(D), [LocalRows(s.rows / 100, s.patients) for s in sites]).result.moments
    assert relative(plain.covariance() * 1e4, true) < 1e-8  # without units the large features are still right
    with pytest.raises(OutOfBounds, match="units from the stated centre"):
        rehearse(GaussianJob(D), sites)


@pytest.mark.parametrize("step", [None, 2.0**-30, 0.0])
def test_constant_features_stay_constant(step: float | None) -> None:
    sites = drawn(UNEQUAL)
    for site in sites:
        site.rows[:, 3], site.rows[:, 7] = 0.0, 123.456
    rows, _ = pooled(sites)
    found = rehearse(GaussianJob(D), sites, step).result
    assert np.abs(found.moments.covariance()[[3, 7]]).max() < 1e-10
    local = fit_gaussian(GaussianMoments.of(rows), found.weight.weight)
    moved = rows[:4] + np.eye(D)[7] * 5.0
    assert found.reference().distances(moved) == pytest.approx(local.squared_distances(moved), rel=1e-6)
    assert (found.reference().distances(moved) > found.reference().distances(rows[:4])).all()


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(len(UNEQUAL))))
def test_order_of_sites_changes_nothing(order: list[int]) -> None:
    sites = drawn(UNEQUAL)
    first = rehearse(GaussianJob(D), sites).totals
    other = rehearse(GaussianJob(D), [sites[i] for i in order]).totals
    for a, b in zip(first, other, strict=True):
        assert np.array_equal(a, b)  # whole multiples of a step add exactly, in whatever order


def test_an_empty_site_adds_nothing_and_is_not_counted() -> None:
    sites = drawn(UNEQUAL)
    empty = LocalRows(np.zeros((0, D)), [])
    whole = rehearse(GaussianJob(D, check_weight=True), sites)
    found = rehearse(GaussianJob(D, check_weight=True), [*sites, empty])
    assert found.result.cohort == whole.result.cohort
    assert found.result.cohort.sites == len(sites)
    for a, b in zip(whole.totals, found.totals, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_without_telling_any(bad: float) -> None:
    rows = np.full((4, D), 31.25)
    rows[2, 5] = bad
    with pytest.raises(NotFinite) as refusal:
        LocalRows(rows, ["a", "b", "c", "d"])
    assert refusal.value.reason == "not_finite"
    assert not any(character.isdigit() for character in str(refusal.value))


def test_a_site_that_falls_out_after_the_first_round_stops_the_job() -> None:
    sites, job = drawn(UNEQUAL), GaussianJob(D)
    totals = [add(job, [], sites)]
    totals.append(add(job, totals, sites[1:]))
    with pytest.raises(CohortChanged):
        job.finished(totals)
    with pytest.raises(CohortChanged):
        job.result(totals)


def test_another_site_of_the_same_size_does_not_pass_for_one_that_fell_out() -> None:
    sites, job = drawn((20, 20, 20)), GaussianJob(D)
    stranger = drawn((20,), seed=5)[0]
    totals = [add(job, [], sites)]
    totals.append(add(job, totals, [*sites[1:], stranger]))
    with pytest.raises(CohortChanged):
        job.result(totals)


def test_data_that_changed_between_rounds_stop_the_job() -> None:
    sites, job = drawn((20, 20, 20)), GaussianJob(D)
    totals = [add(job, [], sites)]
    sites[0].rows[4, 4] += 1e-9
    totals.append(add(job, totals, sites))
    with pytest.raises(CohortChanged):
        job.result(totals)


def test_no_second_round_over_fewer_patients_than_may_be_released() -> None:
    sites, job = drawn((6, 6)), GaussianJob(D)
    totals = [add(job, [], sites)]
    with pytest.raises(TooFewPatients):
        site_vector(job, totals, sites[0])


def test_rows_of_another_length_and_missing_patients_are_refused() -> None:
    with pytest.raises(WrongShape):
        site_vector(GaussianJob(D + 1), [], drawn((4,))[0])
    with pytest.raises(WrongShape):
        LocalRows(np.zeros((2, 3)), ["a"])
    with pytest.raises(WrongShape):
        GaussianJob(3, unit=[1.0, 0.0, 1.0])


def test_a_site_unlike_the_totals_is_refused_before_it_sends() -> None:
    sites, job = drawn((20, 20, 20)), GaussianJob(D)
    totals = [add(job, [], sites)]
    far = LocalRows(sites[0].rows * 100, sites[0].patients)
    with pytest.raises(OutOfBounds):
        site_vector(job, totals, far)


def test_every_vector_keeps_its_stated_bounds_and_fits_the_words_of_a_secure_sum() -> None:
    sites, job = drawn(UNEQUAL), GaussianJob(D, check_weight=True)
    totals: list[np.ndarray] = []
    while not job.finished(totals):
        bounds = job.bounds(totals)
        for site in sites:
            vector = site_vector(job, totals, site)
            assert np.abs(vector).max() <= bounds.largest
            assert np.linalg.norm(vector) <= bounds.norm
        assert len(sites) * bounds.largest / bounds.step <= 2.0**62  # the room that shared.secure_sum leaves
        totals.append(add(job, totals, sites))
    assert np.abs(totals[1][4:]).max() <= 1 + 1e-6


def test_triangle_there_and_back() -> None:
    matrix = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]])
    assert upper_triangle(matrix).tolist() == [1, 2, 3, 4, 5, 6]
    assert np.array_equal(from_upper_triangle(upper_triangle(matrix), 3), matrix)
