"""Every registered job through the fixed point of the secure sum: the totals are bit for bit those of the rehearsal."""

from typing import Any

import numpy as np
import pytest

import hospital_agent.federation.jobs as package
from hospital_agent.federation.jobs import FederatedJob, federated_jobs, job_result, site_vector
from hospital_agent.federation.jobs.averaging import AveragingJob
from hospital_agent.federation.jobs.conformal import ConformalJob, LocalNonconformity
from hospital_agent.federation.jobs.gaussian import GaussianJob
from hospital_agent.federation.jobs.histograms import HistogramsJob, WindowOfSite
from hospital_agent.federation.jobs.logistic import LocalCases, LogisticJob
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.jobs.rows import LocalRows
from hospital_agent.federation.jobs.sketched_gaussian import SketchedGaussianJob
from hospital_agent.federation.jobs.spectral import LocalGrams, SpectralJob
from hospital_agent.reporting.aggregate import CountedCase, tally
from hospital_agent.reporting.privacy import Policy
from shared.quantities import Quantity, linear_cuts
from shared.secure_sum.encoding import Part, decode, encode
from tests.federated_training import Downhill

SIZES = (30, 7, 2, 18)
POLICY = Policy(k=5, version="test")
SCORE = Quantity("score", "", "neither", 0.0, 1.0, 1, linear_cuts(0, 1), "Score")


def runs() -> dict[str, tuple[FederatedJob[Any, Any], list[Any]]]:
    """Each job with four unequal sites, the third of which lies below k."""
    random = np.random.default_rng(0)
    names = [[f"{site}-{i}" for i in range(size)] for site, size in enumerate(SIZES)]
    tables = [random.standard_normal((size, 4)) + site for site, size in enumerate(SIZES)]
    scores = [random.uniform(0, 1, size) for size in SIZES]
    rows = [LocalRows(*one) for one in zip(tables, names, strict=True)]
    grams = [np.einsum("ni,nj->nij", table, table) + np.eye(4) for table in tables]
    pairs = [list(zip(*one, strict=True)) for one in zip(names, scores, strict=True)]
    cases = [[CountedCase(patient, {"score": score}, {}) for patient, score in one] for one in pairs]
    return {
        "averaging": (AveragingJob(np.zeros(2), rounds=2), [Downhill([site, 1.0], n) for site, n in enumerate(SIZES)]),
        "gaussian": (GaussianJob(4, check_weight=True), rows),
        "sketched_gaussian": (SketchedGaussianJob(4, 2), rows),
        "spectral": (SpectralJob(4), [LocalGrams(*one) for one in zip(grams, names, strict=True)]),
        "logistic": (LogisticJob(4), [LocalCases(*one) for one in zip(tables, scores, names, strict=True)]),
        "conformal": (
            ConformalJob(SCORE.cuts, 0.9),
            [LocalNonconformity(s.tolist(), n, POLICY) for s, n in zip(scores, names, strict=True)],
        ),
        "histograms": (HistogramsJob([SCORE]), [WindowOfSite(tally(one, [SCORE], ()), (), POLICY) for one in cases]),
    }  # fmt: skip


@pytest.mark.parametrize("name", federated_jobs.load(package.__name__).names())
def test_totals_survive_the_fixed_point_of_the_secure_sum(name: str) -> None:
    job, sites = runs()[name]
    totals: list[np.ndarray] = []
    while not job.finished(totals):
        bounds = job.bounds(totals)
        part = Part(
            name="vector",
            length=job.size(totals),
            fraction_bits=round(-np.log2(bounds.step)),
            limit=float(bounds.largest),
            norm_limit=float(bounds.norm),
        )
        assert 2.0**-part.fraction_bits == bounds.step
        ring = np.zeros(part.length, dtype=np.uint64)
        for site in sites:
            ring += encode([part], {"vector": site_vector(job, totals, site)})
        totals.append(decode([part], ring, len(sites))["vector"])
    rehearsed = rehearse(job, sites)
    assert len(totals) == len(rehearsed.totals)
    for found, expected in zip(totals, rehearsed.totals, strict=True):
        assert np.array_equal(found, expected)
    assert type(job_result(job, totals)) is type(rehearsed.result)
