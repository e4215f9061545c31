"""Federated jobs: what several sites compute together when the centre can do nothing but add.

A job is a short sequence of rounds. In each, every site computes one float64 vector from its own data and from the
*totals* of the earlier rounds; the centre adds the vectors, through a sum that hides the single ones. Everything a job
needs is inside the vector, counts included. At the end whoever holds the totals turns them into the result.

Nothing here knows of a network: a transport calls `site_vector` at a site and `job_result` wherever the totals are,
and `rehearsal.rehearse` runs a job with all sites in one process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hospital_agent.federation.jobs.errors import NotFinite, OutOfBounds, WrongShape
from shared.registry import Registry

Float64Array = NDArray[np.float64]
Totals = Sequence[Float64Array]

L = TypeVar("L")
R = TypeVar("R")
Local_contra = TypeVar("Local_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True)
class Bounds:
    """How large one site's vector of a round can be, and how finely it must be kept.

    Args:
        largest: no entry of a site's vector is larger in size.
        norm: neither is its Euclidean length.
        step: the fixed-point step at which the job keeps the accuracy that it states. A sum of that many sites needs
            words of log2(2 sites largest / step) bits (`word_bits`).
    """

    largest: float
    norm: float
    step: float

    def word_bits(self, sites: int) -> int:
        """Bits of a signed fixed-point word that the sum over so many sites cannot overflow."""
        return int(np.ceil(np.log2(2 * sites * self.largest / self.step + 1)))


class FederatedJob(Protocol[Local_contra, Result_co]):
    """Something that sites compute together by adding vectors. The round is the number of totals known so far.

    A job holds nothing but its public settings: every method is a function of its arguments, so that all sites and
    the centre come to the same.
    """

    @property
    def most_rounds(self) -> int:
        """The job is over after so many rounds at the latest."""
        ...

    def finished(self, totals: Totals) -> bool:
        """Whether the totals suffice for `result`.

        Raises:
            JobRefused: the totals cannot be gone on with (other cohort, too few patients, not converged).
        """
        ...

    def size(self, totals: Totals) -> int:
        """How many numbers the vector of the next round has; the same at every site."""
        ...

    def bounds(self, totals: Totals) -> Bounds:
        """How large the vector of the next round can be at any one site."""
        ...

    def contribution(self, totals: Totals, data: Local_contra) -> Float64Array:
        """(size,) one site's vector of the next round. A site without data answers zeros, and is not counted.

        Raises:
            JobRefused: the site must not or cannot take part; by name, and without any value in the message.
        """
        ...

    def result(self, totals: Totals) -> Result_co:
        """What the totals of all rounds say.

        Raises:
            JobRefused: they say nothing.
        """
        ...


federated_jobs: Registry[type[FederatedJob[Any, Any]]] = Registry("federated job")


def site_vector(job: FederatedJob[L, Any], totals: Totals, data: L) -> Float64Array:
    """One site's vector of the next round, checked against the job's bounds before anything masks or sends it.

    Raises:
        JobRefused: the site does not take part; the sentence says why, without a value.
    """
    check_totals(job, totals)
    vector = job.contribution(totals, data)
    bounds = job.bounds(totals)
    if vector.shape != (job.size(totals),):
        raise WrongShape(f"Round {len(totals) + 1} takes {job.size(totals)} numbers.")
    if not np.isfinite(vector).all():
        raise NotFinite("A vector for a federated sum holds numbers that are not finite.")
    if vector.size and (np.abs(vector).max() > bounds.largest or np.linalg.norm(vector) > bounds.norm):
        raise OutOfBounds("A vector for a federated sum is larger than its job allows.")
    return vector


def job_result(job: FederatedJob[Any, R], totals: Totals) -> R:
    """What the totals of all rounds say, whoever sent them.

    Raises:
        JobRefused: they say nothing, or are not those of this job.
    """
    check_totals(job, totals)
    return job.result(totals)


def check_totals(job: FederatedJob[Any, Any], totals: Totals) -> None:
    """That totals which came from elsewhere can be those of this job.

    Raises:
        WrongShape: one has another length than the round gives.
        NotFinite: one holds NaN or an infinity.
    """
    for number, total in enumerate(totals):
        if total.shape != (job.size(totals[:number]),):
            raise WrongShape(f"The total of round {number + 1} does not have the length that this job gives it.")
        if not np.isfinite(total).all():
            raise NotFinite(f"The total of round {number + 1} holds numbers that are not finite.")
