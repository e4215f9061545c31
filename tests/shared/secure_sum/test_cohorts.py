"""Which sums, together, give one or two sites away; against a search over small weights."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.secure_sum.cohorts import check_cohort, exposed_sites
from shared.secure_sum.errors import CohortTooClose, CohortTooSmall


@pytest.mark.parametrize(
    ("earlier", "cohort"),
    [
        ([], "abc"),
        (["abc"], "abc"),
        (["abc"], "def"),
        (["abcdef"], "abc"),
        (["abcd"], "abef"),  # differ by c, d, e, f
        (["abcdef", "abcghi"], "abcdef"),
    ],
)
def test_equal_cohorts_and_those_that_differ_by_three_are_released(earlier, cohort):
    check_cohort(earlier, cohort)


@pytest.mark.parametrize(
    ("earlier", "cohort", "named"),
    [
        (["abc"], "abcd", "'d'"),
        (["abcd"], "abc", "'d'"),
        (["abcde"], "abc", "'d' and 'e'"),
        (["abcd"], "abce", "'d' and 'e'"),
    ],
)
def test_cohorts_that_differ_by_one_or_two_are_refused(earlier, cohort, named):
    with pytest.raises(CohortTooClose, match=named):
        check_cohort(earlier, cohort)


def test_three_cohorts_that_pass_pair_by_pair_are_refused_together():
    """abcdefg - abc - def leaves g, though each pair differs by at least 4."""
    for left, right in (("abc", "def"), ("abc", "abcdefg"), ("def", "abcdefg")):
        check_cohort([left], right)
    with pytest.raises(CohortTooClose, match="'g'"):
        check_cohort(["abc", "def"], "abcdefg")


def test_two_sites_are_no_cohort():
    with pytest.raises(CohortTooSmall):
        check_cohort([], ["a", "b", "b"])


COHORTS = st.lists(st.frozensets(st.sampled_from("abcdefg"), min_size=3), min_size=1, max_size=3)


@settings(max_examples=150, deadline=None)
@given(COHORTS)
def test_agrees_with_a_search_over_ranks(cohorts):
    """Some weighted sum is left with i and j alone if and only if the rank falls when both columns are struck."""
    sites = sorted(frozenset().union(*cohorts))
    matrix = np.array([[site in cohort for site in sites] for cohort in cohorts], dtype=float)
    rank = np.linalg.matrix_rank(matrix)
    found = any(
        np.linalg.matrix_rank(np.delete(matrix, [i, j], axis=1)) < rank for i, j in product(range(len(sites)), repeat=2)
    )
    assert bool(exposed_sites(cohorts)) == found


@given(st.frozensets(st.sampled_from("abcdefgh"), min_size=3), st.frozensets(st.sampled_from("abcdefgh"), min_size=3))
def test_two_cohorts_follow_the_pair_rule(one, other):
    assert bool(exposed_sites([one, other])) == (0 < len(one ^ other) < 3)
