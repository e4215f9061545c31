"""Fit the fused quality model from few patients, many of whose cases are shifted copies of each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.metrics.detection import sensitivity, specificity
from hospital_agent.analysis.quality import FAILED_BELOW_DICE, Scores
from hospital_agent.analysis.quality.answers import TOO_FEW_PATIENTS
from hospital_agent.analysis.quality.calibration import Platt, flag_threshold, interval_scale
from hospital_agent.analysis.quality.fused import FusedQualityModel, FusedRanking, FusedScore, spread_of
from hospital_agent.analysis.quality.fused_columns import TOGETHER_COLUMNS, FusedColumns, table_of
from hospital_agent.analysis.quality.inputs import Float64Array
from hospital_agent.analysis.quality.trees import TreeEnsemble
from shared.quantities import Direction
from shared.report import FlagQuality

TREES, STEP, LEAVES, LEAF_CASES, SHARE_OF_COLUMNS, SHARE_OF_PATIENTS = 80, 0.1, 6, 15, 0.5, 0.7
CONSENSUS = 1 / 3  # weight of the means over scores, which learned nothing but their scale; see `_fit`
RIDGE = 0.1  # weight of the squared coefficients, against the mean squared error
CLIP = 0.02  # Dice outside [0.02, 0.98] counts as these: its logit must stay finite
PATIENT_FOLDS, FAMILY_FOLDS = 3, 4
FEWEST_PATIENTS = 2
FAMILIAR = ("none",)  # groups that are no shift: a model in use has always seen them


@dataclass(frozen=True, eq=False)
class FusedTraining:
    """The cases to learn from; (N, names) table with NaN where undefined, and what each case is.

    Raises:
        TooFewCases: one patient, no failed or no good case.
    """

    table: Float64Array
    directions: Mapping[str, Direction]
    dice: Float64Array
    patients: NDArray[np.str_]
    groups: NDArray[np.str_]

    def __post_init__(self) -> None:
        if np.unique(self.patients).size < FEWEST_PATIENTS:
            raise TooFewCases(f"A fused quality model needs cases of at least {FEWEST_PATIENTS} patients.")
        if self.failed.all() or not self.failed.any():
            raise TooFewCases("A fused quality model needs failed and good masks to learn from.")

    @property
    def failed(self) -> NDArray[np.bool_]:
        """(N,) whether Dice < 0.6."""
        return self.dice < FAILED_BELOW_DICE

    @property
    def badness(self) -> Float64Array:
        """(N,) -logit of Dice, what is learned."""
        clipped = np.clip(self.dice, CLIP, 1 - CLIP)
        target: Float64Array = np.log((1 - clipped) / clipped)
        return target

    def part(self, cases: NDArray[np.bool_]) -> tuple[Float64Array, Float64Array, NDArray[np.str_]]:
        """Table, badness and patients of some cases."""
        return self.table[cases], self.badness[cases], self.patients[cases]


def fit_fused(
    cases: Sequence[Scores],
    dice: Sequence[float | None] | Float64Array,
    patients: Sequence[str],
    groups: Sequence[str],
    directions: Mapping[str, Direction],
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
        directions: which way each named value is worse; only these names are used.
        familiar: groups that are no shift.

    Raises:
        TooFewCases: one patient, no failed or no good case, or no value that varies.
        ValueError: not one Dice, patient and group a case, or a Dice outside [0, 1].
    """
    training = _training(cases, dice, patients, groups, directions)
    said = _unseen(training, familiar, seed)
    failure = Platt.fit(said, training.failed)
    dice_line = Platt.fit_share(said, 1 - training.dice)
    probability = failure.probability(said)
    threshold = flag_threshold(probability, training.failed, wanted_specificity)
    expected = 1 - dice_line.probability(said)
    encoding, score = _fit(*training.part(np.ones(training.dice.size, dtype=bool)), directions, seed)
    scale, source = _interval(training, expected, interval_level)
    return FusedQualityModel(
        version=version,
        encoding=encoding,
        score=score,
        dice=dice_line,
        failure=failure,
        start=encoding.columns(training.table[:, _positions(encoding, directions)]).mean(axis=0),
        threshold=threshold,
        interval_level=interval_level,
        interval_scale=scale,
        interval_source=source,
        told=_flag_quality(probability > threshold, training),
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
    directions: Mapping[str, Direction],
    seed: int = 0,
) -> FusedRanking:
    """The part of `fit_fused` that ranks, without the cross-fitting that calibrates: the same risk for a fraction.

    Raises:
        TooFewCases, ValueError: as `fit_fused`.
    """
    training = _training(cases, dice, patients, groups, directions)
    return FusedRanking(*_fit(*training.part(np.ones(training.dice.size, dtype=bool)), directions, seed))


def _training(
    cases: Sequence[Scores],
    dice: Sequence[float | None] | Float64Array,
    patients: Sequence[str],
    groups: Sequence[str],
    directions: Mapping[str, Direction],
) -> FusedTraining:
    if not len(cases) == len(dice) == len(patients) == len(groups):
        raise ValueError("A fused quality model needs one Dice, one patient and one group for each case.")
    truth = np.array([np.nan if value is None else value for value in dice], dtype=np.float64)
    kept = ~np.isnan(truth)
    if np.any((truth[kept] < 0) | (truth[kept] > 1)):
        raise ValueError("A Dice lies between 0 and 1.")
    table = table_of(cases, tuple(directions))
    return FusedTraining(
        table[kept], directions, truth[kept], np.asarray(patients, dtype=str)[kept], np.asarray(groups, dtype=str)[kept]
    )


def _positions(encoding: FusedColumns, directions: Mapping[str, Direction]) -> list[int]:
    names = list(directions)
    return [names.index(item.name) for item in encoding.inputs]


def _fit(
    table: Float64Array,
    badness: Float64Array,
    patients: NDArray[np.str_],
    directions: Mapping[str, Direction],
    seed: int,
) -> tuple[FusedColumns, FusedScore]:
    """One fit on some cases: a third each for a line, for trees, and for the consensus of the scores.

    Line and trees learn which scores told of failure under the training shifts. A shift of another family may show
    itself in other scores; the consensus listens to all that point their way, so it is what is left then.
    `benchmarks/fused_quality.py` measures what that is worth.

    Raises:
        TooFewCases: no value varies.
    """
    encoding = FusedColumns.fit(table, directions, badness, patients)
    if not encoding.inputs:
        raise TooFewCases("No value varies, so there is nothing that a quality model could learn from.")
    columns = encoding.columns(table[:, _positions(encoding, directions)])
    weights, intercept = _line(columns, badness, encoding.signs)
    trees = _boost(columns, badness, patients, encoding.signs, seed)
    learned = (1 - CONSENSUS) / 2 if encoding.together else 0.5
    weights, intercept = learned * weights, learned * intercept
    if encoding.together:
        means = columns[:, -TOGETHER_COLUMNS:]
        slopes = CONSENSUS / TOGETHER_COLUMNS * badness.std() / np.maximum(means.std(axis=0), 1e-9)
        weights[-TOGETHER_COLUMNS:] += slopes
        intercept += CONSENSUS * float(badness.mean()) - float(slopes @ means.mean(axis=0))
    return encoding, FusedScore(weights, intercept, learned, trees)


def _boost(
    columns: Float64Array,
    badness: Float64Array,
    patients: NDArray[np.str_],
    signs: NDArray[np.int64],
    seed: int,
) -> TreeEnsemble:
    """Gradient boosting of the squared error with small monotone trees, each from some of the patients."""
    from sklearn.tree import DecisionTreeRegressor

    rng, names = np.random.default_rng(seed), np.unique(patients)
    drawn = max(round(SHARE_OF_PATIENTS * names.size), 1)
    rounded = np.ascontiguousarray(columns, dtype=np.float32)  # what the trees would make of it, each time anew
    answer, fitted = np.full(badness.size, badness.mean()), []
    for _ in range(TREES):
        some = np.isin(patients, rng.choice(names, drawn, replace=False))
        tree = DecisionTreeRegressor(
            max_leaf_nodes=LEAVES,
            min_samples_leaf=min(LEAF_CASES, max(badness.size // 8, 1)),
            max_features=SHARE_OF_COLUMNS,
            monotonic_cst=signs,
            random_state=int(rng.integers(2**31)),
        ).fit(rounded[some], (badness - answer)[some, None], check_input=False)
        answer += STEP * tree.predict(rounded, check_input=False)
        fitted.append(tree)
    mean = TreeEnsemble.of(fitted)  # the mean of all trees, of which each is one step
    return replace(mean, value=float(badness.mean()) + STEP * TREES * mean.value)


def _line(columns: Float64Array, badness: Float64Array, signs: NDArray[np.int64]) -> tuple[Float64Array, float]:
    """Ridge regression whose coefficients are not below 0 where the sign is 1."""
    from scipy.optimize import lsq_linear

    mean, level = columns.mean(axis=0), float(badness.mean())
    count = columns.shape[1]
    stacked = np.vstack([columns - mean, np.sqrt(RIDGE * len(columns)) * np.eye(count)])
    target = np.concatenate([badness - level, np.zeros(count)])
    lowest = np.where(signs > 0, 0.0, -np.inf)
    weights: Float64Array = lsq_linear(stacked, target, (lowest, np.inf)).x
    return weights, level - float(mean @ weights)


def _unseen(training: FusedTraining, familiar: Sequence[str], seed: int) -> Float64Array:
    """(N,) badness of each case, from a model that knew neither its patient nor its shift family."""
    said = np.zeros(training.dice.size)
    for number, (out, learned) in enumerate(_rounds(training, familiar, seed)):
        encoding, score = _fit(*training.part(learned), training.directions, seed + number)
        positions = _positions(encoding, training.directions)
        said[out] = score.badness(encoding.columns(training.table[out][:, positions]))
    return said


def _rounds(
    training: FusedTraining, familiar: Sequence[str], seed: int
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """(cases to predict, cases to learn from), each case predicted once."""
    patient_fold = _dealt(training.patients, training.failed, PATIENT_FOLDS, seed)
    known = np.isin(training.groups, familiar)
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


def _flag_quality(flagged: NDArray[np.bool_], training: FusedTraining) -> FlagQuality | None:
    found, spared = sensitivity(flagged, training.failed), specificity(flagged, training.failed)
    if found is None or spared is None:
        return None
    words = f"{np.unique(training.patients).size} patients, neither whose images nor whose shift families were seen"
    return FlagQuality(sensitivity=found, specificity=spared, measured_on=words)
