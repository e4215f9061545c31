"""All columns of one row of the tables, from its cases and the validation cases behind them."""

from dataclasses import dataclass

import numpy as np

from hospital_agent.analysis.metrics.calibration import esce
from hospital_agent.analysis.metrics.correlation import spearman
from hospital_agent.analysis.metrics.detection import acceptance_boundary, auc, detection, failure_sensitivity
from hospital_agent.analysis.metrics.risk_coverage import risk_coverage
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.evaluation.cases import Cases, Floats


@dataclass(frozen=True)
class Measures:
    """One row's measured columns; None where undefined. Definitions: `evaluation.summary`."""

    detection_error: float | None = None
    tpr_achieved: float | None = None
    fpr_at_95_tpr: float | None = None
    esce: float | None = None
    spearman: float | None = None
    auc: float | None = None
    aurc: float | None = None
    excess_aurc: float | None = None
    normalised_aurc: float | None = None
    failure_sensitivity: float | None = None


@dataclass(frozen=True)
class Validation:
    """What the unshifted validation cases of a seed say about a method.

    Args:
        threshold: at or below it lie 95 % of them; None without any.
        scale: their smallest, median and largest score; None without any.
        patients: how many people they show.
    """

    threshold: float | None
    scale: ValidationRange | None
    patients: int

    @classmethod
    def of(cls, cases: Cases) -> "Validation":
        """Read threshold and scale; no test case is looked at."""
        scores = cases.scores
        scale = None
        if scores.size:
            scale = ValidationRange(float(scores.min()), float(np.median(scores)), float(scores.max()))
        return cls(acceptance_boundary(scores), scale, int(np.unique(cases.patients).size))

    def normalised(self, scores: Floats) -> Floats | None:
        """(N,) between smallest and doubled largest validation score, in [0, 1].

        None where the range has no width, and where the largest is below 0: its double would lie below it.
        """
        if self.scale is None or self.scale.high < 0:
            return None
        values = [self.scale.normalise(float(score)) for score in scores]
        return None if None in values else np.array(values, dtype=np.float64)


def measure(cases: Cases, validation: Validation) -> Measures:
    """Every column that these cases define; those of detection only where some are shifted and some are not."""
    judged = cases.with_dice
    risk = risk_coverage(judged.scores, judged.dice)
    found = None
    if validation.threshold is not None:
        found = detection(cases.scores[~cases.shifted], cases.scores[cases.shifted], validation.threshold)
    normalised = validation.normalised(judged.scores)
    return Measures(
        detection_error=found.error if found else None,
        tpr_achieved=found.tpr if found else None,
        fpr_at_95_tpr=found.fpr if found else None,
        esce=None if normalised is None else esce(normalised, judged.dice),
        spearman=spearman(judged.scores.tolist(), (1 - judged.dice).tolist()),
        auc=auc(cases.scores, cases.shifted),
        aurc=risk.aurc if risk else None,
        excess_aurc=risk.excess if risk else None,
        normalised_aurc=risk.normalised if risk else None,
        failure_sensitivity=failure_sensitivity(judged.scores, judged.failed),
    )
