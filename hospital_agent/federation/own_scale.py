"""The scale of a federated reference at this site: over its own patients, each left out of the reference."""

from collections.abc import Collection, Sequence

import numpy as np

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood.gaussian import Gaussian
from hospital_agent.analysis.ood.left_out import GaussianWithout
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.federation.looked_at import LookedAt


def left_out_values(
    cases: Sequence[LookedAt],
    score: str,
    moments: GaussianMoments,
    weight: float,
    whole: Gaussian,
    inside: Collection[str],
) -> list[float | None]:
    """The score of each case under a reference that has not seen its patient.

    Args:
        score: one of `OF_ONE_GAUSSIAN`.
        moments, weight, whole: of the federated reference.
        inside: the patients whose rows are in it; the others need not be left out.

    Returns:
        None where the case does not show the score, or nothing is left without its patient.
    """
    values: list[float | None] = []
    of_patient: dict[str, Gaussian | None] = {}
    for case in cases:
        rows = case.rows.get(score)
        if case.patient not in of_patient:
            of_patient[case.patient] = whole
            if case.patient in inside:
                of_patient[case.patient] = _without(cases, case.patient, score, moments, weight)
        gaussian = of_patient[case.patient]
        values.append(None if rows is None or gaussian is None else rows.value(gaussian.squared_distances(rows.rows)))
    return values


def whole_values(cases: Sequence[LookedAt], score: str, whole: Gaussian) -> list[float | None]:
    """The score of each case under a reference as it is."""
    rows = [case.rows.get(score) for case in cases]
    return [None if one is None else one.value(whole.squared_distances(one.rows)) for one in rows]


def range_of(cases: Sequence[LookedAt], values: Sequence[float | None]) -> ValidationRange | None:
    """Smallest, median and largest; in the median each patient counts once. None without a value."""
    of: dict[str, list[float]] = {}
    for case, value in zip(cases, values, strict=True):
        if value is not None:
            of.setdefault(case.patient, []).append(value)
    if not of:
        return None
    every = [value for values_ in of.values() for value in values_]
    middle = float(np.median([np.median(values_) for values_ in of.values()]))
    return ValidationRange(min(every), middle, max(every))


def _without(
    cases: Sequence[LookedAt], patient: str, score: str, moments: GaussianMoments, weight: float
) -> Gaussian | None:
    own = [case.rows[score].rows for case in cases if case.patient == patient and score in case.rows]
    if not own:
        return None
    try:
        return GaussianWithout(moments, np.concatenate(own), weight)
    except TooFewCases:
        return None
