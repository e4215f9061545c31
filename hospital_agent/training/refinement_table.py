"""What a refinement changed, case by case: paired differences with their interval over resampled patients."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hospital_agent.analysis.metrics.patient_bootstrap import interval, patient_copies, weighted_means

FEWEST_PATIENTS = 2  # an interval over one patient is not one


@dataclass(frozen=True)
class Comparison:
    """One measure before and after, over the cases that have it both times.

    Args:
        measure: "dice", "hausdorff_mm", "pdc" or "phd_mm".
        cases: "annotated" (held out), "flagged" or "unflagged".
        higher_is_better: of the measure.
        count, patients: cases with a value before and after, and whom they show.
        before, after: means; None without such a case.
        low, high: 95 % paired bootstrap interval of after - before over patients; None with fewer than two.
    """

    measure: str
    cases: str
    higher_is_better: bool
    count: int
    patients: int
    before: float | None
    after: float | None
    low: float | None
    high: float | None

    @property
    def worse(self) -> bool:
        """Whether the whole interval of the difference lies on the bad side of 0."""
        if self.low is None or self.high is None:
            return False
        return self.high < 0 if self.higher_is_better else self.low > 0

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "worse": self.worse}


def comparison(
    measure: str,
    cases: str,
    before: Sequence[float | None],
    after: Sequence[float | None],
    patients: Sequence[str],
    *,
    higher_is_better: bool,
    seed: int = 0,
) -> Comparison:
    """Compare one measure before and after; patients are drawn with replacement, and bring all their cases."""
    pairs = [
        (old, new, patient)
        for old, new, patient in zip(before, after, patients, strict=True)
        if old is not None and new is not None
    ]
    place = {patient: i for i, patient in enumerate(dict.fromkeys(patient for _, _, patient in pairs))}
    low = high = None
    if len(place) >= FEWEST_PATIENTS:
        copies = patient_copies(len(place), seed=seed, by="names")
        changes = [new - old for old, new, _ in pairs]
        low, high = interval(weighted_means(changes, [place[patient] for _, _, patient in pairs], copies)[1:])
    means = [float(np.mean([pair[side] for pair in pairs])) if pairs else None for side in (0, 1)]
    return Comparison(measure, cases, higher_is_better, len(pairs), len(place), means[0], means[1], low, high)
