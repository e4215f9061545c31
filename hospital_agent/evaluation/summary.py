"""From scored rows to one row a task, method, shift, strength and seed: what results.csv holds.

Which cases a row is about:

- shift "none": unshifted test cases alone. Columns of detection are empty, there is nothing to detect.
- (family, s): unshifted test cases and those of the family at strength s; out of distribution means shifted.
- (family, "all"): unshifted test cases and those of the family at all strengths.
- "macro": the mean over families of their "all" rows, of those in which the column is defined.

Columns: `n` cases that the method gave a score (macro: unshifted and all shifted ones); `n_validation_patients` behind
the threshold. The threshold comes from the unshifted validation cases of the same seed, whose scores are out-of-patient
for what learned on validation, so no patient sets his own threshold; test patients never take part. `tpr_achieved`:
share of the unshifted test cases at or below it. `fpr_at_95_tpr`: share of the shifted ones. `detection_error`: the
mean of 1 - TPR and FPR (in-distribution is positive). `auc`: shifted against unshifted, 0.5 is chance. `esce`: between
1 - normalised score and Dice. `spearman`: of score and 1 - Dice, 1 is best. `aurc`, its excess over the best order, and
normalised (1 best order, 0 random). `failure_sensitivity`: at 90 % specificity, for failures (Dice < 0.6, or a label
that only mask or only reference has). A column that is undefined is empty: no failed case, one score for all, no spread
in Dice. Cases without a Dice (nothing to find and nothing found) count for detection alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from statistics import fmean

from hospital_agent.evaluation.cases import (
    ALL,
    MACRO,
    Cases,
    by_seed,
    families_of,
    strengths_of,
    under,
    unshifted,
    with_trivial,
)
from hospital_agent.evaluation.measures import Measures, Validation, measure
from hospital_agent.evaluation.rows import UNSHIFTED, Method, Scored


@dataclass(frozen=True)
class ResultRow:
    """One line of results.csv; the columns are the fields, in this order."""

    task: str
    method: str
    shift: str
    strength: str
    seed: int
    n: int
    n_validation_patients: int
    detection_error: float | None
    tpr_achieved: float | None
    fpr_at_95_tpr: float | None
    esce: float | None
    spearman: float | None
    auc: float | None
    aurc: float | None
    excess_aurc: float | None
    normalised_aurc: float | None
    failure_sensitivity: float | None
    seconds_per_case: float | None
    passes: int
    supervised: bool


MEASURED = tuple(field.name for field in fields(Measures))


def result_rows(rows: Sequence[Scored], methods: Sequence[Method]) -> list[ResultRow]:
    """All lines of one task: seed by seed, method by method; methods that cannot run have none.

    Args:
        rows: of one task, any seeds, validation and test.
        methods: "shift_strength" and "volume" are added where missing.
    """
    validation = by_seed(rows, "validation")
    return [
        line
        for seed, test in by_seed(rows, "test").items()
        for method in with_trivial(methods)
        if method.not_applicable is None
        for line in _of_method(method, test, unshifted(validation.get(seed, [])))
    ]


def _of_method(method: Method, test: Sequence[Scored], validation: Sequence[Scored]) -> Iterable[ResultRow]:
    def line(cases: Sequence[Scored], family: str | None, shift: str, strength: str) -> tuple[ResultRow, Measures]:
        reference = Validation.of(Cases.of(validation, method.name, family))
        used = Cases.of(cases, method.name, family)
        measured = measure(used, reference)
        return _row(method, test, shift, strength, used.scores.size, reference.patients, measured), measured

    yield line(unshifted(test), None, UNSHIFTED, "0")[0]
    whole = []
    for family in families_of(test):
        for strength in strengths_of(test, family):
            yield line(under(test, family, strength), family, family, str(strength))[0]
        row, measured = line(under(test, family), family, family, ALL)
        whole.append((row, measured))
        yield row
    if whole:
        known = Cases.of(test, method.name)
        patients = min(row.n_validation_patients for row, _ in whole)
        yield _row(method, test, MACRO, ALL, known.scores.size, patients, mean_of([each for _, each in whole]))


def _row(
    method: Method, test: Sequence[Scored], shift: str, strength: str, n: int, patients: int, measured: Measures
) -> ResultRow:
    seconds = [row.seconds[method.name] for row in test if method.name in row.seconds]
    return ResultRow(
        task=test[0].task,
        method=method.name,
        shift=shift,
        strength=strength,
        seed=test[0].seed,
        n=n,
        n_validation_patients=patients,
        **{name: getattr(measured, name) for name in MEASURED},
        seconds_per_case=fmean(seconds) if seconds else None,
        passes=method.passes,
        supervised=method.supervised,
    )


def mean_of(measured: Sequence[Measures]) -> Measures:
    """Each column's mean over those in which it is defined."""
    return Measures(**{name: mean(getattr(each, name) for each in measured) for name in MEASURED})


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is defined; None where nothing is."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
