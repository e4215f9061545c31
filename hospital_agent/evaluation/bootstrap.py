"""Does one method beat another? Paired intervals over resampled patients, and the spread over seeds beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hospital_agent.analysis.metrics.patient_bootstrap import DRAWS, interval, mean_of_defined, patient_copies
from hospital_agent.evaluation.cases import (
    Flags,
    Floats,
    by_seed,
    families_of,
    is_failed,
    score_of,
    under,
)
from hospital_agent.evaluation.rows import Method, Scored
from hospital_agent.evaluation.weighted import MEASURES, Resamples

FEWEST_SEEDS_FOR_SD = 3


@dataclass(frozen=True)
class Difference:
    """By how much the chosen method is better than another in one measure; all measures: higher is better.

    Args:
        other: the method it is compared with.
        measure: one of "normalised_aurc", "spearman", "failure_sensitivity", macro-averaged over families.
        estimate: chosen minus other, mean over seeds; None where it is undefined for either.
        low, high: the paired patient-bootstrap interval; None where too few resamples define it.
        seeds: the difference in each seed, None where undefined.
        patients: distinct test patients that were resampled.
    """

    other: str
    measure: str
    estimate: float | None
    low: float | None
    high: float | None
    seeds: tuple[float | None, ...]
    patients: int

    @property
    def beats(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.low is not None and self.low > 0

    @property
    def beaten(self) -> bool:
        """Whether the whole interval lies below 0."""
        return self.high is not None and self.high < 0

    @property
    def seed_range(self) -> tuple[float, float] | None:
        """Smallest and largest difference over seeds; None where no seed has one."""
        known = [value for value in self.seeds if value is not None]
        return (min(known), max(known)) if known else None

    @property
    def seed_sd(self) -> float | None:
        """SD over at least three seeds (divided by one less than their number); None below that."""
        known = [value for value in self.seeds if value is not None]
        return float(np.std(known, ddof=1)) if len(known) >= FEWEST_SEEDS_FOR_SD else None


@dataclass(frozen=True, eq=False)
class Block:
    """One family in one seed: unshifted and shifted test cases with a known Dice, and their resamples.

    The first draw of `resamples` is the cases as they are, each once.
    """

    rows: Sequence[Scored]
    family: str
    resamples: Resamples

    def scores(self, method: str) -> tuple[Floats, Flags]:
        """(N,) of the method, and where they are defined."""
        found = [score_of(row, method, self.family) for row in self.rows]
        defined = np.array([score is not None for score in found], dtype=np.bool_)
        return np.array([0.0 if score is None else score for score in found], dtype=np.float64), defined


def compare(
    rows: Sequence[Scored], methods: Sequence[Method], chosen: str, draws: int = DRAWS, seed: int = 0
) -> list[Difference]:
    """The chosen method against every other, in each measure.

    Patients are drawn with replacement from all test patients of all seeds; whoever is drawn brings all images, under
    all conditions, in every seed that tested on them. Seeds stay apart: scores of two networks share no scale, so each
    statistic is computed within a seed and family, averaged over families (macro) and then over seeds, in every draw
    anew. The interval therefore says how far the difference depends on who was tested, with the networks as they are;
    how far it depends on the training is told by the spread over seeds beside it. Chosen and other see the same draws
    and only cases for which both have a score. Intervals are percentiles and not corrected for their number.

    Args:
        rows: of one task.
        chosen: name of the method that is compared.
        draws: resamples; 2000 or more for a table.
        seed: of the resampling.
    """
    seeds, patients = _blocks(rows, draws, seed)
    own: dict[tuple[int, bytes], dict[str, Floats]] = {}
    found = []
    for method in methods:
        if method.name != chosen and method.not_applicable is None:
            per_seed = [_paired(blocks, chosen, method.name, own) for blocks in seeds]
            found += [_difference(method.name, name, [one[name] for one in per_seed], patients) for name in MEASURES]
    return found


def _blocks(rows: Sequence[Scored], draws: int, seed: int) -> tuple[list[list[Block]], int]:
    test = by_seed(rows, "test")
    patients = sorted({row.patient for of_seed in test.values() for row in of_seed})
    place = {patient: i for i, patient in enumerate(patients)}
    copies = np.ascontiguousarray(patient_copies(len(patients), draws, seed).T)  # (patients, 1 + draws)
    seeds = []
    for of_seed in test.values():
        known = [row for row in of_seed if row.dice is not None]
        seeds.append([_block(under(known, family), family, place, copies) for family in families_of(known)])
    return seeds, len(patients)


def _block(rows: Sequence[Scored], family: str, place: Mapping[str, int], copies: Floats) -> Block:
    risk = np.array([1 - (row.dice or 0.0) for row in rows])
    failed = np.array([is_failed(row) for row in rows], dtype=np.bool_)
    owner = np.array([place[row.patient] for row in rows], dtype=np.intp)
    return Block(rows, family, Resamples(copies, owner, risk, failed))


def _paired(
    blocks: Sequence[Block], chosen: str, other: str, own: dict[tuple[int, bytes], dict[str, Floats]]
) -> dict[str, Floats]:
    """(1 + draws,) macro difference of each measure in one seed; NaN where undefined."""
    found: dict[str, list[Floats]] = {name: [] for name in MEASURES}
    for block in blocks:
        (ours, ours_defined), (theirs, theirs_defined) = block.scores(chosen), block.scores(other)
        both = ours_defined & theirs_defined
        if not both.any():
            continue
        resamples = block.resamples if both.all() else block.resamples.part(both)
        key = (id(block), both.tobytes())
        if key not in own:
            own[key] = resamples.statistics(ours[both])
        statistics = resamples.statistics(theirs[both])
        for name in MEASURES:
            found[name].append(own[key][name] - statistics[name])
    return {name: mean_of_defined(values) for name, values in found.items()}


def _difference(other: str, measure: str, per_seed: Sequence[Floats], patients: int) -> Difference:
    mean = mean_of_defined(per_seed)
    low, high = interval(mean[1:])
    seeds = tuple(_known(one[0]) for one in per_seed)
    return Difference(other, measure, _known(mean[0]), low, high, seeds, patients)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
