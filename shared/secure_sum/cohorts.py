"""When two sums of one quantity would give a site away by subtraction.

The sum over sites A, B, C, D minus the sum over A, B, C is the number of D. Two sums are therefore released only if
their cohorts are equal or differ by at least 3 sites. Looking at pairs alone is not enough: {A, B, C}, {D, E, F} and
{A, ..., G} differ by 4 and more, and the third minus the other two is the number of G. So the rule here is about all
of them together: no weighted sum of the released sums may be left with one or two sites.

For two cohorts both say the same. The rule takes the quantity of a site as unchanged between the sums, which is the
worst case: a quantity of another time span gets another name.
"""

from collections.abc import Collection, Iterable
from fractions import Fraction

from shared.secure_sum.errors import CohortTooClose, CohortTooSmall

SMALLEST_COHORT = 3
Cohort = frozenset[str]


def check_cohort(earlier: Iterable[Collection[str]], cohort: Collection[str]) -> None:
    """See that a sum over `cohort` may be released beside the `earlier` ones of the same quantity.

    Raises:
        CohortTooSmall: it holds fewer than 3 sites.
        CohortTooClose: together they would give the numbers of one or two sites away; names them.

    Example:
        >>> check_cohort([{"a", "b", "c", "d", "e", "f"}], {"a", "b", "c"})
        >>> check_cohort([{"a", "b", "c", "d"}], {"a", "b", "c"})
        Traceback (most recent call last):
        shared.secure_sum.errors.CohortTooClose: With the sums released before, this one would give 'd' away.
    """
    if len(set(cohort)) < SMALLEST_COHORT:
        raise CohortTooSmall(f"A sum needs at least {SMALLEST_COHORT} contributing sites.")
    found = exposed_sites([*earlier, cohort])
    if found:
        named = " and ".join(f"'{site}'" for site in found)
        raise CohortTooClose(f"With the sums released before, this one would give {named} away.")


def exposed_sites(cohorts: Iterable[Collection[str]]) -> tuple[str, ...]:
    """One or two sites that some weighted sum of the cohorts' sums is left with; () where there are none.

    A weighted sum that is left with sites i and j alone exists exactly if, in the null space of the cohort matrix, the
    rows of i and j are parallel (or one of them is zero: that site alone). Exact arithmetic.
    """
    distinct = sorted({frozenset(cohort) for cohort in cohorts}, key=sorted)
    sites = sorted(frozenset().union(*distinct))
    seen: dict[tuple[Fraction, ...], str] = {}
    for site, row in zip(
        sites, _null_space([[Fraction(site in one) for site in sites] for one in distinct]), strict=True
    ):
        first = next((value for value in row if value), None)
        if first is None:
            return (site,)
        direction = tuple(value / first for value in row)
        if direction in seen:
            return seen[direction], site
        seen[direction] = site
    return ()


def _null_space(matrix: list[list[Fraction]]) -> list[list[Fraction]]:
    """(columns, columns - rank): a basis of the null space in its columns, by Gauss and Jordan."""
    width = len(matrix[0]) if matrix else 0
    pivots: list[int] = []
    rows = [list(row) for row in matrix]
    for column in range(width):
        place = next((i for i in range(len(pivots), len(rows)) if rows[i][column]), None)
        if place is None:
            continue
        top = len(pivots)
        rows[top], rows[place] = rows[place], rows[top]
        rows[top] = [value / rows[top][column] for value in rows[top]]
        for i, row in enumerate(rows):
            if i != top and row[column]:
                rows[i] = [value - row[column] * pivot for value, pivot in zip(row, rows[top], strict=True)]
        pivots.append(column)
    free = [column for column in range(width) if column not in pivots]
    where = {column: i for i, column in enumerate(pivots)}
    return [
        [-rows[where[column]][other] if column in where else Fraction(column == other) for other in free]
        for column in range(width)
    ]
