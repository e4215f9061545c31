"""What learns from shifted validation images, and is tested on a family of shifts that it never saw.

For every shift family there is one model that learned from the validation images as they are and under all *other*
families; it judges that family's test images, and the unshifted ones beside them (stored as `<method>@<family>`).
For tables of unshifted images alone one more model learns from all families. On validation images themselves, which
set thresholds, each answer comes from a model that did not see that patient.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.evaluation.rows import UNSHIFTED, Scored
from shared.quantities import Direction

Scores = Mapping[str, float | None]
Risk = Callable[[Scores], float | None]
FOLDS = 4


@dataclass(frozen=True)
class Learner:
    """A method that must be fitted on cases with known Dice.

    Args:
        name: of the method.
        inputs: which values of a row it may look at, with the direction of each.
        fit: (cases, dice, patients, groups, directions, seed) -> risk of a case, higher is worse.
    """

    name: str
    inputs: Mapping[str, Direction]
    fit: Callable[[Sequence[Scores], Sequence[float], Sequence[str], Sequence[str], Mapping[str, Direction], int], Risk]

    def learn(self, rows: Sequence[Scored], seed: int) -> Risk | None:
        """The risk learned from rows; None where they hold too little to learn from."""
        known = [row for row in rows if row.dice is not None]
        if not known:
            return None
        try:
            return self.fit(
                [row.values for row in known],
                [row.dice for row in known if row.dice is not None],
                [row.patient for row in known],
                [row.condition.family for row in known],
                self.inputs,
                seed,
            )
        except TooFewCases:
            return None


def with_learners(rows: Sequence[Scored], learners: Sequence[Learner], seed: int) -> list[Scored]:
    """The rows of one seed, with the values of every learner added; validation and test rows only."""
    validation = [row for row in rows if row.split == "validation"]
    families = sorted({row.condition.family for row in rows} - {UNSHIFTED})
    folds = _folds(validation, seed)
    told: list[dict[str, float | None]] = [{} for _ in rows]
    spent: list[dict[str, float]] = [{} for _ in rows]
    for learner in learners:
        for family in (None, *families):
            name = learner.name if family is None else f"{learner.name}@{family}"
            seen = [row for row in validation if row.condition.family != family]
            everyone = learner.learn(seen, seed)
            by_fold = [
                learner.learn([row for row in seen if folds[row.patient] != fold], seed)
                for fold in range(max(folds.values(), default=-1) + 1)
            ]
            for row, values, seconds in zip(rows, told, spent, strict=True):
                if not _judges(row, family):
                    continue
                model = by_fold[folds[row.patient]] if row.split == "validation" else everyone
                begun = perf_counter()
                risk = None if model is None else model(row.values)
                seconds[learner.name] = perf_counter() - begun
                values[name if row.condition.family == UNSHIFTED else learner.name] = risk
    return [
        replace(row, values={**row.values, **values}, seconds={**row.seconds, **seconds})
        for row, values, seconds in zip(rows, told, spent, strict=True)
    ]


def _judges(row: Scored, family: str | None) -> bool:
    """Whether the model that never saw `family` has a say on this row."""
    if row.split == "train":
        return False
    return row.condition.family in (UNSHIFTED, family)


def _folds(validation: Sequence[Scored], seed: int) -> dict[str, int]:
    patients = sorted({row.patient for row in validation})
    order: NDArray[np.int64] = np.random.default_rng([seed, 99]).permutation(len(patients))
    return {patients[place]: turn % min(FOLDS, len(patients)) for turn, place in enumerate(order)}
