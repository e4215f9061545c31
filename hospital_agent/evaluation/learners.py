"""What is learned from validation images: the quality models of the 2021 paper, their heir, and the default."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.quality import FAILED_BELOW_DICE, quality_models
from hospital_agent.analysis.quality.estimator import Estimator
from hospital_agent.analysis.quality.fused_fit import fit_fused_ranking
from hospital_agent.analysis.quality.inputs import DEFAULT_INPUTS, Encoding, QualityInput, scaled_table
from hospital_agent.analysis.quality.viewed import ViewedQualityModel
from hospital_agent.evaluation.methods import feature_directions, one_pass_directions
from hospital_agent.evaluation.supervised import Learner, Risk, Scores
from shared.quantities import Direction

FUSED, HEIR = "fused_quality", "forest"
SCALES = {item.name: item for item in DEFAULT_INPUTS}


def learners_for(label_count: int) -> list[Learner]:
    """Every learner for a task with so many labels.

    The models of the 2021 paper look at the mask alone, as in the paper; the heir and the default at all that one
    forward pass gives.
    """
    mask = feature_directions(label_count)
    everything = {**mask, **one_pass_directions()}
    learners = [Learner(FUSED, everything, _fused)]
    for name, kind in quality_models.load("hospital_agent.analysis.quality").items():
        if issubclass(kind, ViewedQualityModel):
            learners.append(Learner(name, everything if name == HEIR else mask, partial(_estimated, kind.estimator)))
    return learners


def _fused(
    cases: Sequence[Scores],
    dice: Sequence[float],
    patients: Sequence[str],
    groups: Sequence[str],
    directions: Mapping[str, Direction],
    seed: int,
) -> Risk:
    return fit_fused_ranking(cases, dice, patients, groups, directions, seed).risk


def _estimated(
    estimator: type[Estimator],
    cases: Sequence[Scores],
    dice: Sequence[float],
    patients: Sequence[str],  # noqa: ARG001 - it does not know that cases belong together
    groups: Sequence[str],  # noqa: ARG001
    directions: Mapping[str, Direction],
    seed: int,
) -> Risk:
    """The estimator alone: tables rank cases, so nothing needs to be calibrated."""
    inputs = [SCALES.get(name, QualityInput(name, "features")) for name in directions]
    table, truth = scaled_table(cases, inputs), np.asarray(dice, dtype=np.float64)
    encoding = Encoding.fit(table, inputs)
    failed = truth < FAILED_BELOW_DICE
    if not encoding.inputs or failed.all() or not failed.any():
        raise TooFewCases("A quality model needs failed and good masks, and an input that tells them apart.")
    fitted = estimator.fit(encoding.encode(cases), truth, seed)

    def risk(scores: Scores) -> float:
        # A class model says how likely a failure is, a regressor how low the Dice: either ranks as in the paper.
        return float(fitted.failure_log_odds(encoding.encode([scores]))[0])

    return risk
