"""A federated job over real secure sums comes to the same as with the sums in plain sight."""

import secrets

import numpy as np

from hospital_agent.federation.jobs import site_vector
from hospital_agent.federation.jobs.gaussian import GaussianJob
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.jobs.rows import LocalRows
from shared.secure_sum.encoding import Part
from shared.secure_sum.messages import Terms, lowest_threshold
from tests.secure_sums import Session, Sites


def secure_total(sites, job, totals, data):
    """The total of the job's next round, its vector as one part."""
    bounds = job.bounds(totals)
    part = Part.of_step("round", job.size(totals), bounds.step, bounds.largest, bounds.norm)
    terms = Terms(
        session=secrets.token_bytes(16), round_number=len(totals), quantity="gaussian/2026-11", cohort=sites.names,
        threshold=lowest_threshold(len(sites.names)), parts=(part,),
    )  # fmt: skip
    vectors = {name: {"round": site_vector(job, totals, data[name])} for name in sites.names}
    return Session(sites, terms).run(vectors).vectors["round"]


def test_a_gaussian_over_secure_sums_is_the_gaussian_over_plain_ones():
    random = np.random.default_rng(0)
    sites = Sites(3)
    data = {
        name: LocalRows(random.standard_normal((rows, 4)) + rows / 50, [f"{name}-{i}" for i in range(rows)])
        for name, rows in zip(sites.names, (30, 12, 21), strict=True)
    }
    job = GaussianJob(4)
    totals = []
    while not job.finished(totals):
        totals.append(secure_total(sites, job, totals, data))
    found, plain = job.result(totals), rehearse(job, list(data.values())).result
    np.testing.assert_allclose(found.moments.mean, plain.moments.mean, rtol=1e-12)
    np.testing.assert_allclose(found.moments.covariance(), plain.moments.covariance(), rtol=1e-11, atol=1e-12)
