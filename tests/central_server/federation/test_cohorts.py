"""The server's memory of released cohorts."""

import pytest

from central_server.federation.cohorts import ReleasedCohorts
from shared.secure_sum.errors import CohortTooClose


def test_a_released_cohort_stands_in_the_way_of_close_ones_of_its_quantity_only():
    released = ReleasedCohorts()
    released.record("moments", {"a", "b", "c", "d"})
    released.check("moments", {"a", "b", "c", "d"})
    released.check("other moments", {"a", "b", "c"})
    with pytest.raises(CohortTooClose):
        released.check("moments", {"a", "b", "c"})


def test_a_refused_cohort_is_not_remembered():
    released = ReleasedCohorts([("moments", {"a", "b", "c", "d"})])
    with pytest.raises(CohortTooClose):
        released.record("moments", {"a", "b", "c"})
    released.check("moments", {"a", "b", "c", "d"})
    # Had {a, b, c} counted, this cohort would be too close to it, and to {a, b, c, d} as well.
    released.check("moments", {"a", "b", "c", "e", "f", "g"})
