"""The federated conformal threshold beside the pooled one, and what it covers."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.quality.calibration import conformal_quantile
from hospital_agent.federation.jobs.conformal import ConformalJob, LocalNonconformity
from hospital_agent.federation.jobs.errors import CohortChanged, NotFinite, TooFewPatients, WrongShape
from hospital_agent.federation.jobs.rehearsal import add, rehearse
from hospital_agent.reporting.privacy import Policy
from shared.quantities import linear_cuts

CUTS = linear_cuts(0.0, 3.2)  # 0.1 apart
K5 = Policy(k=5, version="test")


def drawn(sizes: Sequence[int], seed: int = 0, stretch: float = 0.0) -> list[LocalNonconformity]:
    """Sites with scores in [0, 1); `stretch` makes each site's larger than those of the one before."""
    random = np.random.default_rng(seed)
    return [
        LocalNonconformity(
            (random.uniform(0, 1, size) * (1 + stretch * site)).tolist(), [f"{site}-{i}" for i in range(size)], K5
        )
        for site, size in enumerate(sizes)
    ]


def site_of_scores(scores: np.ndarray) -> LocalNonconformity:
    return LocalNonconformity(scores.tolist(), [str(i) for i in range(len(scores))], Policy(k=1, version="test"))


def pooled(sites: Sequence[LocalNonconformity]) -> tuple[np.ndarray, list[str]]:
    return np.concatenate([s.scores for s in sites]), [name for s in sites for name in s.patients]


@pytest.mark.parametrize(("sizes", "width"), [((200, 40, 60), 0.1), ((60, 20), 0.2), ((20, 10, 6), 0.4)])
def test_the_pooled_threshold_up_to_one_bin_never_below(sizes: Sequence[int], width: float) -> None:
    sites = drawn(sizes)
    found = rehearse(ConformalJob(CUTS, 0.9), sites).result
    exact = conformal_quantile(*pooled(sites), 0.9)
    assert exact is not None
    assert found.threshold is not None
    assert exact <= found.threshold <= exact + width + 1e-12
    assert found.histogram.resolution == round(32 * 0.1 / width)
    assert found.cohort.patients == sum(sizes)


def test_level_is_kept_for_a_new_patient_of_the_mixture() -> None:
    random, covered = np.random.default_rng(1), []
    for _ in range(150):
        site_of = random.choice(3, size=61, p=[0.6, 0.3, 0.1])
        scores = random.uniform(0, 1, 61) * (1 + site_of)
        sites = [site_of_scores(scores[:60][site_of[:60] == i]) for i in range(3)]
        threshold = rehearse(ConformalJob(CUTS, 0.8), sites).result.threshold
        assert threshold is not None
        covered.append(scores[60] <= threshold)
    assert np.mean(covered) >= 0.8 - 2 * np.sqrt(0.8 * 0.2 / len(covered))


def test_each_site_sees_its_own_coverage_and_a_worse_site_is_told() -> None:
    sites = drawn((150, 30), stretch=1.5)
    found = rehearse(ConformalJob(CUTS, 0.9), sites).result
    easy, hard = (found.coverage_at(one) for one in sites)
    assert easy is not None
    assert hard is not None
    assert easy.estimate > 0.9 > hard.high
    inside = np.mean(np.array(sites[1].scores) <= found.threshold)
    assert hard.estimate == pytest.approx(inside)
    assert found.coverage_at(LocalNonconformity([], [], K5)) is None


def test_sites_below_k_give_zeros_and_are_counted() -> None:
    sites = drawn((40, 4, 1, 0))
    whole = rehearse(ConformalJob(CUTS, 0.9), sites).result
    alone = rehearse(ConformalJob(CUTS, 0.9), sites[:1]).result
    assert whole.sites_suppressed == 2
    assert (whole.cohort, whole.histogram) == (alone.cohort, alone.histogram)
    with pytest.raises(TooFewPatients):
        rehearse(ConformalJob(CUTS, 0.9), sites[1:])


@pytest.mark.parametrize(("patients", "level", "known"), [(8, 0.9, False), (9, 0.9, True), (18, 0.95, False)])
def test_no_threshold_where_the_level_cannot_be_promised(patients: int, level: float, known: bool) -> None:
    found = rehearse(ConformalJob(CUTS, level), drawn((patients,))).result
    assert (found.threshold is not None) == known


def test_no_threshold_in_the_open_last_bin() -> None:
    site = LocalNonconformity([99.0] * 20, [str(i) for i in range(20)], K5)
    assert rehearse(ConformalJob(CUTS, 0.9), [site]).result.threshold is None


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(4)))
def test_order_of_sites_changes_nothing(order: list[int]) -> None:
    sites = drawn((30, 7, 60, 12))
    assert (
        rehearse(ConformalJob(CUTS, 0.9), sites).result
        == rehearse(ConformalJob(CUTS, 0.9), [sites[i] for i in order]).result
    )


def test_a_site_that_falls_out_stops_the_job() -> None:
    sites, job = drawn((30, 30, 30)), ConformalJob(CUTS, 0.9)
    totals = [add(job, [], sites)]
    totals.append(add(job, totals, sites[1:]))
    with pytest.raises(CohortChanged):
        job.result(totals)


def test_refusals() -> None:
    with pytest.raises(NotFinite) as refusal:
        LocalNonconformity([0.25, float("nan")], ["a", "b"], K5)
    assert "0.25" not in str(refusal.value)
    with pytest.raises(WrongShape, match="one score a patient"):
        LocalNonconformity([0.1, 0.2], ["a", "a"], K5)
    with pytest.raises(WrongShape):
        ConformalJob(CUTS, 1.0)
