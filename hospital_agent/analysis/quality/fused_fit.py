"""Fit the fused quality model from few patients, many of whose cases are shifted copies of each other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.metrics.detection import sensitivity, specificity
from hospital_agent.analysis.quality import FAILED_BELOW_DICE, Scores
from hospital_agent.analysis.quality.answers import TOO_FEW_PATIENTS
from hospital_agent.analysis.quality.calibration import Platt, flag_threshold, interval_scale
from hospital_agent.analysis.quality.fused import FusedQualityModel, FusedRanking, FusedScore, spread_of
from hospital_agent.analysis.quality.fused_columns import FusedColumns, table_of
from hospital_agent.analysis.quality.inputs import Float64Array
from hospital_agent.analysis.quality.trees import TreeEnsemble
from shared.report import FlagQuality

TREES, LEAF_CASES, SHARE_OF_COLUMNS = 80, 5, 0.3
LOUDNESS = 2  # a score speaks with its correlation to this power: twice as telling is four times as loud
PATIENT_FOLDS, FAMILY_FOLDS = 3, 4
FEWEST_PATIENTS = 2
TINY = 1e-12
FAMILIAR = ("none",)  # groups that are no shift: a model in use has always seen them


@dataclass(frozen=True, eq=False)
class FusedTraining:
    """The cases to learn from; (N, names) table with NaN where undefined, and what each case is."""

    table: Float64Array
    names: tuple[str, ...]
    dice: Float64Array
    patients: NDArray[np.str_]
    groups: NDArray[np.str_]
    familiar: tuple[str, ...] = FAMILIAR

    def check(self) -> Self:
        """These cases, if they are enough to learn from.

        Raises:
            TooFewCases: one patient, no failed or no good case.
        """
        if np.unique(self.patients).size < FEWEST_PATIENTS:
            raise TooFewCases(f"A fused quality model needs cases of at least {FEWEST_PATIENTS} patients.")
        if self.failed.all() or not self.failed.any():
            raise TooFewCases("A fused quality model needs failed and good masks to learn from.")
        return self

    @property
    def failed(self) -> NDArray[np.bool_]:
        """(N,) whether Dice < 0.6."""
        return self.dice < FAILED_BELOW_DICE

    def part(self, cases: NDArray[np.bool_]) -> Self:
        """Some of the cases."""
        return replace(
            self,
            table=self.table[cases],
            dice=self.dice[cases],
            patients=self.patients[cases],
            groups=self.groups[cases],
        )


def fit_fused(
    cases: Sequence[Scores],
    dice: Sequence[float | None] | Float64Array,
    patients: Sequence[str],
    groups: Sequence[str],
    names: Iterable[str],
    seed: int = 0,
    *,
    version: str = "1",
    wanted_specificity: float = 0.9,
    interval_level: float = 0.9,
    familiar: Sequence[str] = FAMILIAR,
) -> FusedQualityModel:
    """The fused model, calibrated on predictions for cases whose patient and whose shift family it had not seen.

    1. Patients are dealt to three folds and shift families to four. For each pair of folds a model learns from
       everything else; its answers for the cases in both are what a new family at a new patient would get. Cases of
       a `familiar` group are only held out by patient: an ordinary image is nothing new.
    2. On these answers the expected Dice, the probability of failure, the threshold and the interval are calibrated.
    3. The shipped model learns from all cases.

    Args:
        cases: named values of each case; any names, None where undefined.
        dice: true Dice of each case, in [0, 1]; None or NaN leaves the case out.
        patients, groups: whose case it is, and which shift family made it ("none" for an image as it is).
        names: which named values it may look at.
        familiar: groups that are no shift.

    Raises:
        TooFewCases: one patient, no failed or no good case, or no value that varies.
        ValueError: not one Dice, patient and group a case, or a Dice outside [0, 1].
    """
    training = _training(cases, dice, patients, groups, names, familiar)
    said = _unseen(training, seed)
    failure = Platt.fit(said, training.failed)
    dice_line = Platt.fit_share(said, 1 - training.dice)
    probability = failure.probability(said)
    threshold = flag_threshold(probability, training.failed, wanted_specificity)
    expected = 1 - dice_line.probability(said)
    encoding, score = _fit(training, seed)
    scale, source = _interval(training, expected, interval_level)
    return FusedQualityModel(
        version=version,
        encoding=encoding,
        score=score,
        dice=dice_line,
        failure=failure,
        start=_columns(encoding, training).mean(axis=0),
        threshold=threshold,
        interval_level=interval_level,
        interval_scale=scale,
        interval_source=source,
        told=_flag_quality(said, training, wanted_specificity, seed),
        assessment={
            "patient_count": int(np.unique(training.patients).size),
            "case_count": int(training.dice.size),
            "failed_case_count": int(training.failed.sum()),
            "group_count": int(np.unique(training.groups).size),
            "predicted_dice_mae": float(np.mean(np.abs(expected - training.dice))),
        },
    )


def fit_fused_ranking(
    cases: Sequence[Scores],
    dice: Sequence[float | None] | Float64Array,
    patients: Sequence[str],
    groups: Sequence[str],
    names: Iterable[str],
    seed: int = 0,
    familiar: Sequence[str] = FAMILIAR,
) -> FusedRanking:
    """The part of `fit_fused` that ranks, without the cross-fitting that calibrates: the same risk for a fraction.

    Raises:
        TooFewCases, ValueError: as `fit_fused`.
    """
    training = _training(cases, dice, patients, groups, names, familiar)
    return FusedRanking(*_fit(training, seed))


def _training(
    cases: Sequence[Scores],
    dice: Sequence[float | None] | Float64Array,
    patients: Sequence[str],
    groups: Sequence[str],
    names: Iterable[str],
    familiar: Sequence[str],
) -> FusedTraining:
    if not len(cases) == len(dice) == len(patients) == len(groups):
        raise ValueError("A fused quality model needs one Dice, one patient and one group for each case.")
    truth = np.array([np.nan if value is None else value for value in dice], dtype=np.float64)
    kept = ~np.isnan(truth)
    if np.any((truth[kept] < 0) | (truth[kept] > 1)):
        raise ValueError("A Dice lies between 0 and 1.")
    known = tuple(names)
    who, what = np.asarray(patients, dtype=str)[kept], np.asarray(groups, dtype=str)[kept]
    return FusedTraining(table_of(cases, known)[kept], known, truth[kept], who, what, tuple(familiar)).check()


def _columns(encoding: FusedColumns, training: FusedTraining) -> Float64Array:
    rows = [dict(zip(training.names, row.tolist(), strict=True)) for row in training.table]
    return encoding.columns(rows)


def _fit(training: FusedTraining, seed: int) -> tuple[FusedColumns, FusedScore]:
    """One fit: half a line, half a random forest, each in SDs of its answers to the training cases.

    What is learned is the normal score of 1 - Dice: the order of the cases counts, not how their Dice is distributed.
    `benchmarks/fused_choice.py` compares it with either half alone, ridge regression and the best single score.

    Raises:
        TooFewCases: no value varies.
    """
    from sklearn.ensemble import RandomForestRegressor

    encoding = FusedColumns.fit(training.table, training.names)
    if not encoding.inputs:
        raise TooFewCases("No value varies enough, so there is nothing that a quality model could learn from.")
    columns, target = _columns(encoding, training), _normal_scores(1 - training.dice)
    weights = _loudness(columns, target, training)
    forest = RandomForestRegressor(
        TREES, min_samples_leaf=LEAF_CASES, max_features=SHARE_OF_COLUMNS, random_state=seed
    ).fit(columns, target)
    trees = TreeEnsemble.of(forest.estimators_)
    line, leaves = columns @ weights, trees.predict(columns)
    half_line, half_trees = 0.5 / max(float(line.std()), TINY), 0.5 / max(float(leaves.std()), TINY)
    intercept = -half_line * float(line.mean()) - half_trees * float(leaves.mean())
    return encoding, FusedScore(half_line * weights, intercept, half_trees, trees)


def _loudness(columns: Float64Array, target: Float64Array, training: FusedTraining) -> Float64Array:
    """(C,) how loudly each column speaks: its correlation with the target, signed and squared.

    The correlation is the mean over shift families, each taken together with the familiar cases. One family whose
    shifts are large cannot drown the others.
    """
    known = np.isin(training.groups, training.familiar)
    families = np.unique(training.groups[~known])
    parts = [known | (training.groups == family) for family in families] or [known]
    found = np.mean([_correlation(columns[part], target[part]) for part in parts], axis=0)
    loudness: Float64Array = np.sign(found) * np.abs(found) ** LOUDNESS
    return loudness


def _correlation(columns: Float64Array, target: Float64Array) -> Float64Array:
    """(C,) Pearson correlation of each column with the target; 0 where one does not vary."""
    centred, goal = columns - columns.mean(axis=0), target - target.mean()
    length = np.sqrt(np.sum(np.square(centred), axis=0) * np.sum(np.square(goal)))
    correlation: Float64Array = np.where(length > TINY, goal @ centred / np.maximum(length, TINY), 0.0)
    return correlation


def _normal_scores(values: Float64Array) -> Float64Array:
    """(N,) normal scores of the ranks of (N,) values; equal ones share theirs."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores: Float64Array = ndtri((rankdata(values) - 0.5) / values.size)
    return scores


def _unseen(training: FusedTraining, seed: int) -> Float64Array:
    """(N,) badness of each case, from a model that knew neither its patient nor its shift family."""
    said = np.zeros(training.dice.size)
    for number, (out, learned) in enumerate(_rounds(training, seed)):
        if out.any():
            encoding, score = _fit(training.part(learned), seed + number)
            said[out] = score.badness(_columns(encoding, training)[out])
    return said


def _rounds(training: FusedTraining, seed: int) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """(cases to predict, cases to learn from), each case predicted once."""
    patient_fold = _dealt(training.patients, training.failed, PATIENT_FOLDS, seed)
    known = np.isin(training.groups, training.familiar)
    family_fold = np.where(known, -1, _dealt(training.groups, training.failed, FAMILY_FOLDS, seed))
    families = np.unique(family_fold)
    for patients in np.unique(patient_fold):
        elsewhere = patient_fold != patients
        for family in families:
            learned = elsewhere & ((family_fold != family) | known)
            if not learned.any() or np.ptp(training.failed[learned].astype(int)) == 0:
                learned = elsewhere  # without this family nothing would be left to learn from
            yield ~elsewhere & (family_fold == family), learned


def _dealt(names: NDArray[np.str_], failed: NDArray[np.bool_], folds: int, seed: int) -> NDArray[np.int64]:
    """(N,) fold of each case: a name stays whole, and names with many failures are dealt out first."""
    shuffled = np.random.default_rng(seed).permutation(np.unique(names))
    ordered = sorted(shuffled, key=lambda name: -int(failed[names == name].sum()))
    fold_of = {name: i % folds for i, name in enumerate(ordered)}
    return np.array([fold_of[name] for name in names], dtype=np.int64)


def _interval(training: FusedTraining, expected: Float64Array, level: float) -> tuple[float | None, str]:
    """Scale of the interval, and what it stands on in words."""
    count = np.unique(training.patients).size
    distances = np.abs(training.dice - expected) / spread_of(expected)
    scale = interval_scale(distances, training.patients.tolist(), level)
    if scale is None:
        return None, f"{TOO_FEW_PATIENTS} of {100 * level:.0f} %"
    shifts = "of shifts not seen" if np.unique(training.groups).size > 1 else "of one group"
    return scale, f"{count} patients under images {shifts} (conformal, each patient counted once; cross-fitted)"


def _flag_quality(
    said: Float64Array, training: FusedTraining, wanted_specificity: float, seed: int
) -> FlagQuality | None:
    """How well the flag does on patients whose own answers did not set its threshold."""
    fold = _dealt(training.patients, training.failed, PATIENT_FOLDS, seed)
    flagged = np.zeros(said.size, dtype=bool)
    for out in (fold == number for number in np.unique(fold)):
        failure = Platt.fit(said[~out], training.failed[~out])
        threshold = flag_threshold(failure.probability(said[~out]), training.failed[~out], wanted_specificity)
        flagged[out] = failure.probability(said[out]) > threshold
    found, spared = sensitivity(flagged, training.failed), specificity(flagged, training.failed)
    if found is None or spared is None:
        return None
    families = ", as were their shift families" if not np.isin(training.groups, training.familiar).all() else ""
    words = f"{np.unique(training.patients).size} patients, unseen{families}"
    return FlagQuality(sensitivity=found, specificity=spared, measured_on=words)
