"""From a learned risk to a predicted Dice and a probability of failure, by validation cases of other shift families."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.quality.calibration import Platt
from hospital_agent.evaluation.cases import is_failed, score_of
from hospital_agent.evaluation.rows import UNSHIFTED, Scored

FAILURE_PROBABILITY, PREDICTED_DICE = "_failure_probability", "_predicted_dice"


def with_calibration(rows: Sequence[Scored], name: str) -> list[Scored]:
    """The rows of one seed with `<name>_failure_probability` and `<name>_predicted_dice` on its test rows.

    What turns the risk of one family's test images into numbers was fitted to the Dice of validation images as they are
    and under all *other* families. The risk of the former comes from the model that never saw the asked family, that of
    the latter from models that never saw theirs; none saw the patient. Unshifted test images are calibrated by all
    families. Without failed and good validation cases there are no such values.
    """
    validation = [row for row in rows if row.split == "validation" and row.dice is not None]
    fitted = {family: _fit(validation, name, family) for family in {row.condition.family for row in rows}}
    told = []
    for row in rows:
        risk, lines = score_of(row, name), fitted[row.condition.family]
        if row.split == "test" and risk is not None and lines is not None:
            failure, share = (float(line.probability(np.array([risk]))[0]) for line in lines)
            values = {**row.values, name + FAILURE_PROBABILITY: failure, name + PREDICTED_DICE: 1 - share}
            told.append(replace(row, values=values))
        else:
            told.append(row)
    return told


def _fit(validation: Sequence[Scored], name: str, family: str) -> tuple[Platt, Platt] | None:
    """Lines to the probability of failure and to 1 - Dice, from cases under other families than this one."""
    asked = None if family == UNSHIFTED else family
    others = [row for row in validation if row.condition.family != asked]
    known = [(risk, row) for row in others if (risk := score_of(row, name, asked)) is not None]
    failed: NDArray[np.bool_] = np.array([is_failed(row) for _, row in known], dtype=bool)
    if not known or failed.all() or not failed.any():
        return None
    risks = np.array([risk for risk, _ in known])
    return Platt.fit(risks, failed), Platt.fit_share(risks, np.array([1 - (row.dice or 0.0) for _, row in known]))
