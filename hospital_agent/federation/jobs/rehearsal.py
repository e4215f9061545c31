"""A job with all its sites in one process and the sums in plain sight: for tests, benchmarks and for explaining."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from hospital_agent.federation.jobs import FederatedJob, Float64Array, Totals, job_result, site_vector

L = TypeVar("L")
R = TypeVar("R")


@dataclass(frozen=True)
class Rehearsal(Generic[R]):
    """What a job came to, and what each site would have sent.

    Args:
        result: of the job.
        totals: of its rounds.
        sizes: numbers in one site's vector, round by round.
    """

    result: R
    totals: tuple[Float64Array, ...]
    sizes: tuple[int, ...]


def add(job: FederatedJob[L, R], totals: Totals, sites: Sequence[L], step: float | None = None) -> Float64Array:
    """The total of the next round.

    Args:
        step: each site's numbers are rounded to multiples of it, as a sum in whole numbers would; None takes the
            job's own, 0 none at all.
    """
    used = job.bounds(totals).step if step is None else step
    total = np.zeros(job.size(totals))
    for data in sites:
        vector = site_vector(job, totals, data)
        total += np.round(vector / used) * used if used else vector
    return total


def rehearse(job: FederatedJob[L, R], sites: Sequence[L], step: float | None = None) -> Rehearsal[R]:
    """All rounds of a job.

    Args:
        step: as for `add`.

    Raises:
        JobRefused: a site refuses, or the totals cannot be gone on with.
    """
    totals: list[Float64Array] = []
    while not job.finished(totals):
        totals.append(add(job, totals, sites, step))
    return Rehearsal(job_result(job, totals), tuple(totals), tuple(total.size for total in totals))
