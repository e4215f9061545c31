"""Joint against single-task training: paired intervals over resampled patients, one dataset and measure at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from hospital_agent.analysis.metrics.patient_bootstrap import (
    DRAWS,
    interval,
    mean_of_defined,
    patient_copies,
    weighted_means,
)
from hospital_agent.evaluation.several_organs.measuring import Segmented
from hospital_agent.evaluation.several_organs.networks import JOINT, SINGLE

FEWEST_PATIENTS = 5  # fewer say nothing about others: the difference is an example, and has no interval
MEASURES = ("dice", "ece", "mce")
HIGHER_IS_BETTER = {"dice": True, "ece": False, "mce": False}


@dataclass(frozen=True)
class Difference:
    """By how much one strategy's measure lies above another's on one dataset.

    Args:
        dataset, measure: of what; measure is one of `MEASURES`.
        estimate: chosen minus other over images, mean over seeds; None where no image has both.
        low, high: the paired patient-bootstrap interval; None below five patients.
        seeds: the difference in each seed.
        patients: distinct test patients.
    """

    dataset: str
    measure: str
    estimate: float | None
    low: float | None
    high: float | None
    seeds: tuple[float, ...]
    patients: int

    @property
    def better(self) -> bool | None:
        """Whether the chosen strategy is better; None where it is neither."""
        if not self.estimate:
            return None
        return (self.estimate > 0) == HIGHER_IS_BETTER[self.measure]

    @property
    def sure(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def differences(
    rows: Sequence[Segmented], chosen: str = JOINT, other: str = SINGLE, draws: int = DRAWS, seed: int = 0
) -> list[Difference]:
    """Chosen minus other, for each dataset and measure.

    Patients are drawn with replacement from all test patients of all seeds; whoever is drawn brings all images in every
    seed that tested on them. The mean is taken within a seed and then over seeds, in every draw anew. The trained
    networks are held fixed; the spread over seeds stands beside.
    """
    names = list(dict.fromkeys(row.dataset for row in rows))
    return [_of(rows, name, measure, chosen, other, draws, seed) for name in names for measure in MEASURES]


def _of(
    rows: Sequence[Segmented], dataset: str, measure: str, chosen: str, other: str, draws: int, seed: int
) -> Difference:
    values = {
        (row.strategy, row.row.seed, row.row.patient, row.row.case): getattr(row.row, measure)
        for row in rows
        if row.dataset == dataset
    }
    pairs: dict[int, list[tuple[str, float]]] = {}
    for (strategy, number, patient, case), value in values.items():
        against = values.get((other, number, patient, case))
        if strategy == chosen and value is not None and against is not None:
            pairs.setdefault(number, []).append((patient, value - against))
    patients = sorted({patient for told in pairs.values() for patient, _ in told})
    if not patients:
        return Difference(dataset, measure, None, None, None, (), 0)
    place = {patient: i for i, patient in enumerate(patients)}
    copies = patient_copies(len(patients), draws, seed)
    means = [
        weighted_means([value for _, value in told], [place[patient] for patient, _ in told], copies)
        for told in pairs.values()
    ]
    resampled = mean_of_defined(means)
    low, high = interval(resampled[1:]) if len(patients) >= FEWEST_PATIENTS else (None, None)
    return Difference(
        dataset, measure, float(resampled[0]), low, high, tuple(float(one[0]) for one in means), len(patients)
    )
