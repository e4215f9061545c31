"""What is learned from validation images: the recommended default, and the quality models of the 2021 paper."""

from collections.abc import Mapping, Sequence

from hospital_agent.analysis.quality.fused_fit import fit_fused
from hospital_agent.evaluation.methods import feature_directions, one_pass_directions
from hospital_agent.evaluation.supervised import Learner, Risk, Scores
from shared.quantities import Direction

FUSED = "fused_quality"


def learners_for(label_count: int) -> list[Learner]:
    """Every learner for a task with so many labels."""
    everything = {**feature_directions(label_count), **one_pass_directions()}
    return [Learner(FUSED, everything, _fused)]


def _fused(
    cases: Sequence[Scores],
    dice: Sequence[float],
    patients: Sequence[str],
    groups: Sequence[str],
    directions: Mapping[str, Direction],
    seed: int,
) -> Risk:
    return fit_fused(cases, dice, patients, groups, directions, seed).risk
