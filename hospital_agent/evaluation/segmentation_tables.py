"""Tables of the segmentations themselves: how good they are, as they are and under each shift."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from hospital_agent.evaluation.cases import by_seed, families_of, is_failed, strengths_of
from hospital_agent.evaluation.markdown import UNDEFINED, readable, table
from hospital_agent.evaluation.rows import UNSHIFTED, Condition, Scored

QUALITIES: tuple[tuple[str, int, Callable[[Scored], float | None]], ...] = (
    ("DSC", 3, lambda row: row.dice),
    ("HD95 (mm)", 1, lambda row: row.hd95_mm),
    ("ASSD (mm)", 2, lambda row: row.assd_mm),
    ("ECE", 3, lambda row: row.ece),
    ("MCE", 3, lambda row: row.mce),
)


def tested(rows: Sequence[Scored]) -> list[Scored]:
    """The test cases of all seeds."""
    return [row for of_seed in by_seed(rows, "test").values() for row in of_seed]


def dice_per_condition(rows: Sequence[Scored]) -> str:
    """Mean ± SD of Dice over test cases of all seeds, and the share that failed, for each family and strength."""
    test = tested(rows)
    conditions = [Condition()]
    conditions += [Condition(family, level) for family in families_of(test) for level in strengths_of(test, family)]
    lines = []
    for condition in conditions:
        cases = [row for row in test if row.condition == condition]
        known = [row for row in cases if row.dice is not None]
        failed = sum(map(is_failed, known))
        share = f"{failed} ({failed / len(known):.0%})" if known else UNDEFINED
        name = "unshifted" if condition.family == UNSHIFTED else readable(condition.family)
        lines.append([name, str(condition.strength), str(len(cases)), mean_sd((row.dice for row in cases), 3), share])
    return table(("shift", "strength", "cases", "Dice", "failed"), lines)


def segmentation(rows: Sequence[Scored]) -> str:
    """DSC, HD95, ASSD, ECE and MCE, mean ± SD over test cases of all seeds; in brackets how many were undefined."""
    test = tested(rows)
    lines = []
    for family in (UNSHIFTED, *families_of(test)):
        cases = [row for row in test if row.condition.family == family]
        name = "unshifted" if family == UNSHIFTED else readable(family)
        values = (mean_sd(map(read, cases), digits) for _, digits, read in QUALITIES)
        lines.append([name, str(len(cases)), *values])
    return table(("images", "cases", *(title for title, _, _ in QUALITIES)), lines)


def mean_sd(values: Iterable[float | None], digits: int) -> str:
    """Mean ± SD (divided by their number); in brackets how many were undefined."""
    told = list(values)
    known = [value for value in told if value is not None]
    if not known:
        return UNDEFINED
    undefined = f" ({len(told) - len(known)} undefined)" if len(known) < len(told) else ""
    return f"{np.mean(known):.{digits}f} ± {np.std(known):.{digits}f}{undefined}"
