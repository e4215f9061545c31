"""Who takes part: the four numbers with which every vector begins, and the rule that all rounds have one cohort.

A job is computed over the sites of its first round. If a site falls out, the job begins again: the totals of two
different cohorts could be subtracted, and the difference would show the data of the site that fell out. The vector of
a later round therefore begins with the site's *shares* of the first round's heading. The shares add to 1 exactly when
the same sites answer with the same data; one of the four is a fingerprint of the site's first vector, so that another
site of the same size, or a site whose data have changed, does not pass for it.

The job's check names what happened. That a sum over a smaller cohort is never opened is the business of the secure sum.
"""

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from hospital_agent.federation.jobs import Float64Array
from hospital_agent.federation.jobs.errors import CohortChanged, TooFewPatients, WrongShape

HEADING = 4
FINGERPRINTS = 1 << 19  # a fingerprint is at least this and less than twice this: no site weighs nothing
TOLERANCE = 1e-6  # of the shares: rounding stays far below, another cohort far above (but for 1 in 10,000 swaps)
MOST_ROWS = 1 << 20  # of one site
FEWEST_PATIENTS = 5  # all sites together, unless a job is made with another number


@dataclass(frozen=True)
class Cohort:
    """What the first round says of everybody together: counts of sites with data, rows and distinct patients.

    A patient who was examined at two sites counts twice: nobody can know it.
    """

    sites: int
    rows: int
    patients: int

    @classmethod
    def of(cls, total: Float64Array) -> "Cohort":
        """From the total of the first round."""
        sites, rows, patients, _ = np.round(total[:HEADING]).astype(int).tolist()
        return cls(sites, rows, patients)

    def checked(self, fewest_patients: int) -> "Cohort":
        """Itself.

        Raises:
            TooFewPatients: the totals stand on too few patients to go on.
        """
        if self.patients < max(fewest_patients, 1):
            raise TooFewPatients("All sites together have fewer patients than the totals of a job must stand on.")
        return self


def patient_count(patients: Sequence[Hashable], rows: int) -> int:
    """How many distinct patients.

    Raises:
        WrongShape: not one patient a row.
    """
    if len(patients) != rows:
        raise WrongShape("A federated job needs the patient of each row.")
    return len(set(patients))


def opening(rows: int, patients: int, payload: Float64Array) -> Float64Array:
    """The vector of the first round: heading, then payload. Zeros where the site has no row.

    The fingerprint is one of 2^19 numbers, so nothing can be read from it; payloads must be computed the same way
    each time, to the last bit (sums of numpy, not products of matrices, whose order depends on threads).
    """
    if rows == 0:
        return np.zeros(HEADING + payload.size)
    digest = hashlib.sha256(np.ascontiguousarray(payload + 0.0).tobytes()).digest()
    fingerprint = FINGERPRINTS + int.from_bytes(digest[:8], "big") % FINGERPRINTS
    return np.concatenate([np.array([1, rows, patients, fingerprint], dtype=np.float64), payload])


def shares(own_opening: Float64Array, first_total: Float64Array) -> Float64Array:
    """(4,) the site's shares of the first round's heading."""
    part: Float64Array = own_opening[:HEADING] / np.maximum(first_total[:HEADING], 1.0)
    return part


def check_same_cohort(totals: Sequence[Float64Array]) -> None:
    """That all later rounds were answered by the cohort of the first.

    Raises:
        CohortChanged: they were not.
    """
    if any(np.abs(total[:HEADING] - 1.0).max() > TOLERANCE for total in totals[1:]):
        raise CohortChanged("A later round was answered by other sites, or with other data, than the first one.")
