"""Fit the quality model that a model folder ships, and measure it on patients that it has not seen."""

from collections.abc import Sequence

import numpy as np

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.metrics.detection import sensitivity, specificity
from hospital_agent.analysis.quality import Scores
from hospital_agent.analysis.quality.assessment import assess
from hospital_agent.analysis.quality.calibration import Platt, flag_threshold, interval_scale
from hospital_agent.analysis.quality.cross_fit import Training, cross_fit, decide, fit_encoded
from hospital_agent.analysis.quality.estimator import Estimator
from hospital_agent.analysis.quality.inputs import DEFAULT_INPUTS, QualityInput, scaled_table
from hospital_agent.analysis.quality.logistic_regression import LogisticQualityModel
from hospital_agent.analysis.quality.view import QualityView
from hospital_agent.analysis.quality.viewed import ViewedQualityModel
from shared.report import FlagQuality

SIMULATED = "simulated lesions in known anatomies"


def fit_quality_model(
    rows: Sequence[Scores],
    dice: Sequence[float | None],
    patients: Sequence[str],
    *,
    inputs: Sequence[QualityInput] = DEFAULT_INPUTS,
    empty: Sequence[bool] | None = None,
    version: str = "1",
    wanted_specificity: float = 0.9,
    interval_level: float = 0.9,
    groups: Sequence[str] | None = None,
    measured_on: str | None = None,
    kind: type[ViewedQualityModel] = LogisticQualityModel,
    seed: int = 0,
) -> ViewedQualityModel:
    """Two models of one kind, one on all inputs and one on those of the mask alone.

    1. Ten rounds, each without a tenth of the patients, give predictions for cases of unseen patients.
    2. On these the probability of failure is calibrated, the flag's threshold set for the wanted specificity, and
       the interval's width taken. The same, once more without each tenth, gives the measured figures.
    3. The shipped model is fitted on all patients. The interval is therefore cross-fitted and its coverage
       is measured, not guaranteed.

    Where the scores of the network point the wrong way on unseen patients, the view that uses them is left out.

    Args:
        rows: named values of each case, OOD scores as `<name>_log10`.
        dice: true Dice of each case, in [0, 1], 0 where the reference is empty and the mask is not; None leaves the
            case out (reference and mask both empty).
        patients: whose case it is; a patient's cases never stand on both sides.
        empty: which masks have no voxel; they are left out, since their rules need no model.
        wanted_specificity: share of good masks that must not be flagged.
        interval_level: share of patients whose Dice the interval should hold.
        groups: kind of each case, e.g. "real"; the measured figures are also given for each kind.
        measured_on: what the cases are and how many patients they show, in words that end up beside every figure.
        kind: what learns; the shipped one by default.
        seed: of the deal of patients to rounds, and of what the kind draws.

    Raises:
        TooFewCases: fewer than five patients, or failures or successes in fewer than two of them.
        ValueError: not one Dice and one patient a row, or a Dice outside [0, 1].
    """
    training = training_cases(rows, dice, patients, inputs=inputs, empty=empty, groups=groups)
    words = measured_on or f"{SIMULATED}, {training.patient_count} patients"
    mask_only = [i for i, item in enumerate(training.inputs) if item.group == "features"]
    choices = {"full": list(range(len(training.inputs))), "mask_only": mask_only}
    if len(mask_only) == len(training.inputs):
        choices.pop("full")
    views = tuple(
        _view(
            name=name,
            estimator=kind.estimator,
            training=training,
            columns=columns,
            wanted_specificity=wanted_specificity,
            level=interval_level,
            measured_on=words,
            seed=seed,
        )
        for name, columns in choices.items()
        if columns
    )
    useful = tuple(view for view in views if view.platt.slope > 0)
    return kind(version, useful or views[-1:])


def training_cases(
    rows: Sequence[Scores],
    dice: Sequence[float | None],
    patients: Sequence[str],
    *,
    inputs: Sequence[QualityInput] = DEFAULT_INPUTS,
    empty: Sequence[bool] | None = None,
    groups: Sequence[str] | None = None,
) -> Training:
    """The cases that a quality model can learn from, as numbers; the arguments are those of `fit_quality_model`.

    Raises:
        TooFewCases, ValueError: as `fit_quality_model`.
    """
    if not len(rows) == len(dice) == len(patients) == len(empty if empty is not None else rows):
        raise ValueError("A quality model needs one Dice and one patient for each row.")
    truth = np.array([np.nan if value is None else value for value in dice], dtype=np.float64)
    kept = ~np.isnan(truth) & ~np.array([False] * len(rows) if empty is None else empty, dtype=bool)
    if np.any((truth[kept] < 0) | (truth[kept] > 1)):
        raise ValueError("A Dice lies between 0 and 1.")
    table = scaled_table(rows, tuple(inputs))[kept]
    defined = [i for i in range(len(inputs)) if not np.isnan(table[:, i]).all()]
    if not defined:
        raise TooFewCases("No case has a value that the quality model can use.")
    return Training(
        table[:, defined],
        tuple(inputs[i] for i in defined),
        truth[kept],
        np.asarray(patients)[kept],
        None if groups is None else np.asarray(groups)[kept],
    )


def _view(
    *,
    name: str,
    estimator: type[Estimator],
    training: Training,
    columns: Sequence[int],
    wanted_specificity: float,
    level: float,
    measured_on: str,
    seed: int,
) -> QualityView:
    said = cross_fit(training, columns, seed, estimator)
    decided = decide(training, said, wanted_specificity, level)
    platt = Platt.fit(said.log_odds, training.failed)
    probability = platt.probability(said.log_odds)
    inputs = [training.inputs[i] for i in columns]
    encoding, fitted = fit_encoded(estimator, training.table[:, list(columns)], training.dice, inputs, seed)
    return QualityView(
        name=name,
        encoding=encoding,
        estimator=fitted,
        platt=platt,
        threshold=flag_threshold(probability, training.failed, wanted_specificity),
        interval_level=level,
        interval_scale=interval_scale(said.conformal_scores(training.dice), training.patients.tolist(), level),
        patient_count=training.patient_count,
        case_count=training.dice.size,
        measured_on=measured_on,
        flag_quality=_flag_quality(decided.flagged, training, measured_on),
        assessment=assess(training, said, decided, seed),
    )


def _flag_quality(flagged: "np.ndarray[tuple[int], np.dtype[np.bool_]]", training: Training, words: str) -> FlagQuality:
    found, spared = sensitivity(flagged, training.failed), specificity(flagged, training.failed)
    if found is None or spared is None:  # `Training` refuses this; the types do not know
        raise TooFewCases("A flag is measured on failed and on good masks.")
    return FlagQuality(
        sensitivity=found,
        specificity=spared,
        measured_on=words,
    )
