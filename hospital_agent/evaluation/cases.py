"""The cases of one row of the tables, as one method scores them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.quality import FAILED_BELOW_DICE
from hospital_agent.evaluation.rows import UNSHIFTED, Method, Scored, Split

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
SHIFT_STRENGTH, VOLUME = "shift_strength", "volume"
TRIVIAL = (
    Method(SHIFT_STRENGTH, passes=0, trivial=True),
    Method(VOLUME, passes=1, trivial=True),
)
ALL, MACRO = "all", "macro"


@dataclass(frozen=True, eq=False)
class Cases:
    """Cases with their scores and truths, one entry a case; a case that the method leaves undefined is not among them.

    Args:
        scores: (N,) higher is worse.
        dice: (N,) in [0, 1]; only looked at where `known`.
        known: (N,) whether there is a Dice (nothing to find and nothing found has none).
        failed: (N,) whether the mask is a failure, see `is_failed`; False where Dice is not known.
        shifted: (N,) whether the image was shifted: out of distribution.
        patients: (N,) whom it shows.
        undefined: cases that the method had no score for.
    """

    scores: Floats
    dice: Floats
    known: Flags
    failed: Flags
    shifted: Flags
    patients: NDArray[np.str_]
    undefined: int

    @classmethod
    def of(cls, rows: Sequence[Scored], method: str, family: str | None = None) -> "Cases":
        """The rows as `method` scores them; `family` as in `score_of`."""
        scores = [score_of(row, method, family) for row in rows]
        used = [row for row, score in zip(rows, scores, strict=True) if score is not None]
        return cls(
            scores=np.array([score for score in scores if score is not None], dtype=np.float64),
            dice=np.array([row.dice or 0.0 for row in used], dtype=np.float64),
            known=np.array([row.dice is not None for row in used], dtype=np.bool_),
            failed=np.array([is_failed(row) for row in used], dtype=np.bool_),
            shifted=np.array([is_shifted(row) for row in used], dtype=np.bool_),
            patients=np.array([row.patient for row in used], dtype=np.str_),
            undefined=len(rows) - len(used),
        )

    @property
    def with_dice(self) -> "Cases":
        """Those whose Dice is known."""
        return self.part(self.known)

    def part(self, which: Flags) -> "Cases":
        """Some of the cases."""
        return Cases(
            self.scores[which],
            self.dice[which],
            self.known[which],
            self.failed[which],
            self.shifted[which],
            self.patients[which],
            self.undefined,
        )


def score_of(row: Scored, method: str, family: str | None = None) -> float | None:
    """The score of a method for a case, higher is worse; None where it is undefined.

    Args:
        family: the shift family that is being evaluated. What learned from shifts has another model for each family,
            the one that never saw it, and an unshifted case is judged by the same model as the shifted ones beside it:
            `<method>@<family>` speaks before `<method>`.
    """
    if method == SHIFT_STRENGTH:
        return float(row.condition.strength)
    return row.values.get(f"{method}@{family}", row.values.get(method))


def is_shifted(row: Scored) -> bool:
    """Whether anything was done to the image."""
    return row.condition.family != UNSHIFTED


def is_failed(row: Scored) -> bool:
    """Mean Dice below 0.6, or a label that only mask or only reference has (its Dice is 0, like no overlap)."""
    if row.dice is None:
        return False
    return row.dice < FAILED_BELOW_DICE or any(value == 0 for value in row.label_dice.values())


def families_of(rows: Iterable[Scored]) -> tuple[str, ...]:
    """The shift families, in the order they first appear."""
    return tuple(dict.fromkeys(row.condition.family for row in rows if is_shifted(row)))


def strengths_of(rows: Iterable[Scored], family: str) -> tuple[int, ...]:
    """The strengths of a family, ascending."""
    return tuple(sorted({row.condition.strength for row in rows if row.condition.family == family}))


def unshifted(rows: Iterable[Scored]) -> list[Scored]:
    """The images as they are."""
    return [row for row in rows if not is_shifted(row)]


def under(rows: Sequence[Scored], family: str, strength: int | None = None) -> list[Scored]:
    """Unshifted cases, and those of a family at a strength (all strengths where None)."""
    return [
        row
        for row in rows
        if not is_shifted(row) or (row.condition.family == family and strength in (None, row.condition.strength))
    ]


def by_seed(rows: Iterable[Scored], split: Split) -> dict[int, list[Scored]]:
    """The rows of a split, a list a seed, seeds ascending."""
    found: dict[int, list[Scored]] = defaultdict(list)
    for row in rows:
        if row.split == split:
            found[row.seed].append(row)
    return dict(sorted(found.items()))


def with_trivial(methods: Sequence[Method]) -> tuple[Method, ...]:
    """The methods and, where they are missing, the trivial ones that each must beat to say anything."""
    named = {method.name for method in methods}
    return (*methods, *(trivial for trivial in TRIVIAL if trivial.name not in named))
