"""Which cohorts' sums were released, so that no two of one quantity give a site away by subtraction.

The rule itself is `shared.secure_sum.cohorts`; the sites hold to it as well, each from the sums that it took part in.
Only the server knows all of them.
"""

from collections.abc import Collection

from shared.secure_sum.cohorts import Cohort, check_cohort


class ReleasedCohorts:
    """The cohorts of all released sums, by quantity.

    Args:
        earlier: those released before this program started.
    """

    def __init__(self, earlier: Collection[tuple[str, Collection[str]]] = ()) -> None:
        self._cohorts: dict[str, list[Cohort]] = {}
        for quantity, cohort in earlier:
            self._cohorts.setdefault(quantity, []).append(frozenset(cohort))

    def check(self, quantity: str, cohort: Collection[str]) -> None:
        """See that a sum over this cohort may be released.

        Raises:
            CohortTooSmall: it holds fewer than 3 sites.
            CohortTooClose: with the earlier ones it would give one or two sites away.
        """
        check_cohort(self._cohorts.get(quantity, ()), cohort)

    def record(self, quantity: str, cohort: Collection[str]) -> None:
        """Check, and remember the cohort as released. The sites count an attempt as a release, so a retry counts too.

        Raises:
            CohortTooSmall, CohortTooClose: as `check`; then nothing is remembered.
        """
        self.check(quantity, cohort)
        self._cohorts.setdefault(quantity, []).append(frozenset(cohort))
