"""The federated mean spectrum beside the singular values of all maps laid under each other."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.ood.spectrum import gram_of, invariant_signature, singular_values
from hospital_agent.federation.jobs.errors import CohortChanged, NotFinite, OutOfBounds, TooFewPatients, WrongShape
from hospital_agent.federation.jobs.rehearsal import add, rehearse
from hospital_agent.federation.jobs.spectral import LocalGrams, SpectralJob

C = 5
SIZES = (6, 1, 9)


def maps(sizes: Sequence[int] = SIZES, scale: float = 1.0) -> list[list[np.ndarray]]:
    """Feature maps of different numbers of voxels, sites one after the other."""
    random = np.random.default_rng(0)
    return [
        [random.standard_normal((30 + 7 * case, C)) * np.geomspace(1, 0.1, C) * scale for case in range(size)]
        for size in sizes
    ]


def sites_of(drawn: Sequence[Sequence[np.ndarray]]) -> list[LocalGrams]:
    return [
        LocalGrams(
            np.array([gram_of(one) for one in cases]).reshape(-1, C, C), [f"{i}-{j // 2}" for j in range(len(cases))]
        )
        for i, cases in enumerate(drawn)
    ]


def test_signature_is_that_of_all_normalised_maps_laid_under_each_other() -> None:
    drawn = maps()
    found = rehearse(SpectralJob(C), sites_of(drawn)).result
    under = np.vstack([one / np.linalg.norm(one) for cases in drawn for one in cases])
    assert found.signature == pytest.approx(invariant_signature(np.linalg.svd(under, compute_uv=False)), abs=1e-9)
    assert np.trace(found.gram) == pytest.approx(1)
    assert (found.cohort.sites, found.cohort.rows, found.cohort.patients) == (3, 16, 9)


def test_threshold_is_mean_and_spread_of_the_distances_of_all_cases() -> None:
    drawn = maps()
    found = rehearse(SpectralJob(C), sites_of(drawn)).result
    values = np.array([singular_values(one) for cases in drawn for one in cases])
    distances = np.linalg.norm(invariant_signature(values) - found.signature, axis=1)
    assert found.distances(values) == pytest.approx(distances)
    assert found.threshold == pytest.approx(distances.mean() + 2.5 * distances.std(ddof=1), rel=1e-8)


def test_brighter_images_and_copied_voxels_change_nothing() -> None:
    plain = rehearse(SpectralJob(C), sites_of(maps())).result
    brighter = rehearse(SpectralJob(C), sites_of(maps(scale=1e4))).result
    doubled = [[np.vstack([one, one]) for one in cases] for cases in maps()]
    for other in (brighter, rehearse(SpectralJob(C), sites_of(doubled)).result):
        assert other.signature == pytest.approx(plain.signature, abs=1e-8)
        assert other.threshold == pytest.approx(plain.threshold, abs=1e-8)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(3)))
def test_order_of_sites_changes_nothing(order: list[int]) -> None:
    sites = sites_of(maps())
    first = rehearse(SpectralJob(C), sites).totals
    for a, b in zip(first, rehearse(SpectralJob(C), [sites[i] for i in order]).totals, strict=True):
        assert np.array_equal(a, b)


def test_an_empty_site_adds_nothing() -> None:
    sites = sites_of(maps())
    with_empty = [*sites, LocalGrams(np.zeros((0, C, C)), [])]
    whole, found = (rehearse(SpectralJob(C), some).result for some in (sites, with_empty))
    assert np.array_equal(whole.signature, found.signature)
    assert whole.cohort == found.cohort


def test_vectors_fit_the_words_of_a_secure_sum() -> None:
    job = SpectralJob(C)
    for totals in ([], [add(job, [], sites_of(maps()))]):
        bounds = job.bounds(totals)
        assert 64 * bounds.largest / bounds.step <= 2.0**62


def test_a_site_that_falls_out_stops_the_job() -> None:
    sites, job = sites_of(maps()), SpectralJob(C)
    totals = [add(job, [], sites)]
    totals.append(add(job, totals, sites[1:]))
    with pytest.raises(CohortChanged):
        job.result(totals)


def test_refusals() -> None:
    with pytest.raises(NotFinite):
        LocalGrams(np.full((1, C, C), np.nan), ["a"])
    with pytest.raises(OutOfBounds):
        LocalGrams(np.zeros((1, C, C)), ["a"])
    with pytest.raises(WrongShape):
        rehearse(SpectralJob(C + 1), sites_of(maps()))
    with pytest.raises(TooFewPatients):
        rehearse(SpectralJob(C), sites_of(maps((4, 2))))
