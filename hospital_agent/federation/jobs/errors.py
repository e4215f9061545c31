"""Why a federated job is refused, at a site before anything is sent or by whoever reads the totals.

MonitoringError
└── JobRefused             carries `reason`, a slug that may be counted and sent
    ├── NotFinite          a site's data hold values that are not finite numbers
    ├── WrongShape         data or a total of another shape than the job's
    ├── OutOfBounds        a site's vector is larger than the job allows: adding it could overflow or drown the others
    ├── TooFewPatients     the totals of all sites stand on fewer distinct patients than may be released
    ├── CohortChanged      a later round was answered by other sites, or with other data, than the first
    └── NotConverged       the rounds are used up

A message says the rule that was broken; it never holds a value of the data.
"""

from typing import ClassVar

from shared.errors import MonitoringError


class JobRefused(MonitoringError, ValueError):
    """A federated job cannot go on. `reason` is a fixed slug; the message is for people."""

    reason: ClassVar[str] = "refused"


class NotFinite(JobRefused):
    """The data of a site hold NaN or an infinity; undefined values are left out or filled before a job sees them."""

    reason = "not_finite"


class WrongShape(JobRefused):
    """Data or a total of another shape than the job's."""

    reason = "wrong_shape"


class OutOfBounds(JobRefused):
    """A vector with an entry, or a length, beyond what the job allows."""

    reason = "out_of_bounds"


class TooFewPatients(JobRefused):
    """All sites together have fewer distinct patients than a release needs."""

    reason = "too_few_patients"


class CohortChanged(JobRefused):
    """Another cohort than that of the first round; the job begins again, with a new first round."""

    reason = "cohort_changed"


class NotConverged(JobRefused):
    """The job has used all its rounds and is not at its end."""

    reason = "not_converged"
