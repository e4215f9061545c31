"""A method on all test cases of a seed together, as the papers' tables are made: one threshold, shifted or not.

What learned from shifts has one model for each family: here its unshifted cases are those of the model that learned
from all validation images, its shifted ones those of the models that never saw their family.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hospital_agent.analysis.metrics.detection import auc, detection
from hospital_agent.evaluation.cases import Cases, by_seed, unshifted
from hospital_agent.evaluation.measures import Validation, measure
from hospital_agent.evaluation.rows import Scored
from hospital_agent.evaluation.summary import mean

COLUMNS = (
    "detection_error",
    "fpr_at_95_tpr",
    "esce",
    "dice_admitted",
    "dice_admitted_sd",
    "coverage",
    "accuracy",
    "sensitivity",
    "specificity",
    "auc",
    "aurc",
    "failure_sensitivity",
)


@dataclass(frozen=True)
class Pooled:
    """One method over one seed's test cases; None where undefined.

    Args:
        detection_error, fpr_at_95_tpr, esce: as in `summary`, in-distribution positive.
        dice_admitted, dice_admitted_sd: of the cases at or below the threshold; SD over cases, divided by their number.
        coverage: share of the cases that are admitted.
        accuracy, sensitivity, specificity, auc: of telling shifted cases, which are positive here.
        aurc, failure_sensitivity: over all cases.
    """

    detection_error: float | None = None
    fpr_at_95_tpr: float | None = None
    esce: float | None = None
    dice_admitted: float | None = None
    dice_admitted_sd: float | None = None
    coverage: float | None = None
    accuracy: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    auc: float | None = None
    aurc: float | None = None
    failure_sensitivity: float | None = None


def pooled(rows: Sequence[Scored], method: str) -> Pooled:
    """The mean over seeds of each column, of the seeds in which it is defined."""
    validation = by_seed(rows, "validation")
    seeds = [
        _of_seed(Cases.of(test, method), Validation.of(Cases.of(unshifted(validation.get(seed, [])), method)))
        for seed, test in by_seed(rows, "test").items()
    ]
    return Pooled(**{name: mean(getattr(one, name) for one in seeds) for name in COLUMNS})


def _of_seed(cases: Cases, validation: Validation) -> Pooled:
    measured = measure(cases, validation)
    told: dict[str, float | None] = {
        name: getattr(measured, name)
        for name in ("detection_error", "fpr_at_95_tpr", "esce", "auc", "aurc", "failure_sensitivity")
    }
    boundary = validation.threshold
    if boundary is None or not cases.scores.size:
        return Pooled(**told)
    admitted = cases.scores <= boundary
    dice = cases.dice[admitted & cases.known]
    found = detection(cases.scores[~cases.shifted], cases.scores[cases.shifted], boundary)
    told |= {
        "coverage": float(admitted.mean()),
        "dice_admitted": float(dice.mean()) if dice.size else None,
        "dice_admitted_sd": float(dice.std()) if dice.size else None,
        "auc": auc(cases.scores, cases.shifted),
    }
    if found is not None:
        told |= {
            "accuracy": float(np.mean(admitted != cases.shifted)),
            "sensitivity": 1 - found.fpr,
            "specificity": found.tpr,
        }
    return Pooled(**told)
